"""The trainer on a toy world: the ratio law, learning, stored keys, and what it refuses."""

import itertools
from pathlib import Path

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError, MemoryLayer
from glulam_train.trainer import Trainer


class TestRatio:
    """Before anything is learned, training gives the log-probs of the rollout: episodes end within segments."""

    @pytest.mark.parametrize("horizon", [1, 5, 16])
    @pytest.mark.parametrize("minibatches", [1, 4])
    def test_it_is_one(self, trainer, horizon, minibatches):
        made = trainer(horizon=horizon, minibatches=minibatches, learning_rate=0.05)
        for _ in range(4):
            assert made.update()["ratio_error"] < 1e-5
        flags = made.buffer["dones"].any() and made.buffer["truncateds"].any()
        assert flags or horizon == 1

    @pytest.mark.parametrize("key", ["dones", "truncateds"])
    def test_a_reset_left_out_in_training_breaks_it(self, trainer, key, monkeypatch):
        made = trainer(horizon=16)
        evaluate = made.policy.evaluate

        def forgetful(td, state=None):
            return evaluate(td.clone(False).set(key, torch.zeros_like(td.get(key))), state)

        monkeypatch.setattr(made.policy, "evaluate", forgetful)
        assert made.update()["ratio_error"] > 1e-2

    def test_a_segment_state_left_out_breaks_it(self, trainer, monkeypatch):
        made = trainer(horizon=2)
        made.update()
        evaluate = made.policy.evaluate
        monkeypatch.setattr(made.policy, "evaluate", lambda td, state=None: evaluate(td))
        assert made.update()["ratio_error"] > 1e-2

    def test_a_memory_that_is_never_reset_in_rollout_breaks_it(self, trainer, monkeypatch):
        made = trainer(horizon=16)
        monkeypatch.setattr("glulam.memory._forget", lambda state, reset: None)
        assert made.update()["ratio_error"] > 1e-2


def test_it_learns(trainer):
    """Random play earns 0.06 a step, right answers 1, and an episode lasts 4.5 steps on average."""
    made = trainer(num_envs=16, horizon=16, learning_rate=0.02)
    before = made.update()["return_mean"]
    for _ in range(24):
        metrics = made.update()
    assert before < 0.7
    assert metrics["return_mean"] > 2.5


def test_one_seed_gives_the_same_numbers_and_another_gives_others(trainer):
    def numbers(seed):
        made = trainer(seed=seed)
        return [made.update() for _ in range(3)]

    assert numbers(5) == numbers(5)
    assert numbers(5) != numbers(6)


def test_returns_are_values_plus_advantages_of_the_rollout(trainer):
    made = trainer()
    made.update()
    buffer = made.buffer
    torch.testing.assert_close(buffer["returns"], buffer["values"] + buffer["advantages"])


class Recorder:
    """A world that remembers what it showed: the first observation, then what each step gave."""

    def __init__(self, world):
        self.world, self.spec, self.shown = world, world.spec, []

    def reset(self):
        return self.note(self.world.reset())

    def step(self, actions):
        return self.note(self.world.step(actions))

    def note(self, td):
        self.shown.append(td.clone())
        return td


def value_of(policy, observations):
    """The value of the last observation of an episode that began with the first, its memory run from zero."""
    steps = len(observations)
    nothing = torch.zeros(1, steps, dtype=torch.bool)
    inputs = {"env_obs": torch.stack(observations)[None], "dones": nothing, "truncateds": nothing}
    with torch.no_grad():
        return float(policy.evaluate(TensorDict(inputs, batch_size=[1, steps]))["values"][0, -1])


def returns_by_hand(policy, shown, row, first, horizon, gamma, gae_lambda):
    """The returns of one row from `first` on, `horizon` steps; `shown` begins with the first observation ever."""
    observations, values, deltas, ends = [], [], [], []
    for k, (now, after) in enumerate(itertools.pairwise(shown)):
        observations.append(now["env_obs"][row])
        values.append(value_of(policy, observations))
        done, truncated = bool(after["dones"][row]), bool(after["truncateds"][row])
        follows = after["final_obs" if truncated else "env_obs"][row]
        bootstrap = 0.0 if done else value_of(policy, [*observations, follows])
        deltas.append(float(after["rewards"][row]) + gamma * bootstrap - values[k])
        ends.append(done or truncated)
        observations = [] if ends[-1] else observations
    advantage, returns = 0.0, []
    for k in reversed(range(first, first + horizon)):
        advantage = deltas[k] + gamma * gae_lambda * advantage * (not ends[k])
        returns.append(advantage + values[k])
    return returns[::-1]


def test_returns_are_those_of_the_episodes_that_the_world_played(settings, monkeypatch):
    """From the world's own record, with whole episodes scored from zero; the weights do not move."""
    chosen = settings(horizon=7, minibatches=1, epochs=1, gamma=0.9, gae_lambda=0.8)
    world = Recorder(glulam.make_environment(chosen.env, num_envs=4, seed=0))
    torch.manual_seed(0)
    policy = glulam.build("toy", world.spec, losses=["ppo"])
    made = Trainer(policy, world, chosen)
    monkeypatch.setattr(made, "_learn", lambda current, stored: {})
    for segment in range(3):
        made.update()
        for row in range(8):
            by_hand = returns_by_hand(policy, world.shown, row, 7 * segment, 7, 0.9, 0.8)
            torch.testing.assert_close(made.buffer["returns"][row], torch.tensor(by_hand), rtol=1e-5, atol=1e-5)
    flags = torch.stack([torch.stack([td["dones"], td["truncateds"]]) for td in world.shown])
    assert flags.sum((0, 2)).min() > 5  # ends of both kinds were among them


def test_where_episodes_last_one_step_a_return_is_a_reward(trainer):
    """`toy:short` earns 1 a step. Half of its episodes terminate: their returns are 1 whatever the values."""
    made = trainer(env="toy:short", horizon=6)
    made.update()
    # Rows begin in turns with a termination; flags stored at t + 1 tell how the episode of t ended.
    terminated = made.buffer["dones"][:, 1:]
    returns = made.buffer["returns"][:, :-1]
    assert terminated.any()
    torch.testing.assert_close(returns[terminated], torch.ones(int(terminated.sum())))
    assert ((returns[~terminated] - 1).abs() > 1e-4).all()  # truncated: the final observation's value is added


def test_the_buffer_is_as_large_as_the_experience_spec(trainer):
    made = trainer(num_envs=4, horizon=8)
    spec = made.policy.experience_spec()
    assert made.buffer.bytes == glulam.spec_bytes(spec, segments=8, horizon=8)
    stored = {*made.buffer.steps, *made.buffer.starts}
    assert stored == set(spec)
    assert ("toy_memory", "sum") in stored
    # obs 6, reward and flags 6, action 8, log-prob, value, advantage and return 16, valid 1; a state of 16 a segment
    assert made.buffer.bytes == 8 * (8 * (6 + 6 + 8 + 16 + 1) + 16)


class TestLosses:
    def test_a_foreign_loss_reads_the_middle_of_the_network_and_reaches_the_layers_below(self, trainer):
        made = trainer(losses=("ppo", {"loss": "toy_l2", "key": "core"}), max_grad_norm=1e9)
        metrics = made.update()
        assert made.buffer["core"].shape == (8, 8, 4)
        assert made.buffer["core"].abs().max() > 0
        assert metrics["toy_l2/moved"] < 0.1
        below = made.policy.layers["toy_memory"].module.into.weight
        assert below.grad.abs().max() > 0

    def test_what_the_rollout_stored_of_it_carries_no_gradient(self, trainer, monkeypatch):
        made = trainer(losses=("ppo", "toy_l2"))
        seen = []
        term = made.terms["toy_l2"]
        monkeypatch.setitem(
            made.terms, "toy_l2", lambda current, stored: seen.append((current, stored)) or term(current, stored)
        )
        made.update()
        assert all(current["core"].requires_grad and not stored["core"].requires_grad for current, stored in seen)

    @pytest.mark.parametrize("segment", [8, 4, 2])
    def test_a_loss_may_store_something_once_a_segment(self, trainer, segment):
        made = trainer(losses=("ppo", "toy_opening"), segment=segment)
        made.update()
        cues = made.buffer["env_obs"][:, ::segment, 0, 2].float()
        assert torch.equal(made.buffer.starts["opening"], cues)
        assert cues.unique().numel() > 1

    def test_a_loss_may_do_without_advantages(self, trainer):
        made = trainer(losses=("toy_l2",))
        metrics = made.update()
        assert not {"advantages", "returns", "values"} & set(made.buffer.steps)
        assert metrics["loss"] > 0

    def test_a_loss_without_gradient_is_refused(self, trainer):
        with pytest.raises(GlulamError, match="the losses toy_constant have no gradient: nothing would be learned"):
            trainer(losses=("toy_constant",)).update()

    def test_a_key_that_nobody_computes_is_refused(self, trainer):
        message = "loss 'toy_surprise' wants 'surprise' computed; the trainer computes advantages, returns"
        with pytest.raises(GlulamError, match=message):
            trainer(losses=("toy_surprise",))


def test_a_memory_may_be_called_as_the_key_that_it_writes(trainer, tmp_path):
    text = (Path(__file__).parent / "site" / "toy_mill" / "toy.yaml").read_text()
    (tmp_path / "core.yaml").write_text(text.replace("layer: toy_memory", "layer: toy_memory, name: core"))
    made = trainer(policy=str(tmp_path / "core.yaml"), losses=("ppo", "toy_l2"))
    made.update()
    assert ("core", "sum") in made.buffer.starts
    assert made.buffer["core"].shape == (8, 8, 4)


def test_gradients_are_clipped(trainer):
    made = trainer(max_grad_norm=1e-3, epochs=1, minibatches=1)
    metrics = made.update()
    norm = torch.stack([weight.grad.norm() for weight in made.policy.parameters()]).norm()
    assert metrics["grad_norm"] > 1e-2
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_frozen_weights_stay(settings):
    chosen = settings()
    environment = glulam.make_environment(chosen.env, num_envs=chosen.num_envs, seed=0)
    policy = glulam.build("toy", environment.spec, losses=["ppo"])
    frozen = policy.layers["toy_table"].module.critic.weight
    frozen.requires_grad_(False)
    before = frozen.clone()
    Trainer(policy, environment, chosen).update()
    assert torch.equal(frozen, before)


def test_the_toy_policy_has_a_memory(trainer):
    """Otherwise the laws above would hold for nothing."""
    assert isinstance(trainer().policy.layers["toy_memory"].module, MemoryLayer)
