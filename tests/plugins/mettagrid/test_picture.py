"""What a simulation looks like. Oracle: `grid_objects`, cell by cell, and simulations remade by hand."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from glulam import GlulamError
from glulam_mettagrid import environments

pytestmark = pytest.mark.skipif(find_spec("mettagrid") is None, reason="mettagrid has no wheel for this machine")

CELL = 32


def world(task="forage", *, seed=1, steps=0, render=True):
    environment = environments.make(task, num_envs=2, seed=seed, render=render)
    environment.reset()
    walk(environment, steps)
    return environment


def walk(environment, steps):
    for t in range(steps):
        generator = torch.Generator().manual_seed(t)
        environment.step(torch.randint(5, (2 * environment.spec.num_agents,), generator=generator))


def objects(environment, env=0):
    return list(environment._simulators[env].grid_objects().values())


def cell(picture, item):
    row, column = item["r"] * CELL, item["c"] * CELL
    return picture[row : row + CELL, column : column + CELL]


def test_each_object_is_drawn_where_it_is_and_in_its_own_colour():
    from glulam_mettagrid.picture import AGENTS, FLOOR, OBJECTS, WALL

    environment = world(steps=30)
    picture = environment.render(0)
    assert (picture.shape, picture.dtype) == ((12 * CELL, 12 * CELL, 3), np.uint8)
    looks = {"wall": WALL, "altar": OBJECTS[0], "mine": OBJECTS[1]}
    taken = set()
    for item in objects(environment):
        colour = AGENTS[item["agent_id"]] if "agent_id" in item else looks[item["type_name"]]
        assert tuple(cell(picture, item)[CELL // 4, CELL // 2]) == colour
        taken.add((item["r"], item["c"]))
    for row, column in {(row, column) for row in range(12) for column in range(12)} - taken:
        assert tuple(cell(picture, {"r": row, "c": column})[CELL // 2, CELL // 2]) == FLOOR


def test_what_an_agent_has_is_a_dot_of_its_colour():
    from glulam_mettagrid.picture import NAMED

    environment = world(steps=60)
    picture = environment.render(0)
    agents = [item for item in objects(environment) if "agent_id" in item]
    has = [bool(np.all(cell(picture, agent) == NAMED["ore"], axis=-1).any()) for agent in agents]
    assert has == [agent["inventory"].get(0, 0) > 0 for agent in agents]
    assert len(set(has)) == 2


def test_names_that_say_a_colour_have_it():
    from glulam_mettagrid.picture import NAMED

    for seed in range(4):
        environment = world("tmaze", seed=seed)
        (lamp,) = [item for item in objects(environment) if item["type_name"].startswith("lamp")]
        colour = NAMED[lamp["type_name"].removeprefix("lamp_")]
        assert np.all(cell(environment.render(0), lamp) == colour, axis=-1).any()


def test_rows_of_another_simulation_show_that_one():
    environment = world()
    assert np.array_equal(environment.render(0), environment.render(3))
    assert not np.array_equal(environment.render(0), environment.render(4))


def test_text_has_two_characters_a_cell_and_says_what_letters_mean():
    from rich.text import Text

    environment = world("tmaze")
    lines = Text.from_ansi(environment.render_text(0)).plain.splitlines()
    assert lines[:-1] == [
        "██████████████",
        "██a · · · a ██",
        "██████· ██████",
        "██████· ██████",
        "██████0c██████",
        "██████l ██████",
        "██████████████",
    ]
    assert lines[-1] == "a altar  l lamp_blue  l lamp_red  c coin"


@pytest.mark.parametrize("task", ["forage", "tmaze"])
def test_the_end_of_an_episode_is_kept(task):
    """Oracle: the same walk, looked at in the step before the last, goes on in a simulator of its own."""
    from glulam_mettagrid.picture import picture, text

    length = {"forage": 128, "tmaze": 20}[task]
    environment, other = world(task, steps=length), world(task, steps=length - 1, render=False)
    last = other._simulators[0]
    other.step(torch.randint(5, (2 * other.spec.num_agents,), generator=torch.Generator().manual_seed(length - 1)))
    assert other._simulators[0] is not last
    assert np.array_equal(environment.render(0, final=True), picture(last, environment._resources))
    assert environment.render_text(0, final=True) == text(last, environment._resources)
    assert np.array_equal(environment.render(0), other.render(0))
    assert not np.array_equal(environment.render(0), environment.render(0, final=True))


def test_there_must_be_something_to_see():
    fresh = environments.make("forage", num_envs=1, seed=0, render=True)
    with pytest.raises(GlulamError, match="mettagrid:forage: there is nothing to be seen before reset()"):
        fresh.render(0)
    with pytest.raises(GlulamError, match="mettagrid:forage: there is nothing to be seen before an episode ends"):
        world().render(0, final=True)
    with pytest.raises(GlulamError, match="ends of episodes are not kept; make the environment with render=True"):
        world(render=False).render_text(0, final=True)
    closed = world()
    closed.close()
    with pytest.raises(GlulamError, match="this environment is closed"):
        closed.render(0)
