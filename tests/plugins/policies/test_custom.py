"""The policy classes: built from layer configs entirely (`ensemble_class`), partly (`fast_class`), not at all."""

import copy
import pickle
import subprocess
import sys

import attrs
import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError, TensorSpec, layer_config
from glulam_policies.ensemble_class import EnsembleClassConfig
from glulam_policies.fast_class import FastClassConfig
from glulam_policies.mlp_class import MlpClassConfig
from tests.plugins.policies.conftest import step_of

CLASSES = {
    "ensemble_class": EnsembleClassConfig(members=2),
    "fast_class": FastClassConfig(channels=8, hidden_size=16, critic_size=32, actor_size=24, embed_dim=4),
    "mlp_class": MlpClassConfig(hidden_size=16),
}
POLE = glulam.EnvSpec(name="pole", box=glulam.BoxLayout(shape=(2, 3)), actions=glulam.ActionSpec(names=("l", "r", "s")))
ROWS = 6


@pytest.fixture(params=CLASSES)
def name(request):
    return request.param


@pytest.fixture
def env(name, village):
    return POLE if name == "mlp_class" else village


@pytest.fixture
def policy(name, env):
    torch.manual_seed(3)
    return glulam.build(CLASSES[name], env)


def step_in(env, generator, end=0.0):
    """Return one step of a world, in which some episodes have just ended."""
    if env.box is None:
        return step_of(env, ROWS, generator, end)
    flags = [torch.rand(ROWS, generator=generator) < end for _ in range(2)]
    obs = torch.randn(ROWS, *env.box.shape, generator=generator)
    inputs = {"env_obs": obs, "env_id": torch.arange(ROWS), "rewards": torch.zeros(ROWS)}
    return TensorDict(inputs | dict(zip(("dones", "truncateds"), flags, strict=True)), batch_size=[ROWS])


def play(policy, env, steps=5):
    """Return the steps of a rollout `[ROWS, steps]` and the state before it, in the middle of episodes."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        policy(step_in(env, generator))
        state = policy.memory_state(torch.arange(ROWS))
        return torch.stack([policy(step_in(env, generator, end=0.3)) for _ in range(steps)], dim=1), state


class TestLaws:
    def test_training_gives_what_the_rollout_gave(self, policy, env):
        segment, state = play(policy, env)
        scored = policy.evaluate(segment.exclude("env_id"), state)
        ratio = (scored["act_log_prob"] - segment["act_log_prob"]).exp()
        torch.testing.assert_close(ratio, torch.ones(ROWS, 5), atol=1e-5, rtol=0)
        torch.testing.assert_close(scored["values"], segment["values"], atol=1e-5, rtol=0)
        other = policy.evaluate(segment.clone().set("actions", (segment["actions"] + 1) % 3), state)
        assert (other["act_log_prob"] - segment["act_log_prob"]).abs().max() > 1e-3

    def test_gradient_reaches_every_weight(self, policy, env):
        segment, state = play(policy, env)
        scored = policy.evaluate(segment, state)
        (scored["act_log_prob"].sum() + scored["values"].sum() + scored["entropy"].sum()).backward()
        assert [name for name, weight in policy.named_parameters() if weight.grad is None] == []

    def test_file_deepcopy_and_pickle_act_alike_to_the_bit(self, policy, env, tmp_path):
        expected, _ = play(policy, env)
        glulam.save(policy, tmp_path / "policy.safetensors")
        twins = [
            copy.deepcopy(policy),
            pickle.loads(pickle.dumps(policy)),  # noqa: S301 - our own bytes
            glulam.load(tmp_path / "policy.safetensors"),
        ]
        for twin in twins:
            twin.reset_memory()
            found, _ = play(twin, env)
            for key in ("actions", "act_log_prob", "logits", "values"):
                assert torch.equal(found[key], expected[key]), key
        assert twins[2].resolved.custom == policy.resolved.custom

    def test_copies_do_not_share_memory_or_weights(self, policy, env):
        twin = copy.deepcopy(policy)
        with torch.no_grad():
            for weight in twin.parameters():
                weight.zero_()
        play(twin, env)
        assert not any((weight == 0).all() for weight in policy.parameters() if weight.dim() > 1)
        for state in policy.memory_state(torch.arange(ROWS)).values(True, True):
            assert (state == 0).all()

    def test_greedy_takes_the_likeliest(self, policy, env):
        assert len(policy.each("set_greedy", True)) == 1
        segment, _ = play(policy, env)
        assert torch.equal(segment["actions"], segment["logits"].argmax(-1))


def test_names_and_configs_stand_without_torch():
    code = "import sys, glulam_policies.ensemble_class, glulam_policies.fast_class, glulam_policies.mlp_class as m\n"
    code += "m.MlpClassConfig(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", CLASSES)
def test_they_are_built_for_an_environment(name):
    with pytest.raises(GlulamError, match=f"policy '{name}' is built for an environment: give one to glulam.build"):
        CLASSES[name].build_policy(glulam.resolve(CLASSES[name]))


class TestEnsemble:
    def test_one_member_equals_its_yaml_twin(self, village):
        """Oracle: `latent_attn_tiny` with the same weights."""
        one, twin = glulam.build(EnsembleClassConfig(members=1), village), glulam.build("latent_attn_tiny", village)
        source = twin.state_dict()
        names = {"shaper": "obs_shaper", "encoders.0": "encoder"}
        with torch.no_grad():
            for name, weight in one.named_parameters():
                part = "encoders.0" if name.startswith("encoders.0.") else name.partition(".")[0]
                weight.copy_(source[f"layers.{names.get(part, part)}.module.{name.removeprefix(f'{part}.')}"])
        td = step_of(village, 5, torch.Generator().manual_seed(5))
        for key in ("logits", "values"):
            torch.testing.assert_close(one.evaluate(td)[key], twin.evaluate(td)[key], atol=1e-6, rtol=1e-5)

    def test_the_memory_gets_the_mean_of_its_members(self, village):
        """Oracle: members that are one and the same are one."""
        policy = glulam.build(EnsembleClassConfig(members=3), village)
        td = step_of(village, 5, torch.Generator().manual_seed(5))
        first = policy.encoders[0].state_dict()
        apart = policy.evaluate(td)["values"]
        for encoder in policy.encoders:
            encoder.load_state_dict(first)
        same = policy.evaluate(td)["values"]
        policy.encoders = policy.encoders[:1]
        torch.testing.assert_close(same, policy.evaluate(td)["values"], atol=1e-6, rtol=1e-5)
        assert (apart - same).abs().max() > 1e-4

    def test_another_layer_is_another_config(self, village):
        gru = layer_config("gru", in_dim=128, out_key="core", hidden_size=128)
        policy = glulam.build(EnsembleClassConfig(memory=gru), village)
        states = {key: spec.shape for key, spec in policy.experience_spec().items() if isinstance(key, tuple)}
        assert states == {("memory", "h"): (1, 128)}
        with pytest.raises(TypeError, match="encoder is 3, no layer config"):
            EnsembleClassConfig(encoder=3)
        with pytest.raises(ValueError, match="'members' must be >= 1: 0"):
            EnsembleClassConfig(members=0)


class TestFast:
    def offering(self, village):
        return attrs.evolve(village, name="offering", optional_inputs=("agent_id", "action_mask"))

    def masked(self, village, rows=64):
        """Steps whose mask allows two of the four actions a row, in turn."""
        allowed = (torch.arange(rows)[:, None] + torch.arange(4)) % 2 == 0
        return step_of(village, rows, torch.Generator().manual_seed(5)).set("action_mask", allowed)

    def test_a_mask_that_is_offered_is_kept_to(self, village):
        policy = glulam.build(CLASSES["fast_class"], self.offering(village))
        assert policy.in_keys == ["env_obs", "action_mask"]
        assert policy.experience_spec()["action_mask"] == TensorSpec((4,), "bool")
        td = policy(self.masked(village))
        assert td["action_mask"].gather(1, td["actions"][:, None]).all()
        assert td["actions"].unique().tolist() == [0, 1, 2, 3]
        allowed = td["logits"].masked_fill(~td["action_mask"], -torch.inf).log_softmax(-1)
        torch.testing.assert_close(td["act_log_prob"], allowed.gather(1, td["actions"][:, None])[:, 0])
        policy.reset_memory()
        torch.testing.assert_close(policy.evaluate(td)["act_log_prob"], td["act_log_prob"])

    def test_where_none_is_offered_none_is_read(self, village):
        policy = glulam.build(CLASSES["fast_class"], village)
        assert policy.in_keys == ["env_obs"]
        assert "action_mask" not in policy.experience_spec()
        td = policy(self.masked(village))
        assert not td["action_mask"].gather(1, td["actions"][:, None]).all()

    def test_it_moves_between_the_two(self, village):
        policy = glulam.build(CLASSES["fast_class"], village)
        plain = policy.experience_spec()
        policy.initialize_to_environment(self.offering(village))
        assert policy.in_keys == ["env_obs", "action_mask"]
        assert policy.experience_spec().keys() - plain.keys() == {"action_mask"}
        td = policy(self.masked(village))
        assert td["action_mask"].gather(1, td["actions"][:, None]).all()
        with pytest.raises(GlulamError, match="the TensorDict lacks 'action_mask', which the policy reads"):
            policy(self.masked(village).exclude("action_mask"))
        policy.initialize_to_environment(village)
        assert (policy.in_keys, policy.experience_spec()) == (["env_obs"], plain)

    def test_views_that_it_cannot_see_are_named(self, village):
        small = attrs.evolve(village, name="small", view_width=9)
        with pytest.raises(GlulamError, match="fast_class needs a view of 11 x 11 or more, environment 'small' shows"):
            glulam.build(CLASSES["fast_class"], small)
        policy = glulam.build(CLASSES["fast_class"], village)
        wide = attrs.evolve(village, name="wide", view_width=13)
        with pytest.raises(
            GlulamError, match="'wide' has a view of 11 x 13, the policy was made for 11 x 11; train a new one"
        ):
            policy.initialize_to_environment(wide)
        assert policy.env == policy.resolved.env == village

    def test_a_file_from_a_world_of_fewer_names_can_be_read(self, village, tmp_path):
        policy = glulam.build(CLASSES["fast_class"], village)
        policy.initialize_to_environment(attrs.evolve(village, name="short", features=village.features[:3]))
        glulam.save(policy, tmp_path / "policy.safetensors")
        again = glulam.load(tmp_path / "policy.safetensors", village)
        policy.initialize_to_environment(village)
        td = step_of(village, 5, torch.Generator().manual_seed(5))
        assert torch.equal(again.evaluate(td)["logits"], policy.evaluate(td)["logits"])


class TestMlp:
    def test_its_numbers(self):
        """Oracle: the two networks, written out."""
        policy = glulam.build("mlp_class", POLE)
        td = step_in(POLE, torch.Generator().manual_seed(2))
        x = td["env_obs"].flatten(1)
        outputs = []
        for network in (policy.actor, policy.critic):
            y = x
            for number in (0, 2, 4):
                y = y @ network[number].weight.T + network[number].bias
                y = y if number == 4 else y.tanh()
            outputs.append(y)
        scored = policy.evaluate(policy(td))
        torch.testing.assert_close(scored["logits"], outputs[0])
        torch.testing.assert_close(scored["values"], outputs[1][:, 0])
        chances = outputs[0].softmax(-1)
        torch.testing.assert_close(scored["entropy"], -(chances * chances.log()).sum(-1))
        torch.testing.assert_close(scored["act_log_prob"], chances.log()[torch.arange(ROWS), td["actions"]])

    def test_what_is_stored(self):
        spec = glulam.build("mlp_class", POLE).experience_spec()
        assert spec == {
            "env_obs": TensorSpec((2, 3), "float32"),
            "rewards": TensorSpec((), "float32"),
            "dones": TensorSpec((), "bool"),
            "truncateds": TensorSpec((), "bool"),
            "actions": TensorSpec((), "int64"),
            "act_log_prob": TensorSpec((), "float32"),
        }

    def test_sampling_follows_the_chances(self):
        policy = glulam.build("mlp_class", POLE)
        torch.manual_seed(0)
        actions, _ = policy.action_head.module.act(torch.tensor([[0.0, 1.0, -1.0]]).expand(20_000, 3))
        found = actions.bincount(minlength=3) / 20_000
        torch.testing.assert_close(found, torch.tensor([0.0, 1.0, -1.0]).softmax(-1), atol=0.015, rtol=0)

    def test_other_worlds_are_refused(self, village):
        words = "mlp_class is for environments that show numbers and have discrete actions; take another policy"
        with pytest.raises(GlulamError) as caught:
            glulam.build("mlp_class", village)
        assert str(caught.value) == words
        steering = attrs.evolve(POLE, actions=glulam.ActionSpec(names=("gas",), low=(0,), high=(1,)))
        with pytest.raises(GlulamError) as caught:
            glulam.build("mlp_class", steering)
        assert str(caught.value) == words
        with pytest.raises(ValueError, match="'hidden_size' must be > 0: 0"):
            MlpClassConfig(hidden_size=0)
