"""The written plan against the layers run one after the other, whatever happens to their modules in between."""

from typing import ClassVar

import attrs
import pytest
import torch
from torch import nn

import glulam
from glulam import GlulamError
from glulam._written import LEAVES, _Names
from glulam.layouts import BoxLayout
from tests.core.test_policy import step_of

WIDTH = 6


class Half(nn.Module):
    """Halves what it is given."""

    def forward(self, x):
        return x / 2


@glulam.layer
class PieceConfig(glulam.LayerConfig):
    """Any module."""

    in_key: str = glulam.reads("x", shape="D")
    out_key: str = glulam.writes("y", shape="D")
    make: object = Half

    def build(self):
        return self.make()


@glulam.layer
class EndConfig(glulam.LayerConfig):
    """Logits and values, as they are."""

    in_key: str = glulam.reads("x", shape="D")
    values_key: str = glulam.writes("values", shape="")
    logits_key: str = glulam.writes("logits", shape="D")

    def build(self):
        return End()


class End(nn.Module):
    def forward(self, x):
        return x[:, 0], x


def policy_of(*makes, asides=()):
    """Return a policy of modules in a row, keys x0 to xN; `asides` read x0, and nobody reads them."""
    torch.manual_seed(0)
    layers = {"obs_shaper": glulam.layer_config("vector_shaper", out_key="x0")}
    layers |= {f"at_{n}": PieceConfig(in_key=f"x{n}", out_key=f"x{n + 1}", make=make) for n, make in enumerate(makes)}
    layers |= {f"aside_{n}": PieceConfig(in_key="x0", out_key=f"a{n}", make=make) for n, make in enumerate(asides)}
    layers |= {"end": EndConfig(in_key=f"x{len(makes)}")}
    layers |= {"action_head": glulam.layer_config("action_distribution", mask_key=None)}
    fields = {name: attrs.field(factory=lambda layer=layer: layer) for name, layer in layers.items()}
    made = attrs.make_class("Row", {"name": attrs.field(default="row")} | fields, bases=(glulam.PolicyConfig,))
    names = tuple("abcdef")
    box = BoxLayout(shape=(WIDTH,), dtype="float32")
    return glulam.build(made(), glulam.EnvSpec(name="line", box=box, actions=glulam.ActionSpec(names=names)))


def sequence():
    return nn.Sequential(nn.Linear(WIDTH, 9), nn.Tanh(), Half(), nn.Sequential(nn.Linear(9, WIDTH), nn.ReLU()))


def linear():
    return nn.Linear(WIDTH, WIDTH)


OBS = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(1))


def logits_of(policy, obs=OBS):
    with torch.no_grad():
        return policy(step_of(obs))["logits"]


def by_hand(policy, obs=OBS):
    """Return what the modules give, called one after the other."""
    with torch.no_grad():
        for name, layer in policy.layers.items():
            if name.startswith("at_"):
                obs = layer.module(obs)
    return obs


class TestLeaves:
    """Oracle: the module itself, called."""

    MODULES: ClassVar = {
        nn.Identity: nn.Identity,
        nn.Linear: linear,
        nn.LayerNorm: lambda: nn.LayerNorm(WIDTH, eps=0.1),
        nn.Tanh: nn.Tanh,
        nn.Sigmoid: nn.Sigmoid,
        nn.GELU: lambda: nn.GELU(approximate="tanh"),
        nn.ReLU: nn.ReLU,
        nn.SiLU: nn.SiLU,
    }

    @pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
    def test_it_is_written_as_a_function_and_gives_the_same(self, kind):
        policy = policy_of(self.MODULES[kind])
        assert "at_0(" not in policy.source
        assert torch.equal(logits_of(policy), by_hand(policy))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: nn.Linear(WIDTH, WIDTH, bias=False),
            lambda: nn.LayerNorm(WIDTH, elementwise_affine=False),
            lambda: nn.ReLU(inplace=True),
            lambda: nn.LeakyReLU(0.3),
            lambda: nn.Dropout(0.0),
            nn.Sequential,
        ],
        ids=["no bias", "no affine", "in place", "leaky", "dropout", "empty"],
    )
    def test_other_forms(self, make):
        policy = policy_of(make)
        assert torch.equal(logits_of(policy), by_hand(policy))

    def test_an_own_forward_is_called(self):
        class Twice(nn.Linear):
            def forward(self, x):
                return super().forward(super().forward(x))

        policy = policy_of(lambda: Twice(WIDTH, WIDTH))
        assert "at_0(x0)" in policy.source
        assert torch.equal(logits_of(policy), by_hand(policy))


class TestSource:
    def test_keys_are_variables(self):
        policy = policy_of(sequence, Half)
        assert policy.source == (
            "def compute(inputs, recur):\n"
            "    env_obs = inputs['env_obs']\n"
            "    x0 = single(obs_shaper(env_obs), \"layer 'obs_shaper' (VectorShaper)\")\n"
            "    del env_obs\n"
            "    x1 = linear(x0, at_0_0['weight'], at_0_0['bias'])\n"
            "    x1 = tanh(x1)\n"
            "    x1 = single(at_0_2(x1), 'at_0_2 (Half)')\n"
            "    x1 = linear(x1, at_0_3_0['weight'], at_0_3_0['bias'])\n"
            "    x1 = relu(x1)\n"
            "    del x0\n"
            "    x2 = single(at_1(x1), \"layer 'at_1' (Half)\")\n"
            "    del x1\n"
            "    [values, logits] = several(end(x2), 2, \"layer 'end' (End)\")\n"
            "    del x2\n"
            "    return {'values': values, 'logits': logits}\n"
        )

    def test_keys_that_are_no_names(self):
        config = PieceConfig(in_key="x0", out_key="for", make=Half)
        other = PieceConfig(in_key="for", out_key="a.b", make=Half)
        third = PieceConfig(in_key="a.b", out_key="a_b", make=Half)
        fields = {
            "name": attrs.field(default="names"),
            "obs_shaper": glulam.layer_field("vector_shaper", out_key="x0"),
            "a_b": attrs.field(factory=lambda: config),
            "inputs": attrs.field(factory=lambda: other),
            "values": attrs.field(factory=lambda: third),
            "end": attrs.field(factory=lambda: EndConfig(in_key="a_b")),
            "action_head": glulam.layer_field("action_distribution", mask_key=None),
        }
        made = attrs.make_class("Names", fields, bases=(glulam.PolicyConfig,))
        box = BoxLayout(shape=(WIDTH,), dtype="float32")
        env = glulam.EnvSpec(name="line", box=box, actions=glulam.ActionSpec(names=tuple("abcdef")))
        policy = glulam.build(made(), env)
        assert torch.equal(logits_of(policy), OBS / 8)

    def test_letters_that_python_takes_for_one_another(self):
        """The first key holds a ligature, which Python reads as the two letters of the second."""
        names = _Names()
        assert names["\ufb01"] != names["fi"]
        assert names["\ufb01"].isascii()

    def test_a_traceback_shows_the_line(self):
        class Fails(nn.Module):
            def forward(self, x):
                raise RuntimeError

        policy = policy_of(Fails)
        with pytest.raises(RuntimeError) as found:
            logits_of(policy)
        lines = [str(entry.statement).strip() for entry in found.traceback]
        assert "x1 = single(at_0(x0), \"layer 'at_0' (Fails)\")" in lines

    @pytest.mark.parametrize(
        ("result", "told"),
        [
            (lambda x: (x, x), r"layer 'at_0' \(Odd\) returned 2 outputs; its config declares 1"),
            (lambda x: [x], None),
        ],
    )
    def test_another_number_of_outputs(self, result, told):
        class Odd(nn.Module):
            def forward(self, x):
                return result(x)

        policy = policy_of(Odd)
        if told is None:
            assert torch.equal(logits_of(policy), OBS)
            return
        with pytest.raises(GlulamError, match=told):
            logits_of(policy)


class TestWhatIsNotNeeded:
    """Layers run where somebody wants what they write; counted by hooks."""

    @staticmethod
    def ran(policy, call):
        seen = []
        for name, layer in policy.layers.items():
            layer.module.register_forward_hook(lambda *_, name=name: seen.append(name))
        call()
        return {name for name in seen if name.startswith(("at", "aside"))}

    def test_all_run_unless_told_otherwise(self):
        policy = policy_of(linear, asides=(linear,))
        assert self.ran(policy, lambda: policy(step_of(OBS))) == {"at_0", "aside_0"}

    def test_what_rollout_does_not_keep_does_not_run_there(self):
        policy = policy_of(linear, asides=(linear, Half))
        policy.rollout_keys = ["values", "a1"]
        td = step_of(OBS)
        assert self.ran(policy, lambda: policy(td)) == {"at_0", "aside_1"}
        assert {*td.keys()} == {"env_obs", "env_id", "rewards", "dones", "truncateds"} | {
            "values", "a1", "actions", "act_log_prob",
        }  # fmt: skip

    def test_but_in_training(self):
        policy = policy_of(linear, asides=(linear,))
        policy.rollout_keys = "values"
        found = policy.evaluate(step_of(OBS))
        assert {*found.keys()} == {"values", "logits", "a0"}

    def test_and_where_it_is_kept(self):
        policy = policy_of(linear, asides=(linear,))
        policy.rollout_keys = ["values"]
        policy.keep = "a0"
        assert "a0" in policy(step_of(OBS))
        policy.rollout_keys = None
        policy.keep = ()
        assert "a0" in policy(step_of(OBS))

    def test_a_key_that_there_is_not(self):
        policy = policy_of(linear)
        with pytest.raises(GlulamError, match=r"rollout_keys: 'a9' is no key of policy 'row'; there are: x0, x1,"):
            policy.rollout_keys = "a9"

    def test_what_is_read_no_more_is_freed(self):
        """Oracle: weak references to what layers wrote."""
        import weakref

        alive, seen = [], []

        class Looks(nn.Module):
            def forward(self, x):
                alive.append(sum(reference() is not None for reference in seen))
                y = x / 2
                seen.append(weakref.ref(y))
                return y

        logits_of(policy_of(Looks, Looks, Looks, Looks))
        assert alive == [0, 1, 1, 1]
