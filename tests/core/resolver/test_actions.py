"""What an action head chooses is what the environment takes: each head in a world of each kind."""

import attrs
import pytest
import torch

import glulam
from glulam import PolicyError, build, resolve
from tests.core.test_actions import ACTIONS
from tests.core.test_policy import random_obs, step_of

# The head that is made for each kind, and how it says so.
HEADS = {
    "discrete": ("action_distribution", "int64 []"),
    "multi-discrete": ("multi_discrete_distribution", "int64 [2]"),
    "continuous": ("gaussian_distribution", "float32 [2]"),
}
TEXT = """\
glulam: 1
name: pole
obs_shaper: {layer: vector_shaper, out_key: x}
layers:
  - {layer: linear_actor, in_key: x, out_key: logits}
action_head:
  layer: HEAD
  actions_key: chosen
"""


def world(kind):
    return glulam.EnvSpec(name="own", box=glulam.BoxLayout(shape=(3,)), actions=ACTIONS[kind])


def chosen(head, kind):
    """Return what a head says that it chooses in a world of a kind: dims of the world, dtype of the head."""
    dims = {
        "action_distribution": "[]",
        "multi_discrete_distribution": "[2]" if kind == "multi-discrete" else "[1]",
        "gaussian_distribution": {"discrete": "[3]", "multi-discrete": "[5]", "continuous": "[2]"}[kind],
    }
    return f"{'float32' if head == 'gaussian_distribution' else 'int64'} {dims[head]}"


@pytest.fixture
def file(tmp_path):
    def write(head):
        path = tmp_path / "policy.yaml"
        path.write_text(TEXT.replace("HEAD", head), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("made_for", HEADS)
def test_a_head_for_another_kind_is_reported_at_its_key_and_alone(made_for, kind, file):
    head, path = HEADS[made_for][0], file(HEADS[made_for][0])
    if made_for == kind:
        assert resolve(path, env=world(kind)).action_head.config.actions_key == "chosen"
        return
    with pytest.raises(PolicyError) as caught:
        resolve(path, env=world(kind))
    (fault,) = caught.value.faults
    assert fault.message == (
        f"chooses actions as {chosen(head, kind)}, but environment 'own' takes {kind} ones, {HEADS[kind][1]}"
    )
    assert fault.code == ("GL402" if "continuous" in (made_for, kind) else "GL401")
    assert fault.remedy == f"take an action head for {kind} actions"
    place = fault.place
    assert (place.path, place.line, place.column) == ("$.action_head.actions_key", 8, 16)
    assert (fault.layer, fault.distribution.partition(" ")[0]) == ("action_head", "glulam-heads")


def test_without_an_environment_nothing_is_said(file):
    for head, _ in HEADS.values():
        assert resolve(file(head)).env is None


def test_a_policy_that_is_moved_is_checked_again(file):
    policy = build(file("action_distribution"), world("discrete"))
    with pytest.raises(PolicyError, match=r"GL402 chooses actions as int64 \[\], .* takes continuous ones, float32"):
        policy.initialize_to_environment(world("continuous"))


@pytest.mark.parametrize("kind", HEADS)
def test_the_buffer_stores_what_the_environment_takes(kind, file):
    policy = build(file(HEADS[kind][0]), world(kind))
    spec = policy.experience_spec()["chosen"]
    assert f"{spec.dtype} {list(spec.shape)}" == HEADS[kind][1]


@attrs.frozen(kw_only=True)
class Custom(glulam.PolicyConfig):
    """A policy class that takes any head."""

    name: str = "custom"
    head: object

    def build_policy(self, resolved):
        return Zeros(resolved, self.head)


class Zeros(glulam.Policy):
    def __init__(self, resolved, head):
        super().__init__(resolved)
        self.out_keys = ["logits"]
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.action_head = head.instantiate()

    def compute(self, inputs, recur):
        return {"logits": self.weight.expand(len(inputs["env_obs"]), self.env.num_actions)}


@pytest.mark.parametrize("kind", HEADS)
def test_so_it_does_for_a_policy_class(kind, env):
    head = glulam.layer_config(HEADS[kind][0])
    policy = build(Custom(head=head), attrs.evolve(env, actions=ACTIONS[kind]))
    spec = policy.experience_spec()["actions"]
    assert f"{spec.dtype} {list(spec.shape)}" == HEADS[kind][1]
    td = policy(step_of(random_obs(5)))
    assert td["actions"].shape == (5, *spec.shape)
    assert td["actions"].dtype == getattr(torch, spec.dtype)
    other = attrs.evolve(env, actions=ACTIONS["discrete" if kind == "continuous" else "continuous"])
    with pytest.raises(glulam.GlulamError, match=f"{HEADS[kind][0]} is for {kind} actions, but environment 'toy'"):
        policy.initialize_to_environment(other)
