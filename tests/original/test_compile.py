"""Defects of the original in the way of a compiler; each test states one and would fail if we had it.

The tensor core is `Policy.compute` with the state of memory in and out (`Recurrence`), and the head's `act` and
`score`. Around it is a shell in eager mode: keys of TensorDicts, slots of memory, padding that is cut off.

`B` rows, `T` steps.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import glulam
from glulam import Recurrence
from glulam_tokens.shaper import TokenShaper
from tests.original.conftest import VILLAGE, small
from tests.plugins.memory.segments import KINDS, lively, segment
from tests.plugins.policies.conftest import observe, step_of

# Without a compiler lstm and gru ask whether and how often episodes end inside a segment, to lay out control steps.
CONTROL_STEPS = ["_local_scalar_dense", "_local_scalar_dense", "nonzero"]
ROWS, STEPS = 3, 4

SYNCS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_dim", "_unique2"}


class Waits(TorchDispatchMode):
    """Notes each operation that gives Python a number, or a tensor whose size depends on data."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        picks = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if name in SYNCS or picks:
            self.found.append("boolean mask" if picks else name)
        return func(*args, **kwargs or {})


def waits(function, *arguments):
    with Waits() as mode, torch.no_grad():
        function(*arguments)
    return mode.found


def graphs(function, *arguments):
    """Return the graphs that dynamo makes of a call; whatever lies between two of them ran in Python.

    The results are compared with those of eager mode on the way.
    """
    found = []

    def keep(graph, inputs):
        found.append(graph)
        return graph.forward

    torch._dynamo.reset()
    with torch.no_grad():
        results = torch.compile(function, backend=keep)(*arguments)
        torch.testing.assert_close(results, function(*arguments))
    return found


def step(policy):
    """Return the core of a step, and its arguments: observations, states, resets."""

    def core(obs, states, reset):
        recur = Recurrence(states, reset)
        return policy.compute({"env_obs": obs}, recur), recur.after

    policy(step_of(policy.env, ROWS, torch.Generator().manual_seed(0)))
    states = {name: dict(policy.memory_state(torch.arange(ROWS))[name].items()) for name in policy.memory_layers()}
    obs = observe(policy.env, ROWS, torch.Generator().manual_seed(1))
    return core, obs, states, torch.tensor([True, False, True])


def segments(policy):
    """Return the core over segments in which episodes end."""

    def core(obs, states, reset):
        recur = Recurrence(states, reset, STEPS)
        return policy.compute({"env_obs": obs}, recur), recur.after

    _, _, states, _ = step(policy)
    reset = torch.zeros(ROWS, STEPS, dtype=torch.bool)
    reset[0, 2] = reset[1, 0] = True
    return core, observe(policy.env, ROWS * STEPS, torch.Generator().manual_seed(1)), states, reset


def one_layer(kind):
    layer = lively(kind, 2)
    given = segment(layer, torch.tensor([[False, True, False], [False, False, False]]))
    x, reset, state = (
        {name: value.detach() for name, value in part.items()} if isinstance(part, dict) else part.detach()
        for part in given
    )
    return layer, x, reset, state


def policies():
    return {"fast": lambda: glulam.build("fast", VILLAGE)} | {kind: lambda kind=kind: small(kind) for kind in KINDS}


class TestGraphs:
    """Oracle: eager mode; dynamo's own count of graphs."""

    @pytest.mark.parametrize("policy", policies())
    def test_a_step_is_one_graph(self, policy):
        """Dynamo was switched off around memory and around the policy, and broke the graph in eight places."""
        assert len(graphs(*step(policies()[policy]()))) == 1

    def test_so_are_acting_and_scoring(self):
        head, logits = small().action_head.module, torch.randn(ROWS, 4)
        allowed = logits > logits.min()
        head.set_greedy(True)  # eager mode and a graph draw other numbers
        assert len(graphs(head.act, logits, allowed)) == 1
        assert len(graphs(head.score, logits, allowed, torch.zeros(ROWS, dtype=torch.int64))) == 1

    @pytest.mark.filterwarnings("ignore:.*autograd.function.Function.* should not be instantiated")  # dynamo does
    @pytest.mark.parametrize("kind", KINDS)
    def test_so_is_a_segment_in_which_episodes_end(self, kind):
        layer, *inputs = one_layer(kind)
        assert len(graphs(layer.sequence, *inputs)) == 1


class TestWaits:
    """Oracle: what torch dispatches, operation by operation."""

    @pytest.mark.parametrize("policy", [*policies(), "latent_attn_tiny", "latent_attn_small", "vit_lstm", "fast_class"])
    def test_a_step_asks_for_no_number_and_picks_by_no_mask(self, policy):
        """`.item()` and boolean masks over columns made each step wait for the device, and sizes depend on data."""
        make = policies().get(policy) or (lambda: glulam.build(policy, VILLAGE))
        assert waits(*step(make())) == []

    def test_nor_does_the_head(self):
        head, logits = small().action_head.module, torch.randn(ROWS, 4)
        for mask in (None, logits > logits.min()):
            assert waits(head.act, logits, mask) == []
            assert waits(head.score, logits, mask, torch.zeros(ROWS, dtype=torch.int64)) == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_nor_does_a_segment_in_which_episodes_end(self, kind):
        """The two memories with a kernel of torch's excepted, whose control steps are worth three questions."""
        assert sorted(waits(*segments(small(kind)))) == (CONTROL_STEPS if kind in {"lstm", "gru"} else [])

    def test_the_shell_waits_once_a_step(self):
        """To cut padding off.

        On the CPU, where that is no wait, it looks up which rows begin an episode too, and whether ids are as before.
        """
        policy, generator = small(), torch.Generator().manual_seed(0)
        first, second = (step_of(VILLAGE, ROWS, generator) for _ in range(2))
        second["env_id"] = first["env_id"]
        policy(first)
        assert sorted(waits(policy, second)) == ["_local_scalar_dense", "equal", "nonzero"]


def dynamo_is_off(patch):
    memory = type(small().layers["memory"].module)
    patch.setattr(memory, "step", torch._dynamo.disable(memory.step))


def columns_picked_by_mask(patch):
    def forward(self, obs):
        return shape(self, obs[:, (obs[..., 0] != 255).any(0)])

    shape = TokenShaper.forward
    patch.setattr(TokenShaper, "forward", forward)


def a_number_is_asked_for(patch):
    def forward(self, obs):
        return shape(self, obs[:, : int(obs.shape[1] - (obs == 300).sum().item())])

    shape = TokenShaper.forward
    patch.setattr(TokenShaper, "forward", forward)


@pytest.mark.parametrize(
    ("sabotage", "test"),
    [
        (dynamo_is_off, TestGraphs.test_a_step_is_one_graph),
        (columns_picked_by_mask, TestWaits.test_a_step_asks_for_no_number_and_picks_by_no_mask),
        (a_number_is_asked_for, TestWaits.test_a_step_asks_for_no_number_and_picks_by_no_mask),
        (a_number_is_asked_for, TestGraphs.test_a_step_is_one_graph),
    ],
)
def test_each_notices_its_defect(sabotage, test, monkeypatch):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        test(None, "lstm")
