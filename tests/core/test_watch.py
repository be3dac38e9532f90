"""What happens to a policy's modules once its plan is written is seen: weights, copies, hooks, other modules."""

import copy
import pickle
from types import MethodType

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrize

from tests.core.test_plan import OBS, WIDTH, Half, by_hand, linear, logits_of, policy_of, sequence
from tests.core.test_policy import step_of


@pytest.fixture
def policy():
    """A policy whose plan has been written: what happens later must be seen."""
    policy = policy_of(sequence, Half, linear)
    assert torch.equal(logits_of(policy), by_hand(policy))
    return policy


class TestWhatHappensToModules:
    """Oracle: the modules called one after the other, after the same."""

    def test_weights_replaced(self, policy):
        for name in ("at_0", "at_2"):
            module = policy.layers[name].module
            state = {key: torch.randn_like(value) for key, value in module.state_dict().items()}
            module.load_state_dict(state, assign=True)
        policy.layers["at_2"].module.weight = nn.Parameter(torch.eye(WIDTH))
        assert torch.equal(logits_of(policy), by_hand(policy))

    def test_another_dtype(self, policy):
        policy.to(torch.float64)
        found = logits_of(policy, OBS)
        assert found.dtype == torch.float64
        assert torch.equal(found, by_hand(policy, OBS.double()))

    def test_functional_call(self, policy):
        before = logits_of(policy)
        weights = {name: torch.randn_like(weight) for name, weight in policy.named_parameters()}
        td = functional_call(policy, weights, (step_of(OBS),))
        other = copy.deepcopy(policy)
        other.load_state_dict(weights, strict=False)
        assert torch.equal(td["logits"], by_hand(other))
        assert torch.equal(logits_of(policy), before)

    @pytest.mark.parametrize("twin", [copy.deepcopy, lambda policy: pickle.loads(pickle.dumps(policy))])  # noqa: S301
    def test_copies_have_weights_of_their_own(self, twin):
        policy = policy_of(linear, nn.Tanh)
        before = logits_of(policy)
        other = twin(policy)
        with torch.no_grad():
            for weight in other.parameters():
                weight.add_(1)
        assert torch.equal(logits_of(policy), before)
        assert torch.equal(logits_of(other), by_hand(other))
        assert not torch.equal(logits_of(other), before)

    @pytest.mark.parametrize("where", [("at_0", 0), ("at_0", 1), ("at_0", 3, 0), ("at_1",), ("at_2",)])
    @pytest.mark.parametrize("kind", ["forward", "pre"])
    def test_hooks_are_called_and_go_again(self, policy, where, kind):
        before = logits_of(policy)
        module = policy.layers[where[0]].module
        for number in where[1:]:
            module = module[number]
        if kind == "forward":
            handle = module.register_forward_hook(lambda _module, _given, found: found + 1)
        else:
            handle = module.register_forward_pre_hook(lambda _module, given: (given[0] + 1,))
        hooked = logits_of(policy)
        assert torch.equal(hooked, by_hand(policy))
        assert not torch.equal(hooked, before)
        handle.remove()
        assert torch.equal(logits_of(policy), before)

    def test_backward_hooks_are_called(self, policy):
        seen = []
        policy.layers["at_2"].module.register_full_backward_hook(lambda *_: seen.append("at_2"))
        policy(step_of(OBS))["logits"].sum().backward()
        assert seen == ["at_2"]

    def test_hooks_of_all_modules(self, policy):
        seen = []
        handle = register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
        try:
            logits_of(policy)
        finally:
            handle.remove()
        assert [name for name in seen if name in {"Linear", "Tanh", "Half", "ReLU"}] == [
            "Linear", "Tanh", "Half", "Linear", "ReLU", "Half", "Linear",
        ]  # fmt: skip

    @pytest.mark.parametrize("where", [("at_0", 1), ("at_0", 3, 1), ("at_1",), ("at_2",)])
    def test_modules_replaced(self, policy, where):
        holder, name = policy.layers[where[0]], "module"
        for number in where[1:]:
            holder, name = getattr(holder, name), str(number)
        setattr(holder, name, nn.Sigmoid())
        assert torch.equal(logits_of(policy), by_hand(policy))

    @pytest.mark.parametrize("name", ["at_1", "at_2"])
    def test_a_forward_of_its_own(self, policy, name):
        module = policy.layers[name].module
        module.forward = MethodType(lambda _, x: x * 3, module)
        assert torch.equal(logits_of(policy), by_hand(policy))

    def test_a_module_that_joins_a_sequence(self, policy):
        policy.layers["at_0"].module.append(Half())
        assert torch.equal(logits_of(policy), by_hand(policy))

    def test_a_parametrized_weight(self, policy):
        class Doubled(nn.Module):
            def forward(self, weight):
                return 2 * weight

        before = logits_of(policy)
        parametrize.register_parametrization(policy.layers["at_2"].module, "weight", Doubled())
        found = logits_of(policy)
        assert torch.equal(found, by_hand(policy))
        assert not torch.equal(found, before)

    def test_a_compiled_module(self, policy):
        policy.layers["at_2"].module.compile(backend="eager")
        assert torch.equal(logits_of(policy), by_hand(policy))

    def test_control_a_plan_that_does_not_look_misses_it(self, policy, monkeypatch):
        monkeypatch.setattr("glulam._written.Watch.has_changed", lambda _: False)
        policy.layers["at_1"].module = nn.Sigmoid()
        assert not torch.equal(logits_of(policy), by_hand(policy))
