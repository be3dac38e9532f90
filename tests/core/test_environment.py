"""EnvSpec: names, dims, and specs that contradict themselves."""

import attrs
import pytest

import glulam
from glulam import ActionSpec, BoxLayout, EnvSpec, Feature, GlulamError, environment_spec, make_environment


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
        ({"actions": ActionSpec(names=("a", "a"))}, "action 'a' appears twice"),
        ({"features": (Feature(name="a", id=1), Feature(name="b", id=1))}, "feature id 1 appears twice"),
        ({"features": (Feature(name="a", id=1), Feature(name="a", id=2))}, "feature name 'a' appears twice"),
        ({"features": (Feature(name="a", id=256),)}, "feature 'a' has id 256; a token's byte holds 0 to 255"),
        ({"optional_inputs": ("wind",)}, "unknown optional input 'wind'"),
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
            ({"tokens": glulam.TokenLayout(count=2)}, "there is both tokens and a box"),
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
    with pytest.raises(GlulamError, match="num_envs is 0; an environment needs at least 1 copy"):
        make_environment("mettagrid:forage", num_envs=0, seed=1)


def test_unknown_dims_are_named(env):
    with pytest.raises(GlulamError, match="unknown environment dim 'env.num_wheels'; there are: env.num_tokens,"):
        env.dim("num_wheels")
