"""Laws: a policy that is moved to another world by name sees and does there what it saw and did.

The worlds are the real simulator behind a renumbering, or built from another config. The weights are random, and large
enough that all that is seen matters; `tests/evidence/transfer.py` does the same with trained ones and whole episodes.
"""

import attrs
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import glulam
from tests.plugins.policies.conftest import step_of
from tests.plugins.policies.variants import (
    Renumbered,
    Renumbering,
    forage,
    play,
    renumberings,
    simulated,
    simulated_variants,
)

ENVS, STEPS, SEED = 2, 10, 5
OLD = glulam.environment_spec("mettagrid:forage")
FIXTURES = [HealthCheck.function_scoped_fixture]
FEW = settings(max_examples=4, deadline=None, suppress_health_check=FIXTURES)
TOKENS = ("latent_attn_tiny", "latent_attn_small", "vit_lstm")


@pytest.fixture(scope="module", params=("fast", *TOKENS))
def saved(request, tmp_path_factory):
    """Return `(name, file, what it did at home)` of a policy with large random weights."""
    torch.manual_seed(1)
    policy = glulam.build(request.param, "mettagrid:forage")
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(1.2)
    path = tmp_path_factory.mktemp("transfer") / "policy.safetensors"
    glulam.save(policy, path)
    return request.param, path, play(policy, home(), STEPS)


def home():
    return forage(num_envs=ENVS, seed=SEED)


def gap(found, expected):
    return float((found[0] - expected[0]).abs().max())


@FEW
@given(data=st.data())
def test_renumbered_renamed_and_reordered_it_does_the_same_to_the_bit(saved, data):
    name, path, expected = saved
    change = data.draw(renumberings(OLD, known=name == "fast"))
    world = Renumbered(home(), change)
    policy = glulam.load(path, world.spec, aliases=change.aliases)
    log_probs, names, rewards = play(policy, world, STEPS)
    assert torch.equal(log_probs, expected[0])
    assert names == expected[1]
    assert torch.equal(rewards, expected[2])


@FEW
@given(data=st.data())
def test_with_tokens_added_and_moved_its_log_probs_are_the_same_to_1e_5(saved, data):
    name, path, expected = saved
    if name == "fast":
        return  # it counts features: a new one is refused, see test_policies.py
    change = data.draw(renumberings(OLD, adds=True))
    world = Renumbered(home(), change, seed=data.draw(st.integers(0, 99)))
    policy = glulam.load(path, world.spec, aliases=change.aliases)
    assert gap(play(policy, world, STEPS, forced=expected[1]), expected) < 1e-5


@FEW
@given(variant=simulated_variants())
def test_so_they_are_where_the_simulator_itself_has_another_config(saved, variant):
    name, path, expected = saved
    if name == "fast" and (variant["statues"] or len(variant["resources"]) > 2):
        variant = variant | {"statues": False, "resources": ("heart", "ore")}
    world, aliases = simulated(variant, num_envs=ENVS, seed=SEED)
    found = play(glulam.load(path, world.spec, aliases=aliases), world, STEPS, forced=expected[1])
    assert gap(found, expected) < 1e-5
    assert torch.equal(found[2], expected[2])


@FEW
@given(data=st.data())
def test_there_and_back_again_is_home(saved, data):
    name, path, expected = saved
    change = data.draw(renumberings(OLD, known=name == "fast"))
    policy = glulam.load(path)
    tables = policy.state_dict()
    policy.initialize_to_environment(change.spec(OLD).renamed(change.aliases))
    policy.initialize_to_environment(OLD)
    assert {key: value for key, value in policy.state_dict().items() if key.endswith("_extra_state")} == {
        key: value for key, value in tables.items() if key.endswith("_extra_state")
    }
    assert torch.equal(play(policy, home(), STEPS)[0], expected[0])


class TestControls:
    """The comparisons above can fail."""

    CHANGE = Renumbering(
        ids={feature.name: 100 + feature.id for feature in OLD.features},
        tags=OLD.tags[::-1],
        actions=OLD.actions.names,
    )

    def test_raw_ids(self, saved):
        """Nothing is known under its id there, and what is seen makes a difference."""
        _, path, expected = saved
        found = play(glulam.load(path), Renumbered(home(), self.CHANGE), STEPS, forced=expected[1])
        assert gap(found, expected) > 0.1

    def test_a_name_without_its_alias(self, saved):
        name, path, expected = saved
        if name == "fast":
            return  # refused by name
        world, aliases = simulated(
            {"resources": ("ore", "heart"), "names": {"mine": "quarry"}, "statues": False}, num_envs=ENVS, seed=SEED
        )
        assert aliases
        assert gap(play(glulam.load(path, world.spec), world, STEPS, forced=expected[1]), expected) > 1e-3


@pytest.mark.parametrize("cells", [1, 2, -1])
def test_in_a_view_of_another_size_a_token_looks_the_same(saved, cells):
    """Oracle: the same tokens, each as far from the agent as before, in the coordinates of the other view."""
    name, path, _ = saved
    policy = glulam.load(path)
    other = attrs.evolve(OLD, view_height=OLD.view_height + 2 * cells, view_width=OLD.view_width + 2 * cells)
    if name == "fast":
        with pytest.raises(
            glulam.GlulamError, match=r"cannot follow to environment .*: its view is \d+ x \d+, it was 11"
        ):
            glulam.load(path, other)
        return
    generator = torch.Generator().manual_seed(2)
    td = step_of(OLD, 6, generator)
    inside = torch.randint(1, 10, (2, *td["env_obs"].shape[:2]), generator=generator, dtype=torch.uint8)
    real = td["env_obs"][..., 0] < 254
    td["env_obs"][..., 0] = torch.where(real, inside[0] << 4 | inside[1], td["env_obs"][..., 0])
    moved = td.clone()
    moved["env_obs"][..., 0] = torch.where(real, td["env_obs"][..., 0] + 17 * cells, td["env_obs"][..., 0])
    expected, found = (policy.evaluate(td)["logits"], glulam.load(path, other).evaluate(moved)["logits"])
    assert torch.equal(found, expected)
    assert not torch.equal(policy.evaluate(moved)["logits"], expected)
