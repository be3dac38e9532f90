"""The shipped policies: training equals rollout, copies and files act alike, names decide."""

import copy
import pickle

import attrs
import pytest
import torch

import glulam
from tests.plugins.policies.conftest import step_of

BOXES = ("fast", "fast_class")
TOKENS = ("latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm", "ensemble_class")
# What holds for one of the larger ones as for these is tried on these alone.
quick = pytest.mark.parametrize("policy", [*BOXES, "latent_attn_tiny"], indirect=True)


@pytest.fixture(params=[*BOXES, *TOKENS])
def policy(request, village):
    torch.manual_seed(3)
    made = glulam.build(request.param, village, losses=["ppo"])
    with torch.no_grad():  # large enough weights that a skipped reset shows
        for name, weight in made.named_parameters():
            if any(part in name for part in ("_hh_l", "_ih_l", "critic.module.out", "critic2")):
                weight.mul_(4)
    return made


def play(policy, env, *, rows=6, steps=7, end=0.25, seed=0):
    """Return the steps of a rollout stacked to `[rows, steps]` and the state in the middle of an episode before it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _ in range(3):
            policy(step_of(env, rows, generator))
        state = policy.memory_state(torch.arange(rows))
        taken = [policy(step_of(env, rows, generator, end)) for _ in range(steps)]
    return torch.stack(taken, dim=1), state


class TestRatio:
    """Law: with the weights of the rollout, the ratio of each action's probabilities is 1."""

    def test_it_is_one_on_segments_with_ends_in_the_middle(self, policy, village):
        segment, state = play(policy, village)
        assert segment["dones"].any()
        assert segment["truncateds"][:, 1:].any()
        scored = policy.evaluate(segment.exclude("env_id"), state)
        ratio = (scored["act_log_prob"] - segment["act_log_prob"]).exp()
        torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=1e-5, rtol=0)
        torch.testing.assert_close(scored["values"], segment["values"], atol=1e-5, rtol=0)

    @quick
    @pytest.mark.parametrize("sabotage", ["dones", "truncateds", "state"])
    def test_sabotage_shows(self, policy, village, sabotage):
        segment, state = play(policy, village)
        if sabotage == "state":
            state = None
        else:
            segment[sabotage] = torch.zeros_like(segment[sabotage])
        scored = policy.evaluate(segment.exclude("env_id"), state)
        assert (scored["values"] - segment["values"]).abs().max() > 1e-2

    def test_gradient_reaches_every_weight(self, policy, village):
        segment, state = play(policy, village)
        scored = policy.evaluate(segment, state)
        (scored["act_log_prob"].sum() + scored["values"].sum() + scored["entropy"].sum()).backward()
        assert [name for name, weight in policy.named_parameters() if weight.grad is None] == []


class TestCopies:
    def test_deepcopy_pickle_and_file_give_the_same_policy(self, policy, village, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        policy.reset_memory()
        twins = [
            copy.deepcopy(policy),
            pickle.loads(pickle.dumps(policy)),  # noqa: S301 - our own bytes
            glulam.load(tmp_path / "policy.safetensors"),
        ]
        torch.manual_seed(0)
        expected, _ = play(policy, village)
        for twin in twins:
            torch.manual_seed(0)
            found, _ = play(twin, village)
            for key in ("actions", "act_log_prob", "values"):
                assert torch.equal(found[key], expected[key]), key

    @quick
    def test_double_precision_runs(self, policy, village):
        policy.double()
        segment, _ = play(policy, village, steps=2)
        assert segment["values"].dtype == torch.float64


class TestWarmStart:
    @quick
    def test_named_layers_are_taken_and_the_rest_starts_anew(self, policy, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        torch.manual_seed(99)
        twin = glulam.load(tmp_path / "policy.safetensors", only=["memory"])
        before, after = dict(policy.named_parameters()), dict(twin.named_parameters())
        drawn = {name for name, weight in before.items() if weight.unique().numel() > 1}  # not all ones or zeros
        taken = {name for name in drawn if torch.equal(before[name], after[name])}
        assert taken == {name for name in drawn if "memory" in name}
        assert taken
        with pytest.raises(glulam.GlulamError, match="has no layer 'memry'; there are: "):
            glulam.load(tmp_path / "policy.safetensors", only=["memry"])


class TestNames:
    """Law: a world whose ids are renumbered looks the same to a policy."""

    def test_renumbered_features_and_tags_change_nothing(self, policy, village, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        moved = attrs.evolve(
            village,
            features=tuple(attrs.evolve(feature, id=200 - feature.id) for feature in village.features),
            tags=("wall", "altar", "mine"),
        )
        twin = glulam.load(tmp_path / "policy.safetensors", moved)
        generator = torch.Generator().manual_seed(5)
        td = step_of(village, 5, generator)
        renumbered = td.clone()
        real = td["env_obs"][..., 0] != 255
        ids, values = td["env_obs"][..., 1], td["env_obs"][..., 2]
        new_tag = torch.tensor([1, 2, 0], dtype=torch.uint8)[values.long().clamp(max=2)]
        renumbered["env_obs"][..., 2] = torch.where(real & (ids == 5), new_tag, values)
        renumbered["env_obs"][..., 1] = torch.where(real, 200 - ids, ids)
        policy.reset_memory()
        expected, found = policy.evaluate(td), twin.evaluate(renumbered)
        assert torch.equal(found["logits"], expected["logits"])
        raw = twin.evaluate(td)
        assert not torch.allclose(raw["logits"], expected["logits"], atol=1e-3)

    def test_renamed_things_are_found_by_an_alias_map(self, policy, village, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        aliases = {"metal": "ore", "shrine": "altar", "up": "north"}
        moved = village.renamed({name: alias for alias, name in aliases.items()})
        assert {"metal", "shrine", "up"} <= moved.names
        twin = glulam.load(tmp_path / "policy.safetensors", moved, aliases=aliases)
        td = step_of(village, 5, torch.Generator().manual_seed(5))
        assert torch.equal(twin.evaluate(td)["logits"], policy.evaluate(td)["logits"])
        with pytest.raises(glulam.GlulamError, match="the environment 'village' has no 'metl'; write 'metal'"):
            glulam.load(tmp_path / "policy.safetensors", moved, aliases={"metl": "ore"})
        with pytest.raises(glulam.GlulamError, match="the policy has no 'or'; write 'ore'"):
            glulam.load(tmp_path / "policy.safetensors", moved, aliases={"metal": "or"})

    def test_a_new_feature_is_masked_by_tokens_and_refused_by_the_box(self, policy, village, tmp_path):
        glulam.save(policy, tmp_path / "policy.safetensors")
        more = attrs.evolve(village, features=(*village.features, glulam.Feature(name="wind", id=77)))
        if policy.resolved.name in TOKENS:
            twin = glulam.load(tmp_path / "policy.safetensors", more)
            td = step_of(village, 5, torch.Generator().manual_seed(5))
            expected = policy.evaluate(td)["logits"]
            td["env_obs"][:, -1] = torch.tensor([0x55, 77, 9], dtype=torch.uint8)
            torch.testing.assert_close(twin.evaluate(td)["logits"], expected)
        else:
            with pytest.raises(glulam.GlulamError, match="has 'wind', for which the policy's box has no channel"):
                glulam.load(tmp_path / "policy.safetensors", more)


def test_the_class_equals_its_yaml_twin(village):
    twin, written = glulam.build("fast", village), glulam.build("fast_class", village)
    pairs = {
        "conv1": "cnn.module.convolutions.0", "conv2": "cnn.module.convolutions.1",
        "encoder1": "encoder.module.0", "encoder2": "encoder.module.2", "memory": "memory.module",
        "critic1": "critic.module.hidden", "critic2": "critic.module.out", "actions": "action_embedding.module",
        "actor": "actor.module.hidden", "query": "actor.module.query",
    }  # fmt: skip
    source = dict(twin.named_parameters())
    with torch.no_grad():
        for name, weight in written.named_parameters():
            part, _, rest = name.partition(".")
            weight.copy_(source[f"layers.{pairs[part]}" + (f".{rest}" if rest else "")])
    td = step_of(village, 5, torch.Generator().manual_seed(5))
    for key in ("logits", "values"):
        torch.testing.assert_close(written.evaluate(td)[key], twin.evaluate(td)[key], atol=1e-6, rtol=1e-5)
    assert written.experience_spec().keys() == twin.experience_spec().keys()


@glulam.layer
class SeenConfig(glulam.LossConfig):
    """A loss that looks at the observation itself."""

    key: str = glulam.reads("env_obs", dtype="uint8", shape="N columns")

    def build(self):
        return lambda current, stored: (current[self.key].float().mean(), {})


def test_a_loss_sees_the_observation_with_its_padding():
    """Without such a loss the columns that no row needs are cut off; their number would change with the minibatch."""
    environment = glulam.make_environment("mettagrid:forage", num_envs=1, seed=0)
    td = environment.reset()
    policy = glulam.build("latent_attn_tiny", environment.spec, losses=[SeenConfig()])
    assert torch.equal(policy.evaluate(td)["env_obs"], td["env_obs"])
    environment.close()
