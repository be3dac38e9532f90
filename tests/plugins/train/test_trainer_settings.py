"""What single settings do to an update: segments, burn-in, groups, normalisation, the learning rate."""

import pytest
import torch


class TestSegments:
    """Oracle: one minibatch of the whole rollout, whose mean gradient shorter segments must add up to."""

    @pytest.mark.parametrize("segment", [1, 4, 8])
    def test_the_law_holds_for_cuts_too(self, trainer, segment):
        made = trainer(horizon=16, segment=segment, learning_rate=0.05)
        assert max(made.update()["ratio_error"] for _ in range(3)) < 1e-5

    def test_a_segment_that_starts_with_the_state_of_another_breaks_it(self, trainer, monkeypatch):
        made = trainer(horizon=16, segment=4)
        start = made.buffer.start
        monkeypatch.setattr(made.buffer, "start", lambda t, td, state, rows: start(0, td, state, rows))
        made.update()
        assert made.update()["ratio_error"] > 1e-2

    def test_what_is_learned_does_not_depend_on_cuts_where_memory_has_no_weights_below(self, trainer):
        """Without gradient through time the cuts change nothing but the order of sums."""

        def weights(**changes):
            made = trainer(horizon=8, minibatches=1, epochs=1, freeze=("toy_memory",), **changes)
            made.update()
            return made.policy.layers["toy_table"].module.actor.weight.detach()

        torch.testing.assert_close(weights(segment=2), weights(), rtol=1e-4, atol=1e-5)


class TestBurnIn:
    def test_its_steps_are_not_learned_from(self, trainer, monkeypatch):
        made = trainer(horizon=8, burn_in=3, minibatches=1, epochs=1)
        seen = []
        learn = made._learn
        monkeypatch.setattr(
            made, "_learn", lambda current, part: seen.append((current, part.stored())) or learn(current, part)
        )
        assert made.update()["ratio_error"] < 1e-5
        [(current, stored)] = seen
        assert current["values"].shape == stored["returns"].shape == (8, 5)
        assert torch.equal(stored["returns"], made.buffer["returns"][:, 3:])

    def test_the_memory_is_brought_up_to_date_by_the_present_weights(self, trainer):
        """Oracle: the whole segment by the same weights; the stored state belongs to older ones."""
        made = trainer(horizon=8, burn_in=3, minibatches=1)
        made.update()
        with torch.no_grad():
            made.policy.layers["toy_memory"].module.into.weight.mul_(2)
            [part] = made.buffer.minibatches(1)
            whole = made.policy.evaluate(part.steps, part.starts)["values"][:, 3:]
            current, _ = made._evaluate(part)
            stale = made.policy.evaluate(part.after(3).steps, part.starts)["values"]
        torch.testing.assert_close(current["values"], whole)
        assert (stale - whole).abs().max() > 1e-2


class TestGroups:
    def test_each_group_has_its_rate_and_the_schedule_holds_for_all(self, trainer):
        groups = ({"layers": ["toy_memory"], "learning_rate": 0.0}, {"layers": ["toy_table"], "weight_decay": 0.5})
        made = trainer(groups=groups, schedule="cosine", steps=128, learning_rate=0.4)
        before = [weight.clone() for weight in made.policy.layers["toy_memory"].parameters()]
        made.update()
        made.update()
        assert all(map(torch.equal, before, made.policy.layers["toy_memory"].parameters()))
        rates = [(group["lr"], group["weight_decay"]) for group in made.optimizer.adam.param_groups if group["params"]]
        assert rates == [(0.0, 0.0), (pytest.approx(0.2), 0.5)]  # half way of a cosine

    def test_a_warm_up_rises_from_nothing(self, trainer):
        made = trainer(warmup_steps=256, learning_rate=0.4)
        rates = [made.update()["learning_rate"] for _ in range(6)]
        assert rates == pytest.approx([0.4 / 256, 0.4 * 65 / 256, 0.4 * 129 / 256, 0.4 * 193 / 256, 0.4, 0.4])

    def test_frozen_layers_stay_and_the_others_learn(self, trainer):
        made = trainer(freeze=("toy_memory",))
        frozen, free = made.policy.layers["toy_memory"].module, made.policy.layers["toy_table"].module
        before = [weight.clone() for weight in (frozen.into.weight, free.actor.weight)]
        made.update()
        assert torch.equal(frozen.into.weight, before[0])
        assert not torch.equal(free.actor.weight, before[1])


class TestReturnNormalisation:
    def test_values_learn_scaled_returns_and_metrics_show_real_ones(self, trainer):
        made = trainer(normalize_returns=True, epochs=1)
        metrics = made.update()
        raw = made.rollout.outcome.reward_tp1
        assert metrics["reward_scale"] != 1
        deltas = made.buffer["advantages"]
        assert metrics["return_mean"] == pytest.approx(
            sum(total for total, _, _ in made.rollout.episodes.finished) / len(made.rollout.episodes.finished)
        )
        assert deltas.isfinite().all()
        assert raw.abs().max() == 1


class TestLearningRate:
    def test_linear_falls_to_zero_with_the_steps(self, trainer):
        made = trainer(schedule="linear", steps=4 * 64, learning_rate=0.4)
        rates = [made.update()["learning_rate"] for _ in range(5)]
        assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])

    def test_constant_stays(self, trainer):
        made = trainer(steps=64, learning_rate=0.4)
        assert [made.update()["learning_rate"] for _ in range(2)] == [0.4, 0.4]


class TestStatistics:
    """Observations of CartPole, normalised."""

    def test_they_move_between_updates_and_the_law_holds(self, trainer, tmp_path):
        path = self.saved(tmp_path)
        made = trainer(env="gymnasium:CartPole-v1", policy=path, horizon=16)
        eyes = made.policy.layers["obs_shaper"].module
        for number in (1, 2):
            assert made.update()["ratio_error"] < 1e-5
            assert eyes.count == number * 4 * 16
        seen = made.buffer["env_obs"].flatten(0, 1)
        assert not torch.allclose(eyes.mean, seen.mean(0))  # of both updates, not of the last

    def test_those_of_a_frozen_shaper_stay(self, trainer, tmp_path):
        made = trainer(env="gymnasium:CartPole-v1", policy=self.saved(tmp_path), freeze=("obs_shaper",))
        made.update()
        assert made.policy.layers["obs_shaper"].module.count == 0

    def saved(self, tmp_path):
        path = tmp_path / "pole.yaml"
        path.write_text(POLE)
        return str(path)


POLE = """
glulam: 1
name: pole
obs_shaper: {layer: vector_shaper, normalize: true}
layers:
  - {layer: linear_actor, in_key: vector, out_key: logits}
  - {layer: value_head, in_key: vector, out_key: values, hidden_size: 8}
action_head: {layer: action_distribution, in_key: logits}
"""
