"""A policy that moves to another world in place, and methods that are called by name."""

import attrs
import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

import glulam
from glulam import Feature, GlulamError, PolicyError, TensorSpec, build
from tests.core.moving import NAMES, NEW, OLD, step_in
from tests.core.test_policy import random_obs, step_of


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "names.yaml"
    path.write_text(NAMES, encoding="utf-8")
    return path


@pytest.fixture
def policy(file):
    torch.manual_seed(1)
    return build(file, OLD)


def play(policy, env, steps=2):
    """Return the last of some steps, drawn with one seed; the memory goes on from what it was."""
    torch.manual_seed(0)
    with torch.no_grad():
        for step in range(steps):
            td = policy(step_in(env, seed=step))
    return td


def assert_alike(one, other):
    for key in ("actions", "act_log_prob", "logits", "values"):
        assert torch.equal(one[key], other[key]), key


class TestThere:
    def test_what_is_known_of_keys_follows(self, policy):
        assert policy.experience_spec()["env_obs"] == TensorSpec((12, 3), "uint8")
        assert policy.resolved.keys["logits"].dims == (3,)
        more = attrs.evolve(
            NEW, actions=glulam.ActionSpec(names=("noop", "a", "b", "c")), optional_inputs=("action_mask",)
        )
        policy.initialize_to_environment(more)
        assert policy.env == policy.resolved.env == more
        assert policy.experience_spec()["env_obs"] == TensorSpec((15, 3), "uint8")
        assert policy.experience_spec()["action_mask"] == TensorSpec((4,), "bool")
        assert policy.resolved.keys["logits"].dims == (4,)
        assert policy(step_in(more).set("action_mask", torch.ones(4, 4, dtype=torch.bool)))["logits"].shape == (4, 4)

    def test_it_acts_as_one_that_was_loaded_there(self, policy, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        policy.initialize_to_environment(NEW)
        assert_alike(play(policy, NEW), play(glulam.load(tmp_path / "policy.safetensors", NEW), NEW))

    def test_memory_is_forgotten(self, policy):
        first = play(policy, OLD)
        policy.initialize_to_environment(OLD)
        assert_alike(play(policy, OLD), first)
        assert not torch.equal(play(policy, OLD)["values"], first["values"])

    def test_plain_layers_see_the_new_world(self, policy_file, registry, env):
        """Oracle: logits = (0, 1, 2, 3) x values; see `test_policy`."""
        policy = build(policy_file(), env, registry=registry)
        policy(step_of(random_obs(5)))
        policy.initialize_to_environment(attrs.evolve(env, actions=glulam.ActionSpec(names=tuple("abcd"))))
        td = policy(step_of(random_obs(5)))
        torch.testing.assert_close(td["logits"], td["values"][:, None] * torch.arange(4))
        torch.testing.assert_close(td["values"], random_obs(5).float().mean((1, 2)) * 2)


@st.composite
def worlds(draw):
    """A world that knows some of the names of `OLD`, under other ids and in another order, and some of its own."""
    features = draw(st.permutations([*OLD.features, Feature(name="wind", id=0), Feature(name="gold", id=1)]))
    ids = draw(st.permutations(range(20)))
    features = tuple(attrs.evolve(feature, id=ids[n]) for n, feature in enumerate(features[: draw(st.integers(1, 6))]))
    actions = draw(st.permutations(["south", "noop", "north", "jump", "duck"]))
    tags = draw(st.permutations(["mine", "altar", "wall"]))[: draw(st.integers(0, 3))]
    view = draw(st.sampled_from([3, 7, 11, 15]))
    return attrs.evolve(
        OLD,
        name="drawn",
        tokens=glulam.TokenLayout(count=draw(st.integers(5, 20))),
        view_height=view,
        view_width=view,
        features=features,
        tags=tuple(tags),
        actions=glulam.ActionSpec(names=actions[: draw(st.integers(3, 5))]),
        optional_inputs=draw(st.sampled_from([(), ("agent_id", "team_id")])),
    )


class TestBack:
    @settings(max_examples=12, deadline=None)
    @given(world=worlds())
    def test_there_and_back_again_changes_no_bit(self, file, world):
        torch.manual_seed(1)
        policy = build(file, OLD)
        weights = {name: weight.clone() for name, weight in policy.named_parameters()}
        expected, spec = play(policy, OLD), policy.experience_spec()
        policy.initialize_to_environment(world)
        play(policy, world)
        policy.initialize_to_environment(OLD)
        assert_alike(play(policy, OLD), expected)
        assert policy.experience_spec() == spec
        assert all(torch.equal(weight, weights[name]) for name, weight in policy.named_parameters())


class TestRefused:
    """A world that does not fit: the policy stays where it was, memory and all."""

    def assert_stays(self, policy, world, error, words):
        twin = build(policy.resolved.to_mapping(), OLD)
        twin.load_state_dict(policy.state_dict())
        play(policy, OLD)
        play(twin, OLD)
        before = policy.resolved, policy.env, policy.in_keys
        with pytest.raises(error, match=words):
            policy.initialize_to_environment(world)
        assert (policy.resolved, policy.env, policy.in_keys) == before
        assert_alike(play(policy, OLD), play(twin, OLD))

    def test_by_its_sizes(self):
        wide = attrs.evolve(OLD, name="wide", view_width=13)
        words = r"GL401 reads 'box' as \[7, 11, 11\], but obs_shaper writes \[7, 11, 13\]"
        self.assert_stays(build("fast", OLD), wide, PolicyError, words)

    def test_by_its_inputs(self, file):
        text = NAMES.replace("layers:\n", "layers:\n  - {layer: previous_action, reward_key: null}\n")
        file.with_name("previous.yaml").write_text(text, encoding="utf-8")
        offering = attrs.evolve(OLD, optional_inputs=("last_actions",))
        policy = build(file.with_name("previous.yaml"), offering)
        with pytest.raises(PolicyError, match="GL503 reads 'last_actions', which the environment does not offer"):
            policy.initialize_to_environment(OLD)
        assert policy.env == policy.resolved.env == offering
        assert "last_actions" in policy.in_keys

    def test_by_its_first_layer(self, policy):
        two = attrs.evolve(OLD, tokens=glulam.TokenLayout(count=12, columns=2))
        self.assert_stays(policy, two, GlulamError, "a token has 2 columns|GL401")

    def test_by_its_last_layer_when_the_others_have_moved(self, policy):
        strange = attrs.evolve(NEW, actions=glulam.ActionSpec(names=("duck", "hide")), optional_inputs=("action_mask",))
        self.assert_stays(policy, strange, GlulamError, "the policy knows none of the environment's actions")

    def test_by_an_alias_for_a_name_that_is_taken(self, policy):
        policy.aliases = {"wind": "tag"}
        self.assert_stays(policy, NEW, GlulamError, r"feature name 'tag' appears twice \(with the aliases wind = tag\)")

    def test_the_first_world_of_all(self, file):
        """There is none to go back to: the error is the layer's own."""
        many = attrs.evolve(OLD, actions=glulam.ActionSpec(names=tuple(f"a{n}" for n in range(101))))
        with pytest.raises(GlulamError, match="101 action names do not fit into a table of 100 rows") as caught:
            build(file, many)
        assert caught.value.__context__ is None


class Curriculum(torch.nn.Module):
    """A foreign module that has a method of its own."""

    level = 0

    def set_curriculum(self, level):
        self.level = level
        return f"level {level}"

    def forward(self, x):
        return x + self.level


@glulam.layer
class CurriculumConfig(glulam.LayerConfig):
    """Registered nowhere."""

    in_key: str = glulam.reads("pooled", shape="in_dim")
    out_key: str = glulam.writes("raised", shape="in_dim")
    in_dim: int | None = None

    def build(self):
        return Curriculum()


class TestEach:
    """`Policy.each` reaches whatever has the method; core names none of them."""

    @pytest.fixture
    def config(self, registry):
        kinds = {name: registry.layers[name].load() for name in ("shaper", "pool", "logit_table", "head")}
        fields = {
            "name": "foreign",
            "obs_shaper": kinds["shaper"](),
            "pool": kinds["pool"](),
            "first": CurriculumConfig(),
            "second": CurriculumConfig(in_key="raised", out_key="scaled"),
            "logit_table": kinds["logit_table"](),
            "action_head": kinds["head"](),
        }
        made = {name: attrs.field(default=value) for name, value in fields.items()}
        return attrs.make_class("Foreign", made, bases=(glulam.PolicyConfig,), frozen=True)()

    def test_layers_that_have_it_answer_by_path(self, config, registry, env):
        policy = build(config, env, registry=registry)
        assert policy.each("set_curriculum", 2) == {
            "layers.first.module": "level 2",
            "layers.second.module": "level 2",
        }
        td = policy(step_of(random_obs(3)))
        torch.testing.assert_close(td["values"], random_obs(3).float().mean((1, 2)) + 4)

    def test_only_the_outermost_of_nested_ones_is_called(self, config, registry, env):
        policy = build(config, env, registry=registry)
        policy.layers["first"].module.inner = Curriculum()
        assert set(policy.each("set_curriculum", 2)) == {"layers.first.module", "layers.second.module"}
        assert policy.layers["first"].module.inner.level == 0

    def test_submodules_of_a_policy_class_too(self, registry, env):
        @attrs.frozen(kw_only=True)
        class Custom(glulam.PolicyConfig):
            name: str = "custom"

            def build_policy(self, resolved):
                return CustomPolicy(resolved)

        head = registry.layers["head"].load()

        class CustomPolicy(glulam.Policy):
            def __init__(self, resolved):
                super().__init__(resolved)
                self.trunk = torch.nn.ModuleDict({"deep": torch.nn.Sequential(torch.nn.Linear(3, 3), Curriculum())})
                self.out_keys = ["logits"]
                self.action_head = head().instantiate()

            def compute(self, inputs, recur):
                return {"logits": self.trunk["deep"](inputs["env_obs"].float().mean(1))}

        policy = build(Custom(), env, registry=registry)
        before = policy.evaluate(step_of(random_obs(2)))["logits"]
        assert policy.each("set_curriculum", 2) == {"trunk.deep.1": "level 2"}
        torch.testing.assert_close(policy.evaluate(step_of(random_obs(2)))["logits"], before + 2)
