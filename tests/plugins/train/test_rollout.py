"""What a rollout stores and what it says each action led to, against a scripted world and a policy of sums.

The policy's value of an observation is the sum of all observations of the episode up to it, so a wrong memory,
a reset too many or a bootstrap from the wrong observation shows in the numbers.
"""

from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_train.buffer import ExperienceBuffer
from glulam_train.rollout import Rollout, _known
from glulam_train.world import World

ROWS, FINAL = 3, 1000.0


class Script:
    """Observation k is k; step k earns 0.1 k; flags as scripted (`d`, `t`, `b` for both); tensors are reused."""

    spec = SimpleNamespace(autoreset="same_step", optional_inputs=(), num_agents=1)

    def __init__(self, *flags):
        self.flags, self.k = flags, 0
        self.out = {
            "env_obs": torch.zeros(ROWS),
            "env_id": torch.tensor([4, 0, 2]),
            "rewards": torch.zeros(ROWS),
            "dones": torch.zeros(ROWS, dtype=torch.bool),
            "truncateds": torch.zeros(ROWS, dtype=torch.bool),
            "final_obs": torch.zeros(ROWS),
        }

    def reset(self):
        return self.show()

    def show(self):
        self.out["env_obs"].fill_(self.k)
        self.out["final_obs"].fill_(FINAL + self.k)
        self.out["rewards"].fill_(0.1 * self.k)
        here = [row[self.k - 1] if self.k else "." for row in self.flags]
        self.out["dones"].copy_(torch.tensor([flag in "db" for flag in here]))
        self.out["truncateds"].copy_(torch.tensor([flag in "tb" for flag in here]))
        return TensorDict(self.out, batch_size=[ROWS])

    def step(self, actions):
        assert actions.tolist() == [self.k] * ROWS
        self.k += 1
        return self.show()


class Sums:
    """The policy; its action is the number of the step."""

    device, dtype = torch.device("cpu"), torch.float32
    in_keys = ("env_obs",)

    def __init__(self):
        self.slots, self.cleared = torch.full((5,), 77.0), 0

    def reset_memory(self):
        self.slots.zero_()
        self.cleared += 1

    def memory_state(self, env_id):
        return TensorDict({"memory": {"sum": self.slots[env_id].clone()}}, batch_size=env_id.shape)

    def evaluate(self, td, state):
        before = state["memory", "sum"].masked_fill(td["dones"] | td["truncateds"], 0)
        return TensorDict({"values": before + td["env_obs"]}, batch_size=td.batch_size)

    def __call__(self, td):
        values = self.evaluate(td, self.memory_state(td["env_id"]))["values"]
        self.slots[td["env_id"]] = values
        return td.update({"values": values, "actions": td["env_obs"].long()})


SPEC = {
    "env_obs": glulam.TensorSpec((), "float32"),
    "rewards": glulam.TensorSpec((), "float32"),
    "dones": glulam.TensorSpec((), "bool"),
    "truncateds": glulam.TensorSpec((), "bool"),
    "values": glulam.TensorSpec((), "float32"),
    ("memory", "sum"): glulam.TensorSpec((), "float32", per="segment"),
}


def expected(flags, horizon, segments):
    """What each row's actions led to, by a loop over steps: `(value_t, value_tp1)` a step and row."""
    table = []
    for row in flags:
        total, line = 0.0, []
        for k in range(horizon * segments):
            before = 0.0 if k and row[k - 1] in "dtb" else total
            total = before + k
            follows = total + (FINAL + k + 1 if row[k] == "t" else k + 1)
            line.append((total, follows if row[k] in ".t" else None, before))
        table.append(line)
    return table


FLAGS = ("....t...", "d.tt.bt.", ".t.d....")


@pytest.mark.parametrize("horizon", [1, 2, 4, 8])
def test_values_rewards_and_flags_of_what_each_action_led_to(horizon):
    rollout = Rollout(Sums(), [World(Script(*FLAGS))], horizon)
    table = expected(FLAGS, horizon, 8 // horizon)
    for segment in range(8 // horizon):
        buffer = ExperienceBuffer(SPEC, rows=ROWS, horizon=horizon)
        outcome = rollout.collect(buffer)
        for row in range(ROWS):
            for t in range(horizon):
                k = segment * horizon + t
                value, follows, _ = table[row][k]
                assert float(buffer["values"][row, t]) == value
                assert float(buffer["env_obs"][row, t]) == k
                assert float(buffer["rewards"][row, t]) == pytest.approx(0.1 * k)
                assert float(outcome.reward_tp1[row, t]) == pytest.approx(0.1 * (k + 1))
                assert bool(outcome.done_tp1[row, t]) == (FLAGS[row][k] in "db")
                assert bool(outcome.truncated_tp1[row, t]) == (FLAGS[row][k] in "tb")
                if follows is not None:
                    assert float(outcome.value_tp1[row, t]) == follows


def test_a_segment_starts_with_the_state_before_its_first_step_resets_not_applied():
    rollout = Rollout(Sums(), [World(Script(*FLAGS))], 4)
    buffer = ExperienceBuffer(SPEC, rows=ROWS, horizon=4)
    rollout.collect(buffer)
    assert buffer.starts["memory", "sum"].tolist() == [[0], [0], [0]]
    rollout.collect(buffer)
    # Sums at step 3: 0+1+2+3; 3, since an episode began there; 2+3. The last one's `d` at 3 is not applied yet.
    assert buffer.starts["memory", "sum"].tolist() == [[6], [3], [5]]


def test_rollout_memory_is_cleared_once_and_only_at_the_start():
    policy = Sums()
    rollout = Rollout(policy, [World(Script(*FLAGS))], 2)
    rollout.collect(ExperienceBuffer(SPEC, rows=ROWS, horizon=2))
    assert policy.cleared == 1


class Leaky(Sums):
    """Evaluates as if no episode ever ended; a control for the oracle."""

    def evaluate(self, td, state):
        return TensorDict({"values": state["memory", "sum"] + td["env_obs"]}, batch_size=td.batch_size)


def test_the_oracle_notices_a_memory_that_leaks_over_episodes():
    rollout = Rollout(Leaky(), [World(Script(*FLAGS))], 8)
    buffer = ExperienceBuffer(SPEC, rows=ROWS, horizon=8)
    rollout.collect(buffer)
    wanted = [[value for value, _, _ in line] for line in expected(FLAGS, 8, 1)]
    assert buffer["values"].tolist() != wanted


class Recalling(Script):
    """Tells the action and the reward before, zeros at the first observation of an episode."""

    def show(self):
        td = super().show()
        first = td["dones"] | td["truncateds"]
        told = {"last_actions": torch.full((ROWS,), self.k - 1), "last_rewards": td["rewards"]}
        return td.update({key: value.masked_fill(first, 0) for key, value in told.items()})


class Recalls(Sums):
    """Values a step by what it reads alone."""

    in_keys = ("env_obs", "last_actions", "last_rewards")

    def evaluate(self, td, state):
        del state
        values = td["env_obs"] + 10_000 * td["last_actions"] + td["last_rewards"]
        return TensorDict({"values": values}, batch_size=td.batch_size)


def test_a_final_observation_is_valued_with_the_action_and_reward_that_led_to_it():
    rollout = Rollout(Recalls(), [World(Recalling(*FLAGS))], 8)
    outcome = rollout.collect(ExperienceBuffer(SPEC, rows=ROWS, horizon=8))
    for row, t in [(0, 4), (1, 2), (1, 3), (1, 6), (2, 1)]:
        assert FLAGS[row][t] == "t"
        value = (FINAL + t + 1) + 10_000 * t + 0.1 * (t + 1)
        assert float(outcome.value_tp1[row, t]) == pytest.approx(value, rel=1e-6)


class Own(Script):
    """Each row has an id of its own, from 0."""

    def __init__(self, *flags):
        super().__init__(*flags)
        self.out["env_id"] = torch.arange(ROWS)


class TestGroups:
    """Worlds that are played by turns: each row is as in a world by itself."""

    MORE = ("b...d...", ".t......", "...d.t..")

    def played(self, *groups):
        """What is stored and what it led to, of worlds by turns."""
        policy = Sums()
        policy.slots = torch.full((ROWS * len(groups),), 77.0)
        rollout = Rollout(policy, [World(Own(*flags)) for flags in groups], 4)
        found = []
        for _ in range(2):
            buffer = ExperienceBuffer(SPEC, rows=rollout.rows, horizon=4, following={"env_obs"})
            outcome = rollout.collect(buffer)
            kinds = ("reward_tp1", "value_tp1", "done_tp1", "truncated_tp1", "valid_t")
            tensors = {name: getattr(outcome, name).clone() for name in kinds}
            found.append(tensors | buffer.steps | buffer.starts | {("next", "env_obs"): buffer.following["env_obs"]})
        return found, sorted((total, length) for total, length, _ in rollout.episodes.finished)

    def test_they_are_as_each_alone(self):
        found, finished = self.played(FLAGS, self.MORE)
        alone = [self.played(flags) for flags in (FLAGS, self.MORE)]
        for k, tensors in enumerate(found):
            for name, tensor in tensors.items():
                assert torch.equal(tensor, torch.cat([part[k][name] for part, _ in alone])), name
        assert finished == sorted(alone[0][1] + alone[1][1])

    def test_rows_of_several_worlds_need_ids_that_count_from_0(self):
        script = Script(*FLAGS)
        script.spec = SimpleNamespace(autoreset="same_step", name="script", optional_inputs=())
        message = (
            "^environment 'script' has env_id 4 among 3 rows, so that it cannot be a part of a larger one: ids count"
        )
        with pytest.raises(GlulamError, match=message):
            Rollout(Sums(), [World(script)] * 2, 4)

    def test_a_world_steps_while_the_policy_acts_in_another(self):
        """The order of calls, where worlds can begin a step and be waited for."""
        told = []

        class Slow(Own):
            def __init__(self, name):
                super().__init__(*FLAGS)
                self.name = name

            def send(self, actions):
                told.append(f"send {self.name}")
                self.sent = actions

            def receive(self):
                told.append(f"receive {self.name}")
                return self.step(self.sent)

        class Told(Sums):
            def __call__(self, td):
                told.append("act")
                return super().__call__(td)

        policy = Told()
        policy.slots = torch.zeros(6)
        Rollout(policy, [World(Slow(name)) for name in "AB"], 2).collect(ExperienceBuffer(SPEC, rows=6, horizon=2))
        first = ["act", "send A", "act", "send B"]
        assert told == [*first, "receive A", *first[:2], "receive B", *first[2:], "receive A", "receive B"]


def test_a_buffer_elsewhere_gets_what_was_shown_from_where_that_is():
    """What the world showed need not come back from the policy's device; here both are one, and tensors tell."""
    rollout = Rollout(Sums(), [World(Own(*FLAGS))], 1)
    [lane] = rollout.lanes
    shown = TensorDict({"env_obs": torch.zeros(ROWS), "dones": torch.zeros(ROWS)}, batch_size=[ROWS])
    lane.shown = shown
    td = TensorDict({"env_obs": torch.ones(ROWS), "values": torch.ones(ROWS)}, batch_size=[ROWS])
    known = _known(td, lane, ExperienceBuffer(SPEC, rows=ROWS, horizon=1))
    assert {key: int(value[0]) for key, value in known.items()} == {"env_obs": 0, "dones": 0, "values": 1}
    there = ExperienceBuffer(SPEC, rows=ROWS, horizon=1, device="meta")
    assert _known(td, lane, there) is td
