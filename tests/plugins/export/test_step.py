"""The step function against the policy that it was made of, acting with its own memory."""

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_export.check import check
from glulam_export.step import StepFunction, refuse_drawing
from tests.plugins.export.conftest import play, small

DISCRETE = glulam.ActionSpec(names=("stay", "left", "right"))
CHOICES = glulam.ActionSpec(names=("move:stay", "move:go", "use:no", "use:yes", "use:both"), choices=(2, 3))
NUMBERS = glulam.ActionSpec(names=("speed", "turn"), low=(-1.0, 0.0), high=(1.0, 5.0))
PREVIOUS = {"layer": "previous_action", "out_key": "previous", "embed_dim": 3}


@pytest.mark.parametrize(
    ("actions", "offered"),
    [
        (DISCRETE, ()),
        (DISCRETE, ("action_mask",)),
        (CHOICES, ("action_mask",)),
        (CHOICES, ("last_actions", "last_rewards")),
        (NUMBERS, ()),
    ],
)
def test_it_does_what_the_policy_does_for_each_kind_of_action(actions, offered):
    """`check` compares with the policy itself: `policy(td)`, and `unroll` of what it did."""
    policy = small(actions, offered, [PREVIOUS] if "last_actions" in offered else [])
    step = StepFunction(policy)
    assert step.input_keys == ("env_obs", *sorted(offered), "dones", "truncateds")
    check(step, step, "step")


def test_its_memory_is_that_of_training(tiny):
    inputs, outputs, memory = play(tiny, rows=5)
    step = StepFunction(tiny)
    state = step.initial_memory(5)
    for t in range(inputs["dones"].shape[1]):
        found = step({key: value[:, t] for key, value in inputs.items()} | state)
        state = {before: found[after] for before, after in step.memory.items()}
        for key, value in outputs.items():
            torch.testing.assert_close(found[key], value[:, t], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, memory, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("key", ["dones", "truncateds"])
def test_an_ended_episode_is_forgotten_and_no_other(tiny, key):
    step = StepFunction(tiny)
    calm = torch.zeros(2, dtype=torch.bool)
    given = {"env_obs": torch.ones(2, 6), "dones": calm, "truncateds": calm}
    state = {name: torch.ones_like(value) for name, value in step.initial_memory(2).items()}
    fresh, kept = step(given | step.initial_memory(2)), step(given | state)
    ended = step(given | state | {key: torch.tensor([True, False])})
    assert torch.equal(ended["values"], torch.stack([fresh["values"][0], kept["values"][1]]))
    assert fresh["values"][0] != kept["values"][0]


def test_a_policy_without_memory_reads_no_ends():
    policy = small(DISCRETE)
    mapping = policy.resolved.to_mapping()
    mapping["layers"] = [
        {"layer": "linear", "in_key": "vector", "out_key": "core", "out_dim": 8}, *mapping["layers"][1:]
    ]  # fmt: skip
    step = StepFunction(glulam.build(mapping, policy.env))
    assert (step.input_keys, step.memory) == (("env_obs",), {})
    check(step, step, "step")


def test_the_policy_itself_stays_as_it_is(tiny):
    step = StepFunction(tiny.train())
    assert tiny.training
    assert not step.policy.training
    assert tiny.action_head.module.greedy is False
    assert all(weight.requires_grad for weight in tiny.parameters())


def test_a_policy_class_is_a_step_function_too(forage):
    policy = glulam.build("fast_class", forage)
    step = StepFunction(policy)
    assert list(step.memory) == ["state.memory.h", "state.memory.c"]
    check(step, step, "step")


def test_a_head_that_cannot_but_draw_is_refused(tiny, monkeypatch):
    monkeypatch.delattr(type(tiny.action_head.module).__mro__[2], "set_greedy")
    with pytest.raises(GlulamError, match=r"action head of 'small' has no set_greedy\(\), so it cannot be exported"):
        StepFunction(tiny)


@pytest.mark.parametrize("options", [{"greedy": False, "seed": None}, {"greedy": None, "seed": 3}])
def test_drawing_is_refused(options):
    message = "onnx draws no actions: leave out --sampled and --seed, and draw from its output full_log_probs"
    with pytest.raises(GlulamError, match=message):
        refuse_drawing("onnx", **options)


def test_what_is_drawn_by_the_caller_is_what_the_policy_draws(tiny):
    """Oracle: the shares of 40,000 actions that the policy draws."""
    step, rows = StepFunction(tiny), 40_000
    calm = torch.zeros(rows, dtype=torch.bool)
    given = {"env_obs": torch.ones(rows, 6), "dones": calm, "truncateds": calm}
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = tiny(TensorDict(given | {"env_id": torch.arange(rows)}, batch_size=[rows]))["actions"]
    shares = torch.bincount(drawn, minlength=3) / rows
    full = step({key: value[:1] for key, value in (given | step.initial_memory(rows)).items()})["full_log_probs"]
    torch.testing.assert_close(full[0].exp(), shares, rtol=0, atol=0.01)
