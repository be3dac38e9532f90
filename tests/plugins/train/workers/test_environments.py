"""Environments in workers are, to the digit, those in this process, whoever steps which copies.

One pair of workers serves all tests here, as it serves a whole training. The oracle is the environment made whole in
this process, and stepped with the same actions.
"""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from glulam_train.workers import environments
from glulam_train.workers.environments import Environments
from glulam_train.workers.groups import worlds_of
from glulam_train.world import World

COPIES, SEED = 5, 4
TOYS = ["toy:same_step", "toy:next_step", "toy:disabled"]


def settings(**changes):
    small = {"policy": "toy", "env": "toy:same_step", "num_envs": COPIES, "horizon": 8, "minibatches": 1}
    return TrainSettings(**(small | changes))


@pytest.fixture(scope="module")
def pair(toy_mill):
    """Two workers, which step 5 copies in 2 groups."""
    made = Environments(settings(env_workers=2, env_groups=2))
    yield made
    made.close()


@pytest.fixture
def moved(pair):
    """Have the pair step another environment."""

    def move(uri):
        pair.uri = uri
        return pair.make(SEED)

    return move


def draw(spec, rows, t):
    """Actions of step t, for all rows."""
    generator = torch.Generator().manual_seed(t)
    if spec.actions.kind == "continuous":
        return torch.rand(rows, *spec.actions.shape, generator=generator)
    return torch.randint(spec.num_actions, (rows,), generator=generator)


def kept(td):
    """All that is shown, copied, but for last observations: those are compared as `World` tells them."""
    return {key: value.clone() for key, value in td.items() if key != "final_obs"}


def play(worlds, steps):
    """What several worlds show step by step, as one; each begins its step before any is waited for."""
    starts = [world.reset() for world in worlds]
    edges = [0]
    for td in starts:
        edges.append(edges[-1] + td.batch_size[0])
        td.set("env_id", td["env_id"] + edges[-2])  # each counts its own
    told = [[kept(td) for td in starts]]
    for t in range(steps):
        actions = draw(worlds[0].spec, edges[-1], t)
        for world, (first, last) in zip(worlds, pairwise(edges), strict=True):
            world.send(actions[first:last])
        told.append([])
        for world, first in zip(worlds, edges, strict=False):
            step = world.receive()
            ended = step.done | step.truncated
            shown = kept(step.td) | {"valid": step.valid, "reward": step.reward.clone()}
            shown |= {
                "done": step.done.clone(),
                "truncated": step.truncated.clone(),
                "env_id": step.td["env_id"] + first,
            }
            shown["last"] = torch.where(ended.view(-1, *[1] * (step.final_obs.dim() - 1)), step.final_obs, 0)
            told[-1].append(shown)
    return [{key: torch.cat([part[key] for part in parts]) for key in parts[0]} for parts in told]


class TestSameExperience:
    @pytest.mark.parametrize(
        ("uri", "steps"),
        [
            *((uri, 20) for uri in TOYS),
            ("mettagrid:forage", 12),
            ("gymnasium:CartPole-v1", 60),
            ("gymnasium:CartPole-v1?autoreset=disabled", 60),
            ("gymnasium:Pendulum-v1", 6),
            ("minigrid:MiniGrid-MemoryS7-v0?autoreset=next_step", 12),
        ],
    )
    def test_step_by_step(self, moved, uri, steps):
        whole = glulam.make_environment(uri, num_envs=COPIES, seed=SEED)
        expected = play([World(whole)], steps)
        whole.close()
        groups = moved(uri)
        assert groups.spec == whole.spec
        found = play(worlds_of(groups), steps)
        assert any(step["done"].any() for step in expected[1:]) or uri in ("mettagrid:forage", "gymnasium:Pendulum-v1")
        for t, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            assert ours.keys() == theirs.keys()
            for key, value in theirs.items():
                assert torch.equal(ours[key], value), (t, key)

    @pytest.mark.parametrize("uri", TOYS)
    def test_a_training_gives_the_same_numbers(self, moved, uri):
        here = Environments(settings(env=uri, env_groups=2))
        expected, found = (self.trained(made, uri) for made in (here.make(SEED), moved(uri)))
        assert found[0] == expected[0]
        assert found[0][-1]["ratio_error"] < 1e-5
        for key, value in expected[1].items():
            assert torch.equal(found[1][key], value), key

    @staticmethod
    def trained(environment, uri):
        torch.manual_seed(0)
        policy = glulam.build("toy", environment.spec, losses=("ppo",))
        trainer = Trainer(policy, environment, settings(env=uri, env_groups=2))
        return [trainer.update() for _ in range(3)], trainer.buffer.steps

    def test_it_catches_workers_that_play_the_same_copies(self, moved, monkeypatch):
        shares = environments._shares
        same = lambda count, parts, first: [(first, size) for _, size in shares(count, parts)]  # noqa: E731 - a sabotage
        monkeypatch.setattr(environments, "_shares", same)
        expected = play([World(glulam.make_environment("toy:same_step", num_envs=COPIES, seed=SEED))], 4)
        found = play(worlds_of(moved("toy:same_step")), 4)
        assert not all(
            torch.equal(ours["env_obs"], theirs["env_obs"]) for ours, theirs in zip(found, expected, strict=True)
        )


class TestFaults:
    def test_what_an_environment_throws_is_told_with_its_worker_and_its_step(self, moved):
        groups = worlds_of(moved("toy:throws"))
        for world in groups:
            world.reset()
        with pytest.raises(GlulamError) as caught:
            self.step_on(groups)
        told, *trace = str(caught.value).splitlines()
        assert re.fullmatch(
            "environment 'toy:throws' failed in worker 0 of 2, in its step 1,000, with ValueError: the goal is gone "
            r"\(.*toy_mill/world\.py, line \d+\); the last checkpoint is intact",
            told,
        )
        assert trace[0] == "Traceback (most recent call last):"
        assert trace[1].endswith("in step")
        assert trace[-1] == "ValueError: the goal is gone"
        assert "child.py" not in str(caught.value)

    @staticmethod
    def step_on(groups):
        for _ in range(1000):
            for world, rows in zip(groups, (4, 6), strict=True):
                world.step(torch.zeros(rows, dtype=torch.int64))

    def test_an_error_of_glulam_is_told_as_it_is(self, moved):
        with pytest.raises(GlulamError, match=r"^toy:cues is one piece \(in worker 0 of 2\)$"):
            moved("toy:cues")

    def test_wrong_actions_are_refused_before_anybody_steps(self, moved):
        environment = moved("toy:same_step").environments[0]
        first = environment.reset()["env_obs"].clone()
        with pytest.raises(GlulamError, match=r"^toy:same_step: action 4 in row 3; actions go from 0 to 3$"):
            environment.step(torch.tensor([0, 1, 2, 4]))
        with pytest.raises(
            GlulamError, match=r"actions are torch\.float32 \[4\]; they must be torch\.int64 \[4\], one a row"
        ):
            environment.step(torch.zeros(4))
        assert torch.equal(environment._outputs["env_obs"], first)

    def test_more_parts_than_copies(self):
        with pytest.raises(
            GlulamError, match="^num_envs is 3, too few for env_groups 2 x env_workers 2: write more, or f"
        ):
            Environments(settings(num_envs=3, env_groups=2, env_workers=2))


class TestProcesses:
    def test_a_signal_to_the_group_of_this_process_does_not_reach_them(self, pair):
        assert all(os.getsid(worker.process.pid) != os.getsid(0) for worker in pair._workers)

    def test_they_stay_when_environments_are_made_anew_and_nothing_piles_up(self, pair, moved):
        workers = {worker.process.pid for worker in pair._workers}
        open_files = []
        for _ in range(3):
            for world in worlds_of(moved("toy:same_step")):
                world.reset()
            open_files.append(len(list(Path("/proc/self/fd").glob("*"))))  # none where a system does not tell
        assert {worker.process.pid for worker in pair._workers} == workers
        assert open_files[1] == open_files[2]

    def test_the_time_they_spend_is_counted(self, pair, moved):
        groups = worlds_of(moved("toy:same_step"))
        for world in groups:
            world.reset()
        assert pair.seconds_in_steps() == [0.0, 0.0]
        groups[1].step(torch.zeros(6, dtype=torch.int64))
        assert all(0 < seconds < 5 for seconds in pair.seconds_in_steps())
