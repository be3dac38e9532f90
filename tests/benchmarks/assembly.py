"""What assembly costs: a policy of many small layers against other ways to run the same modules.

One thread, process CPU time, TensorDict in and TensorDict out, the ways of a round one after the other, ratios to a
hand-written `nn.Module` within a round. All ways run the very same modules, and their outputs are compared first.
Compiled, the peer is the compiled hand-written module, TensorDict and all, and both take any number of rows.
The layers are torch's own (`linear`), ones of our plug-ins that compute more (`residual_mlp`), or a stranger's.
"""

import copy
import importlib.util
from functools import cache, partial
from types import MethodType
from unittest import mock

import attrs
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule, TensorDictModuleBase, TensorDictSequential
from torch import nn

import glulam
from glulam.layouts import BoxLayout
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.evidence.record import commit, write_result

__all__ = ["run"]

WIDTH, ACTIONS = 32, 4
LAYERS, ROWS = (10, 30, 100), (1, 32, 1024)
KINDS = ("torch", "shipped", "foreign")
COMPILED = (10, 30)  # numbers of torch's layers that are compiled too, which takes a minute
# Of all others it is the hand-written module.
PEERS = {"hand": None, "glulam, compiled": "hand, compiled", "glulam, policy.compile()": "hand, compiled"}
KEYS = ("values", "logits", "actions", "act_log_prob")


class Gate(nn.Module):
    """A stranger's module."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, x):
        return x * torch.sigmoid(self.map(x))


@glulam.layer
class GateConfig(glulam.LayerConfig):
    """A stranger's layer."""

    in_key: str = glulam.reads("x", shape="in_dim")
    out_key: str = glulam.writes("y", shape="in_dim")
    in_dim: int | None = None

    def build(self) -> Gate:
        return Gate(self.in_dim)


@glulam.layer
class EndConfig(glulam.LayerConfig):
    """Values and logits, by one map."""

    in_key: str = glulam.reads("x", shape="in_dim")
    values_key: str = glulam.writes("values", shape="")
    logits_key: str = glulam.writes("logits", shape="env.num_actions")
    in_dim: int | None = None

    def build(self) -> nn.Module:
        return End(self.in_dim)


class End(nn.Module):
    """Values and logits from one linear map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 1 + ACTIONS)

    def forward(self, x):
        y = self.map(x)
        return y[:, 0], y[:, 1:]


class Best(nn.Module):
    """An action head that costs next to nothing."""

    def act(self, logits):
        best, actions = logits.max(-1)
        return actions, best

    def score(self, logits, actions):
        return logits.gather(-1, actions[:, None])[:, 0], logits.sum(-1)


@glulam.layer
class BestConfig(glulam.LayerConfig):
    """The action of the largest logit."""

    in_key: str = glulam.reads("logits", shape="A")
    actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")

    def build(self) -> Best:
        return Best()


def policy_of(kind, count):
    """Return a policy of `count` layers of one kind."""
    make = {
        "torch": partial(glulam.layer_config, "linear", out_dim=WIDTH),
        "shipped": partial(glulam.layer_config, "residual_mlp", hidden_size=WIDTH, num_blocks=1),
        "foreign": GateConfig,
    }[kind]
    layers = {f"layer_{n}": make(in_key=f"x{n}", out_key=f"x{n + 1}") for n in range(count)}
    layers = {"obs_shaper": glulam.layer_config("vector_shaper", out_key="x0")} | layers
    layers |= {"end": EndConfig(in_key=f"x{count}"), "action_head": BestConfig()}
    fields = {name: attrs.field(factory=lambda layer=layer: layer) for name, layer in layers.items()}
    chain = attrs.make_class("Chain", {"name": attrs.field(default="chain")} | fields, bases=(glulam.PolicyConfig,))
    box = BoxLayout(shape=(WIDTH,), dtype="float32")
    env = glulam.EnvSpec(name="line", box=box, actions=glulam.ActionSpec(names=("a", "b", "c", "d")))
    return glulam.build(chain(), env)


class Hand(nn.Module):
    """The straight line that anyone would write."""

    def __init__(self, policy):
        super().__init__()
        self.shaper, *layers, self.end, self.head = (layer.module for layer in policy.layers.values())
        for number, layer in enumerate(layers):
            setattr(self, f"layer_{number}", layer)
        # As it would be typed, a line a layer: a loop over a list would cost more.
        lines = [f"    x = self.layer_{number}(x)" for number in range(len(layers))]
        namespace = {}
        exec("\n".join(["def body(self, x):", *lines, "    return x"]), namespace)  # noqa: S102 - the lines above
        self.body = MethodType(namespace["body"], self)

    def forward(self, td):
        values, logits = self.end(self.body(self.shaper(td.get("env_obs"))))
        actions, log_prob = self.head.act(logits)
        for key, value in zip(KEYS, (values, logits, actions, log_prob), strict=True):
            td.set(key, value)
        return td


class Native(TensorDictModuleBase):
    """A layer as a TensorDictModuleBase of the few lines that it takes."""

    def __init__(self, call, in_key, out_keys):
        super().__init__()
        self.call, self.in_key, self.out_keys, self.in_keys = call, in_key, out_keys, [in_key]

    def forward(self, td):
        results = self.call(td.get(self.in_key))
        for key, value in zip(self.out_keys, results if isinstance(results, tuple) else (results,), strict=True):
            td.set(key, value)
        return td


def sequential(policy, wrap):
    """Return the same modules in a TensorDictSequential, each wrapped."""
    wrapped = []
    for layer in policy.layers.values():
        call = layer.module.act if layer.acted_keys else layer.module
        wrapped.append(wrap(call, layer.in_keys[0], layer.out_keys))
    return TensorDictSequential(*wrapped)


def ways_of(policy):
    """Return ways to run the modules of a policy, by name."""
    return {
        "hand": Hand(policy),
        "glulam": policy,
        "TensorDictModule": sequential(policy, lambda call, key, out: TensorDictModule(call, [key], out)),
        "TensorDictModuleBase": sequential(policy, Native),
    }


def compiled_ways_of(policy):
    """Return the hand-written module and the policy compiled, for any number of rows; the policy in two ways."""
    quick = copy.deepcopy(policy)
    quick.compile()
    return {
        "hand, compiled": torch.compile(Hand(policy), fullgraph=True, dynamic=True),
        "glulam, compiled": torch.compile(policy, fullgraph=True, dynamic=True),
        "glulam, policy.compile()": quick,
    }


def run(rounds=15):
    """Measure and write docs/results/assembly.json."""
    started = commit()
    torch.set_num_threads(1)
    runs = []
    for kind in KINDS:
        for count in LAYERS:
            policy = policy_of(kind, count)
            ways = ways_of(policy)
            if kind == "torch" and count in COMPILED:
                ways |= compiled_ways_of(policy)
            for rows in ROWS:
                found = measured(ways, {"kind": kind, "layers": count, "rows": rows}, rounds)
                print(*found, sep="\n", flush=True)
                runs += found
    return write_result(
        "assembly", "python -m tests.benchmarks.assembly", started, runs=runs, rounds=rounds,
        unit="ms of CPU time of a call",
    )  # fmt: skip


@torch.no_grad()
def measured(ways, what, rounds):
    """Return a line a way; tensordict's look-up of pandas, at each write of a sequence, is cached for all."""
    obs = torch.randn(what["rows"], WIDTH)
    calls = max(4, 2000 // (what["layers"] * max(1, what["rows"] // 32)))  # a few ms a round
    wanted = None
    cases = {}
    with mock.patch("importlib.util.find_spec", cache(importlib.util.find_spec)):
        for name, way in ways.items():
            found = way(TensorDict({"env_obs": obs}, batch_size=[len(obs)]))["logits"]
            wanted = found if wanted is None else wanted
            torch.testing.assert_close(found, wanted)
            cases[name] = (partial(repeat, way, obs, calls), PEERS.get(name, "hand"))
        lines = in_rounds(cases, rounds, before=lambda: None)
    return [what | line | {"median": round(line["median"] / calls, 4)} for line in lines]


def repeat(way, obs, calls):
    """Call a way with a fresh TensorDict each time."""
    for _ in range(calls):
        way(TensorDict({"env_obs": obs}, batch_size=[len(obs)]))


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.assembly")
    print(run())
