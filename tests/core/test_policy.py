"""The assembled policy against numbers worked out by hand from the plain layers of `conftest.BOARDS`."""

import copy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from tensordict import TensorDict

import glulam
from glulam import GlulamError, build


def step_of(obs, *, env_id=None, dones=None, truncateds=None):
    """A rollout step: `obs` `[B, 4, 3]`."""
    rows = obs.shape[0]
    nothing = torch.zeros(rows, dtype=torch.bool)
    return TensorDict(
        {
            "env_obs": obs,
            "env_id": torch.arange(rows) if env_id is None else env_id,
            "rewards": torch.zeros(rows),
            "dones": nothing if dones is None else dones,
            "truncateds": nothing if truncateds is None else truncateds,
        },
        batch_size=[rows],
    )


def random_obs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 9, (*shape, 4, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture
def policy(policy_file, registry, env):
    return build(policy_file(), env, registry=registry)


class TestActing:
    """Oracle: logits = (0, 1, 2) x mean of 2 x the mean token, summed over the steps of the episode."""

    def test_actions_log_probs_values_and_logits_are_written(self, policy):
        obs = random_obs(5)
        td = policy(step_of(obs))
        mean = obs.float().mean((1, 2)) * 2
        logits = mean[:, None] * torch.arange(3)
        torch.testing.assert_close(td["logits"], logits)
        torch.testing.assert_close(td["values"], mean)
        assert td["actions"].tolist() == [2] * 5
        torch.testing.assert_close(td["act_log_prob"], logits.log_softmax(-1)[:, 2])

    def test_memory_follows_env_id_through_any_order_and_subset(self, policy):
        obs = random_obs(3, 4)
        means = obs.float().mean((2, 3)) * 2
        policy(step_of(obs[0]))
        order = torch.tensor([2, 0, 3])
        second = policy(step_of(obs[1][order], env_id=order))
        torch.testing.assert_close(second["values"], (means[0] + means[1])[order])
        third = policy(step_of(obs[2]))
        expected = means[0] + means[2]
        expected[order] += means[1][order]
        torch.testing.assert_close(third["values"], expected)

    @pytest.mark.parametrize("flag", ["dones", "truncateds"])
    def test_an_episode_starts_from_zero_before_the_step(self, policy, flag):
        obs = random_obs(2, 3)
        means = obs.float().mean((2, 3)) * 2
        policy(step_of(obs[0]))
        ended = torch.tensor([False, True, False])
        td = policy(step_of(obs[1], **{flag: ended}))
        torch.testing.assert_close(td["values"], means[1] + means[0] * ~ended)

    def test_reset_memory_forgets_and_growth_does_not(self, policy):
        obs = random_obs(2, 6)
        means = obs.float().mean((2, 3)) * 2
        policy(step_of(obs[0][:2]))
        grown = policy(step_of(obs[1]))
        expected = means[1].clone()
        expected[:2] += means[0][:2]
        torch.testing.assert_close(grown["values"], expected)
        policy.reset_memory()
        torch.testing.assert_close(policy(step_of(obs[1]))["values"], means[1])

    def test_bad_input_is_named(self, policy):
        with pytest.raises(GlulamError, match="env_id 1 appears more than once in one batch"):
            policy(step_of(random_obs(3), env_id=torch.tensor([1, 0, 1])))
        with pytest.raises(GlulamError, match="env_id holds -1; ids count from 0"):
            policy(step_of(random_obs(2), env_id=torch.tensor([-1, 0])))
        with pytest.raises(GlulamError, match="lacks 'env_obs', which the policy reads"):
            policy(step_of(random_obs(2)).exclude("env_obs"))


class TestTraining:
    """Law: the same weights and data give in training what they gave in rollout."""

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_training_equals_rollout_whatever_ends_where(self, policy, data):
        rows, before, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 3)), data.draw(st.integers(1, 6))
        flags = st.lists(st.booleans(), min_size=rows, max_size=rows)
        order = torch.tensor(data.draw(st.permutations(range(rows + 2)))[:rows])
        obs = random_obs(before + steps, rows, seed=data.draw(st.integers(0, 99)))
        policy.reset_memory()
        taken = []
        for t in range(before + steps):
            if t == before:
                state = policy.memory_state(order)
            td = step_of(
                obs[t],
                env_id=order,
                dones=torch.tensor(data.draw(flags)),
                truncateds=torch.tensor(data.draw(flags)),
            )
            taken.append(policy(td))
        segment = torch.stack(taken[before:], dim=1)
        memory = {key: value.clone() for key, value in policy.memory_state(order).items(True, True)}
        scored = policy.evaluate(segment.exclude("env_id"), state)
        for key in ("values", "logits", "act_log_prob"):
            torch.testing.assert_close(scored[key], segment[key])
        assert all((policy.memory_state(order)[key] == value).all() for key, value in memory.items())

    def test_sabotage_a_skipped_reset_breaks_the_law(self, policy):
        obs = random_obs(2, 3)
        state = policy.memory_state(torch.arange(3))
        steps = [policy(step_of(obs[0])), policy(step_of(obs[1], dones=torch.ones(3, dtype=torch.bool)))]
        segment = torch.stack(steps, dim=1)
        segment["dones"] = torch.zeros_like(segment["dones"])
        assert (policy.evaluate(segment, state)["values"] - segment["values"]).abs().max() > 1

    def test_evaluate_leaves_its_input_alone_and_scores_given_actions(self, policy):
        td = policy(step_of(random_obs(4)))
        td["actions"] = torch.tensor([0, 1, 2, 1])
        before = td.clone()
        policy.reset_memory()
        scored = policy.evaluate(td)
        assert (before == td).all()
        assert set(before.keys()) == set(td.keys())
        table = td["logits"].log_softmax(-1)
        torch.testing.assert_close(scored["act_log_prob"], table.gather(1, td["actions"][:, None])[:, 0])
        torch.testing.assert_close(scored["entropy"], -(table.exp() * table).sum(-1))

    def test_without_actions_there_are_values_and_logits_only(self, policy):
        scored = policy.evaluate(step_of(random_obs(2)))
        assert {"values", "logits"} <= set(scored.keys())
        assert not {"act_log_prob", "entropy", "actions"} & set(scored.keys())

    def test_a_state_of_a_wrong_shape_names_layer_and_key(self, policy):
        state = TensorDict({"running_sum": {"sum": torch.zeros(2, 5)}}, batch_size=[2])
        with pytest.raises(GlulamError, match=r"layer 'running_sum': 'sum' has shape \[2, 5\], expected \[2, 6\]"):
            policy.evaluate(step_of(random_obs(2)), state)
        with pytest.raises(GlulamError, match="layer 'running_sum': 'sum' is missing"):
            policy.evaluate(step_of(random_obs(2)), TensorDict({}, batch_size=[2]))


class TestFunctional:
    """State in and out. Oracle: the slots of a rollout, and a whole sequence where it is cut."""

    def td(self, rows=3, steps=6):
        flags = torch.rand(2, rows, steps, generator=torch.Generator().manual_seed(4)) < 0.2
        inputs = {"env_obs": random_obs(rows, steps), "dones": flags[0], "truncateds": flags[1]}
        return TensorDict(inputs, batch_size=[rows, steps])

    @pytest.mark.parametrize("cut", range(1, 6))
    def test_a_sequence_may_be_cut_anywhere(self, policy, cut):
        td = self.td()
        whole, end = policy.unroll(td)
        first, state = policy.unroll(td[:, :cut])
        second, again = policy.unroll(td[:, cut:], state)
        torch.testing.assert_close(torch.cat([first["values"], second["values"]], 1), whole["values"])
        torch.testing.assert_close(again["running_sum", "sum"], end["running_sum", "sum"])
        torch.testing.assert_close(policy.evaluate(td)["values"], whole["values"])

    def test_steps_carry_the_state_that_slots_would_hold(self, policy):
        state = None
        for t in range(5):
            td = step_of(random_obs(3, seed=t), dones=torch.tensor([t == 2, False, t == 4]))
            scored, state = policy.unroll(td, state)
            torch.testing.assert_close(scored["values"], policy(td)["values"])
            kept = policy.memory_state(td["env_id"])
            torch.testing.assert_close(state["running_sum", "sum"], kept["running_sum", "sum"])

    def test_a_layer_that_loses_rows_is_named(self, policy):
        policy.layers["scale"].module.forward = lambda x: x[:4]
        with pytest.raises(GlulamError, match=r"layer 'running_sum' is given 4 rows, not the \[3, 6\] of its segments"):
            policy.evaluate(self.td())


class TestFollow:
    def test_it_scores_what_another_did_and_goes_along(self, policy):
        """Oracle: the policy's own evaluation of the whole."""
        generator = torch.Generator().manual_seed(5)
        obs, actions = random_obs(3, 4), torch.randint(3, (3, 4), generator=generator)
        rolled = [policy.follow(step_of(obs[:, t]).set("actions", actions[:, t])) for t in range(4)]
        nothing = torch.zeros(3, 4, dtype=torch.bool)
        whole = {"env_obs": obs, "actions": actions, "dones": nothing, "truncateds": nothing}
        expected = policy.evaluate(TensorDict(whole, batch_size=[3, 4]))
        for key in ("act_log_prob", "values"):
            torch.testing.assert_close(torch.stack([td[key] for td in rolled], 1), expected[key])

    def test_it_wants_actions(self, policy):
        with pytest.raises(GlulamError, match="the TensorDict lacks 'actions'"):
            policy.follow(step_of(random_obs(2)))


class TestKeep:
    def test_intermediates_come_out_when_asked_for(self, policy):
        assert "pooled" not in policy(step_of(random_obs(2)))
        policy.keep = ["pooled"]
        obs = random_obs(2)
        torch.testing.assert_close(policy(step_of(obs))["pooled"], obs.float().mean(1))
        policy.keep = "all"
        td = policy(step_of(obs))
        assert {"tokens", "pooled", "scaled", "summed"} <= set(td.keys())
        with pytest.raises(GlulamError, match="keep: 'poold' is no key of policy 'beam'; there are: tokens,"):
            policy.keep = ["poold"]

    def test_a_loss_reads_the_middle_of_the_network_with_gradient(self, policy_file, registry, env):
        import attrs

        @attrs.frozen(kw_only=True)
        class Middle(glulam.LossConfig):
            key: str = glulam.reads("summed")

        policy = build(policy_file(), env, registry=registry, losses=[Middle()])
        assert "summed" in policy.evaluate(step_of(random_obs(2)))


class TestAsAModule:
    def test_copies_act_alike_and_independently(self, policy):
        obs = random_obs(3)
        policy(step_of(obs))
        for twin in (copy.deepcopy(policy),):
            torch.testing.assert_close(twin(step_of(obs))["values"], 2 * obs.float().mean((1, 2)) * 2)
        torch.testing.assert_close(policy(step_of(obs))["values"], 2 * obs.float().mean((1, 2)) * 2)

    def test_memory_is_not_in_the_state_dict_and_casts_with_the_policy(self, policy):
        policy(step_of(random_obs(2)))
        assert list(policy.state_dict()) == ["layers.logit_table.module.weight"]
        policy.double()
        assert policy.memory_state(torch.arange(2))["running_sum", "sum"].dtype == torch.float64

    def test_each_calls_what_layers_have(self, policy):
        assert policy.each("no_such_method") == {}
        for layer in policy.layers.values():
            layer.module.greet = lambda who: f"hello {who}"
        assert set(policy.each("greet", "you").values()) == {"hello you"}
        assert len(policy.each("greet", "you")) == 6


class TestAlone:
    """Each layer runs on a TensorDict with no policy around it."""

    def test_layers_alone_equal_the_policy(self, policy):
        obs = random_obs(3)
        expected = policy(step_of(obs))
        policy.reset_memory()
        td = step_of(obs)
        for layer in policy.layers.values():
            assert set(layer.in_keys) <= set(td.keys())
            td = layer(td)
        for key in ("actions", "act_log_prob", "values", "logits"):
            torch.testing.assert_close(td[key], expected[key])


def test_experience_is_what_training_needs_and_no_more(policy):
    spec = policy.experience_spec()
    expected = {
        "env_obs": glulam.TensorSpec((4, 3), "uint8"),
        "rewards": glulam.TensorSpec((), "float32"),
        "dones": glulam.TensorSpec((), "bool"),
        "truncateds": glulam.TensorSpec((), "bool"),
        "actions": glulam.TensorSpec((), "int64"),
        "act_log_prob": glulam.TensorSpec((), "float32"),
        ("running_sum", "sum"): glulam.TensorSpec((6,), "float32", per="segment"),
    }
    assert spec == expected
    assert glulam.spec_bytes(spec, segments=3, horizon=5) == 3 * 5 * (12 + 4 + 1 + 1 + 8 + 4) + 3 * 24


def test_owners_that_disagree_are_both_named():
    a, b = glulam.TensorSpec((2,), "float32"), glulam.TensorSpec((3,), "float32")
    words = r"GL502: layer 'b' wants 'x' stored as float32\[3\] per step, layer 'a' as float32\[2\] per step"
    with pytest.raises(GlulamError, match=words):
        glulam.merge_specs([("layer 'a'", {"x": a}), ("layer 'b'", {"x": b})])
    assert glulam.merge_specs([("a", {"x": a}), ("b", {"x": a})]) == {"x": a}
