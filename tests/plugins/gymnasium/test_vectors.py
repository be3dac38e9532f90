"""Worlds beside Gymnasium's own vectors, which are stepped with the same seeds and actions.

Oracle: Gymnasium's vector itself, its `final_obs`, and `gymnasium.spaces.flatten` of each single observation.
"""

from __future__ import annotations

from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, flatten
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate

from glulam import GlulamError
from glulam_gymnasium.vector import from_vector
from glulam_train.world import World
from tests.plugins.gymnasium.sampled import ACTIONS, OBSERVATIONS, Sampled

COPIES, SEED = 3, 5
MODES = {
    "same_step": AutoresetMode.SAME_STEP,
    "next_step": AutoresetMode.NEXT_STEP,
    "disabled": AutoresetMode.DISABLED,
}
PLAIN = ("image", "doubles", "bytes", "switch")


def raw(mode, **settings):
    return SyncVectorEnv([partial(Sampled, **settings)] * COPIES, autoreset_mode=MODES[mode])


def shown(space, single):
    """What a row shows of one observation."""
    while len(getattr(space, "spaces", ())) == 1:
        (key,) = space.spaces if hasattr(space.spaces, "keys") else (0,)
        space, single = space[key], single[key]
    return single if isinstance(space, Box) else flatten(space, single).astype(np.float32)


def rows(vector, observations):
    each = iterate(vector.observation_space, observations)
    return np.stack([shown(vector.single_observation_space, single) for single in each])


def drawn(spec, rng):
    """Actions as a policy gives them, and as the vector takes them."""
    own = np.stack([rng.choice([0, 1], 3) for _ in range(COPIES)])
    if spec.actions.kind == "continuous":
        ours = rng.normal(size=(COPIES, 2)).astype(np.float32)
        return ours, ours.clip(-1, 1)
    if spec.actions.kind == "discrete":
        return own[:, 0], own[:, 0] + 4
    return (own, own.astype(np.int8)) if len(spec.actions.choices) == 3 else (own[:, :2], own[:, :2] + [1, -1])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("observations", "actions"),
    [*((name, "discrete") for name in OBSERVATIONS), *(("nested", name) for name in ACTIONS if name != "discrete")],
)
def test_every_step_is_the_vectors_own(mode, observations, actions):
    """In each mode, with both ways of ending and both at once."""
    assert play(mode, mode, observations, actions) == {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("told", MODES)
def test_a_vector_that_says_another_mode_is_found_out(mode, told):
    """The sabotage of the test above."""
    if mode != told:
        with pytest.raises((AssertionError, KeyError, GlulamError)):
            play(mode, told, "nested", "discrete")


def play(mode, told, observations, actions):
    """Step a world and a vector of one mode side by side, and return in which ways episodes ended.

    `told` is what the world's vector says its mode is.
    """
    settings = {"observations": observations, "actions": actions}
    vector, other, rng = raw(mode, **settings), raw(mode, **settings), np.random.default_rng(0)
    vector.metadata["autoreset_mode"] = MODES[told]
    world = from_vector(vector, name="own", seed=SEED)
    stepped = World(world)
    td, (seen, _) = stepped.reset(), other.reset(seed=SEED)
    assert np.array_equal(td["env_obs"], rows(other, seen))
    assert (td["env_obs"].dtype == torch.float32) == (observations not in PLAIN and observations != "a dict of one")
    ways, before = set(), np.zeros(COPIES, bool)
    for _ in range(25):
        ours, theirs = drawn(world.spec, rng)
        step = stepped.step(torch.from_numpy(ours))
        seen, rewards, terminated, truncated, infos = other.step(theirs)
        ended = terminated | truncated
        assert np.array_equal(step.reward, rewards.astype(np.float32))
        assert np.array_equal(step.done, terminated)
        assert np.array_equal(step.truncated, truncated & ~terminated)
        ways |= set(zip(terminated[ended].tolist(), truncated[ended].tolist(), strict=True))
        if mode == "same_step":
            final = [shown(other.single_observation_space, infos["final_obs"][row]) for row in np.flatnonzero(ended)]
        else:
            final = rows(other, seen)[ended]
        assert np.array_equal(
            step.final_obs[torch.from_numpy(ended)], np.array(final).reshape(step.final_obs[ended].shape)
        )
        if mode == "disabled" and ended.any():
            seen, _ = other.reset(options={"reset_mask": ended})
        assert np.array_equal(step.td["env_obs"], rows(other, seen))
        flags = before if mode == "next_step" else ended  # what a policy reads: whose episode ended before this
        assert np.array_equal(step.td["dones"] | step.td["truncateds"], flags)
        assert np.array_equal(step.valid, ~ended if mode == "next_step" else np.ones(COPIES, bool))
        before = ended
    return ways


@pytest.mark.parametrize("mode", MODES)
def test_a_mask_among_the_observations(mode):
    """It is one row by row, the one of `env_obs`, and no part of the rest, which keeps its shape."""
    vector, other = (raw(mode, masked=True) for _ in range(2))
    world = from_vector(vector, name="own", seed=SEED)
    assert world.spec.optional_inputs == ("action_mask", "last_actions", "last_rewards")
    assert (world.spec.box.shape, world.spec.box.dtype) == ((4, 5, 3), "uint8")
    td, (seen, _) = world.reset(), other.reset(seed=SEED)
    for _ in range(20):
        assert np.array_equal(td["env_obs"], seen["observation"])
        assert np.array_equal(td["action_mask"], seen["action_mask"].astype(bool))
        td = world.step(torch.zeros(COPIES, dtype=torch.int64))
        seen, _, *ends, _ = other.step(np.full(COPIES, 4))
        ended = ends[0] | ends[1]
        if mode == "disabled" and ended.any():
            td, (seen, _) = world.restart(torch.from_numpy(ended)), other.reset(options={"reset_mask": ended})


class TestOtherVectors:
    """Oracle: the same kind of vector, made and stepped apart."""

    def _same(self, make, steps):
        world, other = from_vector(make(), name="own", seed=SEED), make()
        try:
            td, (seen, _) = world.reset(), other.reset(seed=SEED)
            ends = 0
            for t in range(steps):
                assert np.array_equal(td["env_obs"], seen)
                actions = np.full(COPIES, t % 3 // 2)
                td = world.step(torch.from_numpy(actions))
                seen, rewards, terminated, truncated, _ = other.step(actions)
                assert td["rewards"].tolist() == rewards.tolist()
                assert np.array_equal(td["dones"], terminated)
                assert np.array_equal(td["truncateds"], truncated & ~terminated)
                ends += terminated.sum()
            assert ends >= COPIES
        finally:
            world.close()
            other.close()
        return world.spec

    def test_one_of_a_kind_of_its_own(self):
        """`CartPoleVectorEnv` computes all copies at once, and returns new arrays at each step."""
        make = partial(gymnasium.make_vec, "CartPole-v1", COPIES, vectorization_mode="vector_entry_point")
        assert self._same(make, 60).autoreset == "next_step"

    def test_processes(self):
        make = partial(AsyncVectorEnv, [partial(gymnasium.make, "CartPole-v1")] * COPIES, autoreset_mode="SameStep")
        assert self._same(make, 60).autoreset == "same_step"

    def test_masks_in_infos(self):
        """Taxi's own: rows whose infos hold none allow everything."""
        make = partial(SyncVectorEnv, [partial(gymnasium.make, "FlatTaxi-v0")] * COPIES)
        world, other = from_vector(make(), name="own", seed=SEED), make()
        td, (_, infos) = world.reset(), other.reset(seed=SEED)
        assert world.spec.optional_inputs[0] == "action_mask"
        for _ in range(45):
            assert np.array_equal(td["action_mask"], infos["action_mask"].astype(bool))
            actions = infos["action_mask"].argmax(1)
            td = world.step(torch.from_numpy(actions))
            *_, infos = other.step(actions)
        assert not td["action_mask"].all()

    def test_one_that_does_not_say_when_episodes_start(self):
        vector = raw("same_step")
        vector.metadata = {}
        with pytest.raises(GlulamError) as caught:
            from_vector(vector, name="own", seed=0)
        assert str(caught.value) == (
            "own: its metadata['autoreset_mode'] is None, so nobody knows when its next episodes start; Gymnasium's "
            "vectors say there AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED: it is of an "
            "older API, or set it"
        )

    def test_arguments_out_of_range(self):
        with pytest.raises(GlulamError, match="^own: seed is -1; it must not be negative$"):
            from_vector(raw("same_step"), name="own", seed=-1)


def test_an_observation_that_is_not_in_its_space():
    """A choice beyond its options would light up the number of another."""
    vector = raw("same_step", observations="nested")
    world = from_vector(vector, name="own", seed=0)
    world.reset()
    vector.envs[1].observation_space["b"].nvec[1] = 9
    with pytest.raises(GlulamError) as caught:
        _play(world)
    found = str(caught.value)
    assert found.startswith("own: observations are [[")
    assert found.endswith("]] at ['b'], not all of them in MultiDiscrete([2 2]); tell its authors")


def _play(world):
    for _ in range(20):
        world.step(torch.zeros(COPIES, dtype=torch.int64))
