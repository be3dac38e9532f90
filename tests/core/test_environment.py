"""EnvSpec: names, dims, and specs that contradict themselves."""

import json
import math
from types import SimpleNamespace

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

import glulam
from glulam import ActionSpec, BoxLayout, EnvSpec, Feature, GlulamError, TokenLayout, environment_spec, make_environment
from glulam.dump import dump_policy
from tests.core.test_actions import ACTIONS


def test_vocabulary_holds_numbers_by_id_then_names(env):
    features = (
        Feature(name="tag", id=3, values="tag"),
        Feature(name="heart", id=7),
        Feature(name="last_action", id=1, values="action"),
        Feature(name="ore", id=5),
    )
    world = attrs.evolve(env, features=features, tags=("altar", "mine"))
    assert world.vocabulary == (
        "ore", "heart", "last_action:stay", "last_action:left", "last_action:right", "tag:altar", "tag:mine",
    )  # fmt: skip
    assert world.dim("vocabulary_size") == 7


def test_a_spec_survives_json_and_yaml(env, tmp_path):
    assert EnvSpec.from_dict(env.obs_meta()) == env
    path = tmp_path / "env.yaml"
    path.write_text(env.to_json())
    assert environment_spec(str(path)) == env


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"view_width": 17}, "a view of 3 x 17 does not fit the packed location byte (at most 16 x 16)"),
        ({"view_height": 0}, "does not fit the packed location byte"),
        ({"actions": ActionSpec(names=())}, "environment 'toy': it offers no actions"),
        ({"actions": ActionSpec(names=(), choices=(1,))}, "environment 'toy': it offers no actions"),
        (
            {"actions": ActionSpec(names=("a", "b", "c"), choices=(2, 2))},
            "actions.choices [2, 2] must be at least 1 each, 3 names in all",
        ),
        (
            {"actions": ActionSpec(names=("a", "b", "c"), choices=(3, 0))},
            "actions.choices [3, 0] must be at least 1 each, 3 names in all",
        ),
        (
            {"actions": ActionSpec(names=("a",), choices=(1,), low=(0,), high=(1,))},
            "environment 'toy': actions are choices or have bounds, not both",
        ),
        (
            {"actions": ActionSpec(names=("a", "b"), low=(0, 0), high=(1,))},
            "there are 2 lower and 1 upper bounds for 2 actions; one of each a name",
        ),
        (
            {"actions": ActionSpec(names=("a",), high=(1,))},
            "there are 0 lower and 1 upper bounds for 1 actions; one of each a name",
        ),
        (
            {"actions": ActionSpec(names=("gas", "wheel"), low=(0, 2), high=(1, 2))},
            "action 'wheel' goes from 2.0 to 2.0; the lower bound comes first",
        ),
        (
            {"actions": ActionSpec(names=("gas",), low=(3,), high=(-1,))},
            "action 'gas' goes from 3.0 to -1.0; the lower bound comes first",
        ),
        ({"actions": ActionSpec(names=("a", "a"))}, "action 'a' appears twice"),
        (
            {"features": (Feature(name="a", id=1), Feature(name="b", id=1))},
            "environment 'toy': features 'a' and 'b' both claim id 1; give each its own",
        ),
        (
            {"features": tuple(Feature(name=f"f{n}", id=n % 256) for n in range(257))},
            "it has 257 features; a token's byte tells 256 apart at most",
        ),
        ({"features": (Feature(name="a", id=-1),)}, "feature 'a' has id -1; a token's byte holds 0 to 255"),
        ({"view_height": 17, "view_width": 16}, "a view of 17 x 16 does not fit the packed location byte"),
        ({"tokens": TokenLayout(count=0)}, "tokens.count is 0; there is at least 1"),
        ({"tags": ("wall", "ore", "wall")}, "tag 'wall' appears twice"),
        ({"features": (Feature(name="a", id=1), Feature(name="a", id=2))}, "feature name 'a' appears twice"),
        ({"features": (Feature(name="a", id=256),)}, "feature 'a' has id 256; a token's byte holds 0 to 255"),
        ({"optional_inputs": ("wind",)}, "unknown optional input 'wind'"),
        (
            {"optional_inputs": ("active",), "autoreset": "next_step"},
            "environment 'toy': agents that come and go ('active') need autoreset same_step, and it is next_step",
        ),
    ],
)
def test_contradictions_are_named(env, change, words):
    with pytest.raises(GlulamError) as caught:
        attrs.evolve(env, **change)
    assert words in str(caught.value)


class TestBox:
    @pytest.fixture
    def box(self):
        return EnvSpec(name="pole", box=BoxLayout(shape=[2, 3]), actions=ActionSpec(names=("left", "right")))

    def test_it_survives_json_and_tells_its_inputs(self, box):
        assert EnvSpec.from_dict(box.obs_meta()) == box
        assert box.inputs["env_obs"] == ("2 3", "float32")
        assert (box.dim("box_size"), box.num_tokens) == (6, 0)
        with pytest.raises(GlulamError, match=r"'pole' shows numbers and no tokens, so it has no env\.view_height"):
            box.dim("view_height")

    def test_tokens_are_asked_for_in_vain(self, box):
        with pytest.raises(
            GlulamError, match="environment 'pole' shows no tokens but numbers: use another observation"
        ):
            _ = box.token_layout

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"box": None}, "an observation is a row of tokens or a box of numbers; there is neither tokens nor a box"),
            ({"tokens": TokenLayout(count=2)}, "there is both tokens and a box"),
            ({"box": BoxLayout(shape=(2, 0))}, "box.shape is [2, 0]; each size is a whole number of at least 1"),
            ({"box": BoxLayout(shape=("3",))}, "box.shape is ['3']; each size is a whole number"),
            ({"box": BoxLayout(shape=(2,), dtype="complex64")}, "box.dtype is 'complex64'; write one of float32,"),
            ({"view_width": 3}, "features, tags and a view belong to tokens; a box of numbers has none"),
            ({"num_agents": 0}, "num_agents is 0; there is at least 1"),
        ],
    )
    def test_contradictions_are_named(self, box, change, words):
        with pytest.raises(GlulamError) as caught:
            attrs.evolve(box, **change)
        assert words in str(caught.value)

    def test_layers_of_tokens_do_not_read_it(self, box, policy_file, registry):
        with pytest.raises(
            glulam.PolicyError, match=r"GL402 .*reads 'env_obs' as uint8, but the environment writes float"
        ):
            glulam.resolve(policy_file(), env=box, registry=registry)


class TestKinds:
    """The three kinds of actions: what each is to a policy, written out by hand."""

    @pytest.fixture(params=ACTIONS)
    def kind(self, request):
        return request.param

    @pytest.fixture
    def world(self, env, kind):
        return attrs.evolve(env, actions=ACTIONS[kind], optional_inputs=("last_actions",))

    def test_kind_shape_and_dtype(self, kind):
        expected = {"discrete": ((), "int64"), "multi-discrete": ((2,), "int64"), "continuous": ((2,), "float32")}
        actions = ACTIONS[kind]
        assert (actions.kind, (actions.shape, actions.dtype)) == (kind, expected[kind])

    def test_the_previous_action_is_an_input_of_their_shape(self, kind, world):
        expected = {"discrete": ("", "int64"), "multi-discrete": ("2", "int64"), "continuous": ("2", "float32")}
        assert world.inputs["last_actions"] == expected[kind]
        assert "last_actions" not in attrs.evolve(world, optional_inputs=()).inputs

    def test_dims(self, kind, world):
        counts = {"discrete": (1, 3), "multi-discrete": (2, 5), "continuous": (1, 2)}
        assert (world.dim("num_choices"), world.dim("num_actions")) == counts[kind]

    def test_json_and_yaml_keep_them(self, world, tmp_path):
        assert EnvSpec.from_dict(json.loads(world.to_json())) == world
        path = tmp_path / "env.yaml"
        path.write_text(dump_policy(world.obs_meta()), encoding="utf-8")
        assert "choices:" in path.read_text(encoding="utf-8")
        assert EnvSpec.from_yaml(path) == world

    def test_a_spec_of_names_alone_is_discrete(self, world):
        plain = world.obs_meta() | {"actions": {"names": ["a", "b"]}}
        assert EnvSpec.from_dict(plain).actions == ActionSpec(names=("a", "b"))

    def test_renamed_keeps_choices_and_bounds(self, world):
        actions = world.renamed({world.actions.names[1]: "other", "nobody": "x"}).actions
        assert actions.names == (world.actions.names[0], "other", *world.actions.names[2:])
        for field in ("choices", "low", "high"):
            assert getattr(actions, field) == getattr(world.actions, field)

    def test_no_bound_is_none(self):
        actions = ActionSpec(names=("a", "b", "c"), low=[-math.inf, None, 2], high=[math.inf, 3, None])
        assert (actions.low, actions.high) == ((None, None, 2.0), (None, 3.0, None))
        assert list(map(type, (*actions.low, *actions.high))).count(float) == 2
        assert actions.kind == "continuous"


NAME = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=6)
BOUND = st.none() | st.floats(-1e6, 1e6)


@st.composite
def action_specs(draw):
    """An action spec of any kind."""
    names = draw(st.lists(NAME, min_size=1, max_size=6, unique=True))
    kind = draw(st.sampled_from(["discrete", "multi-discrete", "continuous"]))
    if kind == "multi-discrete":
        cut = draw(st.integers(1, len(names)))
        return kind, ActionSpec(names=names, choices=[cut, len(names) - cut] if cut < len(names) else [cut])
    if kind == "continuous":
        bounds = [(draw(BOUND), draw(BOUND)) for _ in names]
        bounds = [(None if None not in (low, high) and low >= high else low, high) for low, high in bounds]
        return kind, ActionSpec(names=names, low=[low for low, _ in bounds], high=[high for _, high in bounds])
    return kind, ActionSpec(names=names)


@given(drawn=action_specs(), data=st.data())
def test_any_actions_survive_json_and_new_names(drawn, data):
    kind, actions = drawn
    world = EnvSpec(name="any", box=BoxLayout(shape=(1,)), actions=actions)
    assert actions.kind == kind
    assert EnvSpec.from_dict(json.loads(world.to_json())) == world
    old = data.draw(st.sampled_from(actions.names))
    there = world.renamed({old: "a new name"})
    assert there.renamed({"a new name": old}) == world
    assert "a new name" in there.names
    assert (there.actions.choices, there.actions.low, there.actions.high) == (
        actions.choices, actions.low, actions.high,
    )  # fmt: skip


def test_a_name_that_is_taken_is_no_new_name(env):
    world = attrs.evolve(env, tags=("altar", "mine"))
    for aliases, words in (
        ({"heart": "ore"}, "feature name 'ore' appears twice (with the aliases heart = ore)"),
        ({"mine": "altar", "nobody": "x"}, "tag 'altar' appears twice (with the aliases mine = altar)"),
        (
            {"left": "jump", "right": "jump"},
            "action 'jump' appears twice (with the aliases left = jump, right = jump)",
        ),
    ):
        with pytest.raises(GlulamError) as caught:
            world.renamed(aliases)
        assert str(caught.value) == f"environment 'toy': {words}"
    assert world.renamed({}) is world
    assert world.renamed({"ore": "heart", "heart": "ore"}).features == (
        Feature(name="heart", id=0), Feature(name="ore", id=7),
    )  # fmt: skip


def test_bad_files_and_uris_are_named(tmp_path):
    path = tmp_path / "env.yaml"
    with pytest.raises(GlulamError, match="cannot read the file"):
        environment_spec(str(path))
    path.write_text("[1]")
    with pytest.raises(GlulamError, match="holds no environment spec but list"):
        environment_spec(str(path))
    path.write_text("name: 3\n")
    with pytest.raises(GlulamError, match="required field missing @ "):
        environment_spec(str(path))
    with pytest.raises(GlulamError, match="'forage' is no environment: write FAMILY:TASK"):
        environment_spec("forage")
    with pytest.raises(GlulamError, match="^mettagrid:forage: num_envs is 0; it must be at least 1$"):
        make_environment("mettagrid:forage", num_envs=0, seed=1)


class TestParts:
    """`first` reaches families that know of it, and only where it is not 0."""

    @staticmethod
    def make(make, **given):
        family = SimpleNamespace(make=make)
        found = SimpleNamespace(find=lambda name: SimpleNamespace(load=lambda: family, name=name))
        return make_environment("toy:a", num_envs=2, seed=7, registry=SimpleNamespace(environments=found), **given)

    def test_a_family_is_told_which_copies(self):
        def make(task, *, num_envs, seed, first=0):
            return task, num_envs, seed, first

        assert self.make(make) == ("a", 2, 7, 0)
        assert self.make(make, first=3) == ("a", 2, 7, 3)
        assert self.make(lambda task, **given: (task, given), first=3) == (
            "a",
            {"num_envs": 2, "seed": 7, "first": 3},
        )

    def test_one_that_does_not_know_of_parts_makes_whole_worlds(self):
        def make(task, *, num_envs, seed):
            return task, num_envs, seed

        assert self.make(make, first=0) == ("a", 2, 7)
        message = (
            "^environment 'toy:a' can only be made whole: make\\(\\) of its family takes no first=, the number of the f"
        )
        with pytest.raises(GlulamError, match=message):
            self.make(make, first=1)

    def test_copies_count_from_0(self):
        with pytest.raises(GlulamError, match="^toy:a: first is -1; it must not be negative$"):
            self.make(None, first=-1)


class TestLookedAt:
    """A family of a stranger, with and without `render` in its `make` and in its worlds."""

    @staticmethod
    def made(make, **choices):
        entry = SimpleNamespace(load=lambda: SimpleNamespace(make=make))
        registry = SimpleNamespace(environments=SimpleNamespace(find=lambda _: entry))
        return make_environment("mill:task", num_envs=2, seed=1, registry=registry, **choices)

    def test_a_family_is_asked_only_where_it_listens(self):
        def deaf(task, *, num_envs, seed):
            return SimpleNamespace(asked=None, render=lambda row, *, final=False: None)

        def listening(task, *, num_envs, seed, render=False):
            return SimpleNamespace(asked=render, render=lambda row, *, final=False: None)

        assert self.made(deaf, render=True).asked is None
        assert self.made(listening, render=True).asked is True
        assert self.made(listening).asked is False

    def test_a_world_that_cannot_be_looked_at_is_refused_and_closed(self):
        closed = []

        def blind(task, *, num_envs, seed):
            return SimpleNamespace(close=lambda: closed.append(task))

        self.made(blind)
        with pytest.raises(
            GlulamError, match="environment 'mill:task' cannot be looked at: its worlds have no render()"
        ):
            self.made(blind, render=True)
        assert closed == ["task"]


def test_unknown_dims_are_named(env):
    with pytest.raises(GlulamError, match="unknown environment dim 'env.num_wheels'; there are: env.num_tokens,"):
        env.dim("num_wheels")
