"""`glulam.adaptation.adapt`: what becomes of a policy's names in another world, and what is kept of it."""

import attrs
import pytest
import torch
from hypothesis import given, settings

import glulam
from glulam import Feature, GlulamError, build, load, save
from glulam.adaptation import adapt
from glulam.checkpoint import read_checkpoint
from glulam.differences import numbers
from tests.core.moving import NAMES, NEW, OLD, step_in
from tests.core.test_moves import worlds
from tests.core.test_policy import random_obs, step_of

ALIASES = {"metal": "ore"}


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "names.yaml"
    path.write_text(NAMES, encoding="utf-8")
    torch.manual_seed(1)
    return build(path, OLD)


@pytest.fixture(scope="module")
def saved(policy, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "names.safetensors"
    save(policy, path)
    return path


def fates(found):
    """Return what became of each name, by kind and name: ids there and here, and the fate."""
    return {(moved.kind, moved.name): (moved.before, moved.after, moved.fate) for moved in found.names}


def expected_fates(new):
    """Return what must become of the names of `OLD` and `NEW`, written out by hand; `new` is the fate of new ones."""
    return {
        ("feature", "tag"): (5, 3, "mapped"),
        ("feature", "ore"): (2, 4, "mapped"),
        ("feature", "last_action"): (9, 9, "mapped"),
        ("feature", "wind"): (None, 77, new),
        ("feature", "heart"): (12, None, "absent"),
        ("tag", "wall"): (None, 0, new),
        ("tag", "mine"): (1, 1, "mapped"),
        ("tag", "altar"): (0, None, "absent"),
        ("action", "south"): (2, 0, "mapped"),
        ("action", "noop"): (0, 1, "mapped"),
        ("action", "jump"): (None, 2, new),
        ("action", "north"): (1, None, "absent"),
    }


class TestFates:
    @pytest.mark.parametrize(("learn", "new"), [(False, "masked"), (True, "learned")])
    def test_each_name_of_either_world_has_one(self, saved, learn, new):
        found = adapt(saved, NEW, aliases=ALIASES, learn_names=learn)
        assert fates(found) == expected_fates(new)
        assert [moved.kind for moved in found.names] == ["feature"] * 5 + ["tag"] * 3 + ["action"] * 4
        assert (found.saved, found.policy.env, found.aliases) == (OLD, NEW, ALIASES)
        assert found.layers["action_head"].masked == (() if learn else ("jump",))
        assert found.layers["action_head"].absent == ("north",)
        assert set(found.layers) == {"obs_shaper", "actor", "action_head"}

    def test_without_its_alias_a_name_is_new(self, saved):
        found = adapt(saved, NEW)
        assert fates(found) == expected_fates("masked") | {
            ("feature", "metal"): (None, 4, "masked"),
            ("feature", "ore"): (2, None, "absent"),
        }
        assert found.aliases == {}

    def test_the_world_it_was_saved_in_changes_nothing(self, saved):
        found = adapt(saved, OLD)
        assert {moved.fate for moved in found.names} == {"mapped"}
        assert all(moved.before == moved.after for moved in found.names)

    def test_what_no_layer_goes_by_is_ignored(self, saved, policy_file, registry, env, tmp_path, monkeypatch):
        """Tags that no feature has as its values; and all that is new to layers that know no names."""
        numbers = attrs.evolve(NEW, features=NEW.features[1:])
        assert fates(adapt(saved, numbers, aliases=ALIASES))["tag", "wall"] == (None, 0, "ignored")
        path = tmp_path / "beam.safetensors"
        save(build(policy_file(), env, registry=registry), path)
        monkeypatch.setattr(glulam.Registry, "installed", lambda: registry)
        more = attrs.evolve(env, features=(*env.features, Feature(name="wind", id=3)))
        found = adapt(path, more)
        assert fates(found)["feature", "wind"] == (None, 3, "ignored")
        assert found.layers == {}

    def test_a_feature_and_an_action_of_one_name_are_two_things(self, saved):
        """The policy knows a feature `heart` and an action `north`, but no action `heart` and no feature `north`."""
        world = attrs.evolve(
            OLD,
            features=(*OLD.features, Feature(name="north", id=40)),
            actions=glulam.ActionSpec(names=("heart", *OLD.actions.names)),
        )
        found = fates(adapt(saved, world))
        assert found["action", "heart"] == (None, 0, "masked")
        assert found["feature", "north"] == (None, 40, "masked")
        assert found["feature", "heart"] == (12, 12, "mapped")
        assert found["action", "north"] == (1, 2, "mapped")

    def test_what_is_masked_stays_so_until_it_is_learned(self, saved, tmp_path):
        path = tmp_path / "masked.safetensors"
        save(adapt(saved, NEW, aliases=ALIASES).policy, path)
        again = fates(adapt(path, NEW))
        assert again["feature", "wind"] == (77, 77, "masked")
        assert again["action", "jump"] == (2, 2, "masked")
        assert fates(adapt(path, NEW, learn_names=True))["action", "jump"] == (2, 2, "mapped")
        assert fates(adapt(path, OLD)) == {
            **{(kind, name): (before, after, "mapped") for kind, name, before, after in (
                ("feature", "ore", 4, 2), ("feature", "tag", 3, 5), ("feature", "last_action", 9, 9),
                ("tag", "mine", 1, 1), ("action", "noop", 1, 0), ("action", "south", 0, 2),
            )},
            ("feature", "heart"): (None, 12, "learned"),
            ("tag", "altar"): (None, 0, "learned"),
            ("action", "north"): (None, 1, "learned"),
            ("feature", "wind"): (77, None, "absent"),
            ("tag", "wall"): (0, None, "absent"),
            ("action", "jump"): (2, None, "absent"),
        }  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(world=worlds())
def test_fates_in_any_world(saved, world):
    """Oracle: the policy knows what `OLD` has, and no more."""
    known, shows_tags = numbers(OLD), any(feature.values == "tag" for feature in world.features)
    all_tags_new = bool(world.tags) and not set(world.tags) & set(OLD.tags)
    expected = {}
    for kind, here in numbers(world).items():
        for name in {*here, *known[kind]}:
            fate = "mapped" if name in known[kind] else "masked" if kind != "tag" or shows_tags else "ignored"
            if (kind, name) == ("feature", "tag") and all_tags_new:
                fate = "masked"  # nothing that it can show is known
            fate = fate if name in here else "absent"
            expected[kind, name] = (known[kind].get(name), here.get(name), fate)
    assert fates(adapt(saved, world)) == expected


class TestPolicy:
    """Oracle: the saved policy in its own world, or a world without what is new."""

    def test_masked_names_are_as_if_they_were_not_there(self, saved):
        moved = adapt(saved, NEW, aliases=ALIASES).policy
        td = step_in(NEW, rows=16)
        new = (td["env_obs"][..., 1] == 77) | ((td["env_obs"][..., 1] == 3) & (td["env_obs"][..., 2] == 0))
        new &= td["env_obs"][..., 0] != 255
        assert new.any()
        without = td.clone()
        without["env_obs"][new] = 255
        assert torch.equal(moved.evaluate(td)["values"], moved.evaluate(without)["values"])
        acted = moved(td)
        assert not (acted["actions"] == 2).any()

    def test_the_file_keeps_aliases(self, saved, tmp_path):
        path = tmp_path / "adapted.safetensors"
        moved = adapt(saved, NEW, aliases=ALIASES).policy
        save(moved, path)
        header = read_checkpoint(path).header
        assert (header["aliases"], header["environment"]["name"]) == (ALIASES, "new")
        for again in (load(path), load(path, NEW), load(path, attrs.evolve(NEW, name="other"))):
            assert again.aliases == ALIASES
            assert torch.equal(again.evaluate(step_in(NEW))["logits"], moved.evaluate(step_in(NEW))["logits"])
        home = load(path, OLD)
        kept = load(saved)
        assert torch.equal(home.evaluate(step_in(OLD))["logits"], kept.evaluate(step_in(OLD))["logits"])

    def test_learned_names_get_rows_and_every_other_weight_stays(self, saved, policy):
        moved = adapt(saved, NEW, aliases=ALIASES, learn_names=True).policy
        before, after = policy.state_dict(), moved.state_dict()
        weights = [name for name in before if torch.is_tensor(before[name])]
        assert all(torch.equal(before[name], after[name]) for name in weights)
        kept = before["layers.action_head.module.rows._extra_state"]["names"]
        assert after["layers.action_head.module.rows._extra_state"]["names"] == [*kept, "jump"]
        assert policy.layers["action_head"].module.rows.names == kept
        scored = moved.evaluate(step_in(NEW))
        (scored["logits"][:, 2].sum() + scored["values"].sum()).backward()
        gradient = moved.layers["actor"].module.weight.grad
        row = moved.layers["actor"].module.rows.names.index("jump")
        assert gradient.abs().sum(1).nonzero().flatten().tolist() == [row]


class TestRefusals:
    @pytest.mark.parametrize(
        ("aliases", "words"),
        [
            ({"metl": "ore"}, "alias 'metl' for 'ore': the environment 'new' has no 'metl'; write 'metal'"),
            ({"metal": "oer"}, "alias 'metal' for 'oer': the policy has no 'oer'; write 'ore'"),
            ({"wind": "xyzzy"}, "alias 'wind' for 'xyzzy': the policy has no 'xyzzy'; there are: altar, heart,"),
            ({"metal": "ore", "wind": "ore"}, "'ore' appears twice (with the aliases metal = ore, wind = ore)"),
        ],
    )
    def test_aliases_of_nothing_are_named(self, saved, aliases, words):
        with pytest.raises(GlulamError) as caught:
            adapt(saved, NEW, aliases=aliases)
        assert words in str(caught.value)

    def test_worlds_that_it_cannot_follow_to_are_named(self, saved):
        numbers = glulam.EnvSpec(name="pole", box=glulam.BoxLayout(shape=(3,)), actions=OLD.actions)
        with pytest.raises(GlulamError) as caught:
            adapt(saved, numbers)
        assert "cannot follow to environment 'pole': " in str(caught.value)
        assert "it shows float32 [3], it was tokens" in str(caught.value)
        other = attrs.evolve(NEW, actions=glulam.ActionSpec(names=("a", "b"), choices=(1, 1)))
        with pytest.raises(GlulamError, match="its actions are multi-discrete, they were discrete"):
            adapt(saved, other)
        strange = attrs.evolve(NEW, actions=glulam.ActionSpec(names=("jump", "duck")))
        with pytest.raises(
            GlulamError, match=r"knows none of the environment's actions \(jump, duck\), but: noop, north, south"
        ):
            adapt(saved, strange)

    def test_a_policy_of_channels_says_what_is_too_many(self, tmp_path):
        path = tmp_path / "fast.safetensors"
        save(build("fast", OLD), path)
        with pytest.raises(GlulamError, match="environment 'new' has 'wind', .*box has no channel") as caught:
            adapt(path, NEW, aliases=ALIASES)
        assert "take a policy that reads tokens" in str(caught.value)
        with pytest.raises(GlulamError, match="environment 'new' has 'wind', for which there is no channel left"):
            adapt(path, NEW, aliases=ALIASES, learn_names=True)
        wide = attrs.evolve(OLD, name="wide", view_width=13)
        with pytest.raises(GlulamError) as caught:
            adapt(path, wide)
        assert "policy 'fast' cannot follow to environment 'wide': its view is 11 x 13, it was 11 x 11." in str(
            caught.value
        )
        assert "GL401 reads 'box' as [7, 11, 11], but obs_shaper writes [7, 11, 13]" in str(caught.value)


def test_a_policy_of_names_alone_still_acts(policy_file, registry, env, tmp_path, monkeypatch):
    """A world that renumbers everything, and a policy without names: actions follow their places."""
    path = tmp_path / "beam.safetensors"
    saved = build(policy_file(), env, registry=registry)
    save(saved, path)
    monkeypatch.setattr(glulam.Registry, "installed", lambda: registry)
    found = adapt(path, attrs.evolve(env, name="other", num_agents=3))
    torch.testing.assert_close(found.policy(step_of(random_obs(3)))["logits"], saved(step_of(random_obs(3)))["logits"])
    assert found.to_dict() == {
        "policy": "beam",
        "from": "toy",
        "to": "other",
        "view": {"from": [3, 3], "to": [3, 3]},
        "aliases": {},
        "layers": {},
        "names": [
            {"kind": kind, "name": name, "before": number, "after": number, "fate": "mapped"}
            for kind, name, number in (
                ("feature", "ore", 0), ("feature", "heart", 7),
                ("action", "stay", 0), ("action", "left", 1), ("action", "right", 2),
            )
        ],
    }  # fmt: skip
