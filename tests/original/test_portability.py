"""Defects of the original in what a file keeps; each test states one and would fail if we had it."""

import json

import attrs
import pytest
import torch

import glulam
from glulam_heads.action_rows import ActionRows
from glulam_heads.configs import ActionEmbeddingConfig
from glulam_tokens._shaper import Shaper
from glulam_tokens.configs import TokenShaperConfig
from tests.original.conftest import VILLAGE, small
from tests.plugins.policies.conftest import step_of
from tests.plugins.tokens.worlds import world

# The village with other ids, its tags and actions in another order, and a smaller view.
MOVED = attrs.evolve(
    VILLAGE,
    features=tuple(attrs.evolve(feature, id=200 - feature.id) for feature in VILLAGE.features),
    tags=VILLAGE.tags[::-1],
    actions=glulam.ActionSpec(names=("east", "noop", "south", "north")),
)


def saved(path):
    """Return a policy whose actions differ, and the file that it was saved to."""
    policy = small()
    with torch.no_grad():
        policy.layers["actor"].module.bias[:4, 0] = torch.tensor([-1.0, 0.0, 1.0, 2.0])
    glulam.save(policy, path / "policy.safetensors")
    return policy, path / "policy.safetensors"


def full_log_probs(policy, td):
    """Return the log probability of each action by name, `[B]` each."""
    with torch.no_grad():
        table = policy.evaluate(td.clone().update({"actions": torch.zeros(len(td), dtype=torch.int64)}))
    return dict(zip(policy.env.actions.names, table["full_log_probs"].unbind(1), strict=True))


def moved(td):
    """Return the same sights in the terms of `MOVED`."""
    td = td.clone()
    places, ids, values = td["env_obs"].unbind(-1)
    swapped = torch.where((ids == 5) & (values < 2), 1 - values, values)
    new = torch.stack((places, torch.where(places == 255, ids, 200 - ids), swapped), -1)
    return td.set("env_obs", new)


class TestFiles:
    """Oracle: the policy that was saved, at home; its file read as JSON."""

    def test_names_are_in_the_file(self, tmp_path):
        """The maps of features and of actions were not in the saved state: a new process made them up anew."""
        _, path = saved(tmp_path)
        names = glulam.read_tensors(path)[0]["names"]
        found = json.dumps(names)
        assert all(json.dumps(name) in found for name in (*VILLAGE.vocabulary, *VILLAGE.actions.names))
        assert {key.split(".")[1] for key in names} >= {"obs_shaper", "actor", "head"}

    def test_other_ids_and_other_order_change_nothing(self, tmp_path):
        """A reload into a world that lists its actions in another order permuted them without a word."""
        policy, path = saved(tmp_path)
        td = step_of(VILLAGE, 5, torch.Generator().manual_seed(2))
        expected, found = full_log_probs(policy, td), full_log_probs(glulam.load(path, MOVED), moved(td))
        assert max(float(column.max()) for column in expected.values()) > -0.7  # there is something to permute
        for name in VILLAGE.actions.names:
            torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=0)

    def test_the_same_seed_acts_the_same_by_name(self, tmp_path):
        """As above, in what the policy does and not only in what it thinks."""
        policy, path = saved(tmp_path)
        td = step_of(VILLAGE, 64, torch.Generator().manual_seed(2))
        named = []
        for player, seen in ((policy, td), (glulam.load(path, MOVED), moved(td))):
            player.reset_memory()
            torch.manual_seed(0)
            with torch.no_grad():
                chosen = player(seen.clone())["actions"]
            named.append([player.env.actions.names[action] for action in chosen])
        assert named[0] == named[1]
        assert len(set(named[0])) > 2


class TestStates:
    """Oracle: the policy or the layer that the state is of."""

    def test_an_initialised_policy_loads_into_a_fresh_one(self):
        """The state of an initialised policy did not load into a fresh one: sizes came with the world."""
        policy = small()
        fresh = small(env=world([("heart", 0, 1.0), ("straw", 1, 1.0)], view=(3, 5), actions=("jump", "north")))
        fresh.load_state_dict(policy.state_dict())
        fresh.initialize_to_environment(VILLAGE)
        td = step_of(VILLAGE, 5, torch.Generator().manual_seed(2))
        assert torch.equal(fresh.evaluate(td)["logits"], policy.evaluate(td)["logits"])

    @pytest.mark.parametrize("order", ["state first", "world first"])
    def test_so_does_a_layer(self, order):
        """Whether a fresh layer is given the state before the world or after it."""
        first, fresh = ActionEmbeddingConfig().build(), ActionEmbeddingConfig().build()
        first.initialize_to_environment(VILLAGE)
        if order == "state first":
            fresh.load_state_dict(first.state_dict())
            fresh.initialize_to_environment(MOVED)
        else:
            fresh.initialize_to_environment(MOVED)
            fresh.load_state_dict(first.state_dict())
        places = [VILLAGE.actions.names.index(name) for name in MOVED.actions.names]
        assert torch.equal(fresh(), first()[places])

    def test_so_does_a_shaper(self):
        """Its names come along: hp of a world that is not the first has the row that it had at home."""
        shaper = TokenShaperConfig().build(VILLAGE.obs_meta())
        fresh = TokenShaperConfig().build(MOVED.obs_meta())
        fresh.load_state_dict(shaper.state_dict())
        td = step_of(VILLAGE, 5, torch.Generator().manual_seed(2))
        for one, other in zip(shaper(td["env_obs"]), fresh(moved(td)["env_obs"]), strict=True):
            assert torch.equal(one, other)


def rows_as_listed(patch):
    def by_place(self, device):
        self.index = torch.arange(len(self.present), device=device)

    patch.setattr(ActionRows, "_map", by_place)


def no_names_saved(patch):
    for cls in (Shaper, ActionRows):
        patch.delattr(cls, "get_extra_state")
        patch.delattr(cls, "set_extra_state")


def maps_of_the_world_saved(patch):
    def kept(self, device):
        make(self, device)
        self._non_persistent_buffers_set.discard("index")

    make = ActionRows._map
    patch.setattr(ActionRows, "_map", kept)


@pytest.mark.parametrize(
    ("sabotage", "test"),
    [
        (no_names_saved, TestFiles.test_names_are_in_the_file),
        (no_names_saved, TestStates.test_so_does_a_shaper),
        (maps_of_the_world_saved, TestStates.test_an_initialised_policy_loads_into_a_fresh_one),
        (rows_as_listed, TestFiles.test_other_ids_and_other_order_change_nothing),
        (rows_as_listed, TestFiles.test_the_same_seed_acts_the_same_by_name),
    ],
)
def test_each_notices_its_defect(sabotage, test, monkeypatch, tmp_path):
    sabotage(monkeypatch)
    arguments = (tmp_path,) if "tmp_path" in test.__code__.co_varnames else ()
    with pytest.raises((AssertionError, RuntimeError)):
        test(None, *arguments)
