"""The law of memory: training sees what the rollout saw, whoever played when, wherever segments begin.

Each memory layer stands in a whole policy. A schedule is drawn: which rows play at each step, in which order, and
whose episode has ended before it. Training replays each row's steps in segments, from the state stored at their
start. Weights are so large that one reset left out moves the ratio of probabilities by 0.1 or more, and three
sabotages show that the law can fail. `B` rows, `T` steps of a segment.
"""

from functools import cache

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from tensordict import TensorDict

import glulam
from glulam.memory import Rows

MEMORIES = {
    "lstm": {"hidden_size": 6, "num_layers": 2},
    "gru": {"hidden_size": 6, "num_layers": 2},
    "min_gru": {"hidden_size": 6, "num_layers": 2},
    "sliding_attention": {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "window": 4},
}
WORLD = glulam.EnvSpec(
    name="world", box=glulam.BoxLayout(shape=(3,)), actions=glulam.ActionSpec(names=("left", "right", "stay"))
)
POOL = 5  # rows that may play
KEYS = ("env_obs", "dones", "truncateds", "actions")


def policy_of(memory):
    layers = [
        {"layer": memory, "name": "memory", "in_key": "vector", "out_key": "core", **MEMORIES[memory]},
        {"layer": "linear_actor", "in_key": "core", "out_key": "logits", "init_gain": 1.0},
        {"layer": "value_head", "in_key": "core", "out_key": "values", "hidden_size": 8},
    ]
    return {
        "glulam": 1,
        "name": "law",
        "obs_shaper": {"layer": "vector_shaper"},
        "layers": layers,
        "action_head": {"layer": "action_distribution", "in_key": "logits"},
    }


@cache
def lively(memory):
    """A policy whose memory matters: weights are doubled until one reset moves the ratio by at least 0.1."""
    for doublings in range(8):
        torch.manual_seed(0)
        policy = glulam.build(policy_of(memory), WORLD)
        with torch.no_grad():
            for name, weight in policy.named_parameters():
                if weight.dim() > 1 and "norm" not in name:
                    weight.mul_(2.0**doublings)
        if moved_by_one_reset(policy) >= 0.1:
            return policy
    raise AssertionError(memory)


def moved_by_one_reset(policy):
    """The least of what a single reset, left out in training, moves the ratio in six rows."""
    generator = torch.Generator().manual_seed(1)
    reset = torch.zeros(6, 8, dtype=torch.bool)
    reset[:, 4] = True
    td = TensorDict(
        {
            "env_obs": torch.randn(6, 8, 3, generator=generator),
            "dones": reset,
            "truncateds": torch.zeros_like(reset),
            "actions": torch.zeros(6, 8, dtype=torch.int64),
        },
        batch_size=[6, 8],
    )
    with torch.no_grad():
        honest = policy.evaluate(td)["act_log_prob"]
        forgot = policy.evaluate(td.set("dones", torch.zeros_like(reset)))["act_log_prob"]
    return float(((forgot - honest).exp() - 1).abs().amax(1).min())


@st.composite
def schedules(draw):
    """Steps of the world: `(ids in the order of the batch, who ended how before it)`; batch sizes change."""
    steps = []
    for _ in range(draw(st.integers(4, 14))):
        ids = draw(st.permutations(range(POOL)))[: draw(st.integers(1, POOL))]
        ends = draw(st.lists(st.sampled_from("....dtb"), min_size=len(ids), max_size=len(ids)))
        steps.append((ids, ends))
    return steps


def play(policy, schedule, steps):
    """Play a schedule; return each row's steps with what the rollout gave, and the states at starts of segments."""
    policy.reset_memory()
    generator = torch.Generator().manual_seed(2)
    streams = {row: [] for row in range(POOL)}
    states = {row: [] for row in range(POOL)}
    for ids, ends in schedule:
        env_id = torch.tensor(ids)
        td = TensorDict(
            {
                "env_obs": torch.randn(len(ids), 3, generator=generator),
                "env_id": env_id,
                "rewards": torch.zeros(len(ids)),
                "dones": torch.tensor([end in "db" for end in ends]),
                "truncateds": torch.tensor([end in "tb" for end in ends]),
            },
            batch_size=[len(ids)],
        )
        before = policy.memory_state(env_id)
        policy(td)
        for place, row in enumerate(ids):
            if len(streams[row]) % steps == 0:
                states[row].append(before[place])
            streams[row].append(td[place])
    return streams, states


def replayed(policy, streams, states, steps):
    """Return `(rollout, training)` of all whole segments, in one batch."""
    segments, starts = [], []
    for row, stream in streams.items():
        for number in range(len(stream) // steps):
            segments.append(torch.stack(stream[number * steps : (number + 1) * steps]))
            starts.append(states[row][number])
    if not segments:
        return None
    rollout = torch.stack(segments)  # (B, T)
    return rollout, policy.evaluate(rollout.select(*KEYS), torch.stack(starts))


def assert_law(memory, schedule, steps):
    policy = lively(memory)
    with torch.no_grad():
        streams, states = play(policy, schedule, steps)
        found = replayed(policy, streams, states, steps)
    if found is not None:
        rollout, training = found
        for key in ("act_log_prob", "values"):
            torch.testing.assert_close(training[key], rollout[key], atol=1e-5, rtol=1e-5)


quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("memory", MEMORIES)
class TestLaw:
    def test_one_reset_matters(self, memory):
        assert moved_by_one_reset(lively(memory)) >= 0.1

    @quick
    @given(schedule=schedules(), steps=st.integers(1, 5))
    def test_training_sees_what_the_rollout_saw(self, memory, schedule, steps):
        assert_law(memory, schedule, steps)

    def test_resets_left_out_in_training_break_it(self, memory, monkeypatch):
        policy = lively(memory)
        evaluate = type(policy).evaluate

        def forgetful(self, td, state=None):
            nothing = torch.zeros_like(td["dones"])
            return evaluate(self, td.replace({"dones": nothing, "truncateds": nothing}), state)

        monkeypatch.setattr(type(policy), "evaluate", forgetful)
        self.assert_broken(memory)

    def test_memory_by_place_in_the_batch_breaks_it(self, memory, monkeypatch):
        def by_place(self, env_id):
            return Rows(torch.arange(len(env_id)))

        monkeypatch.setattr(type(lively(memory)), "_rows_of", by_place)
        self.assert_broken(memory)

    def test_a_segment_state_left_out_breaks_it(self, memory, monkeypatch):
        policy = lively(memory)
        evaluate = type(policy).evaluate
        monkeypatch.setattr(type(policy), "evaluate", lambda self, td, state=None: evaluate(self, td))
        self.assert_broken(memory)

    @staticmethod
    def assert_broken(memory):
        @quick
        @given(schedule=schedules(), steps=st.integers(1, 5))
        def law(schedule, steps):
            assert_law(memory, schedule, steps)

        with pytest.raises(AssertionError, match="Tensor-likes are not close"):
            law()
