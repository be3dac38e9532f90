"""The two tasks, built from mettagrid's own config classes; its wheel ships none that pays a reward."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from mettagrid.config.action_config import ActionsConfig, ChangeVibeActionConfig
from mettagrid.config.game_value import stat
from mettagrid.config.handler_config import Handler, actorHas, updateActor
from mettagrid.config.mettagrid_config import (
    AgentConfig,
    GameConfig,
    GridObjectConfig,
    InventoryConfig,
    MettaGridConfig,
    ResourceLimitsConfig,
    WallConfig,
)
from mettagrid.config.obs_config import GlobalObsConfig, ObsConfig
from mettagrid.config.reward_config import inventoryReward, reward
from mettagrid.map_builder.ascii import AsciiMapBuilderConfig
from mettagrid.map_builder.random_map import RandomMapBuilderConfig

from glulam_mettagrid.spec import check_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from mettagrid.map_builder.map_builder import MapBuilderConfig

__all__ = ["Task", "build_task"]

FORAGE_VIEW, TMAZE_VIEW = 11, 5

# A view of 5 shows two cells each way: from the second step on, the lamp (L) is out of sight. A and B are
# altars of one name, hence of one tag; only one of them pays.
TMAZE = """
#######
#A...B#
###.###
###.###
###@###
###L###
#######
"""


@attrs.frozen(kw_only=True)
class Task:
    """A game and its maps: `map_for_seed(s)` is the map of the episode with seed s.

    Attributes:
        config: the game, without a map.
        map_for_seed: the map of an episode, by its seed.
    """

    config: MettaGridConfig
    map_for_seed: Callable[[int], MapBuilderConfig[Any]]


def build_task(name: str, *, view: int | None = None) -> Task:
    """Build the task of that name (one of `glulam_mettagrid.TASKS`), with another view size if one is given.

    Raises:
        GlulamError: if the view is even or out of range.
    """
    builders: dict[str, tuple[Callable[[int], Task], int]] = {
        "forage": (_forage, FORAGE_VIEW),
        "forage_hearts": (partial(_forage, ore_reward=0.0), FORAGE_VIEW),
        "tmaze": (_tmaze, TMAZE_VIEW),
    }
    build, default = builders[name]
    size = default if view is None else view
    check_view(name, size, size)
    return build(size)


def _forage(view: int, ore_reward: float = 0.1) -> Task:
    """Four agents take ore from mines (one at a time) to altars (1 a heart)."""
    mine = Handler(mutations=[updateActor({"ore": 1})])
    altar = Handler(filters=[actorHas({"ore": 1})], mutations=[updateActor({"ore": -1, "heart": 1})])
    random_map = RandomMapBuilderConfig(
        width=12, height=12, border_width=1, agents=4, objects={"mine": 6, "altar": 3, "wall": 6}, seed=0
    )
    game = GameConfig(
        resource_names=["ore", "heart"],
        num_agents=4,
        max_steps=128,
        episode_truncates=True,
        protocol_details_obs=False,
        obs=ObsConfig(width=view, height=view, num_tokens=200),
        actions=_moves(),
        agent=AgentConfig(
            inventory=InventoryConfig(limits={"ore": _at_most_one("ore")}),
            rewards={"ore": reward(stat("ore.gained"), weight=ore_reward), "heart": inventoryReward("heart")},
        ),
        objects={
            "wall": WallConfig(),
            # mettagrid ignores `handlers` of an object without a word; `on_use_handler` is what it runs.
            "mine": GridObjectConfig(name="mine", on_use_handler=mine),
            "altar": GridObjectConfig(name="altar", on_use_handler=altar),
        },
        map_builder=random_map,
    )
    return Task(
        config=MettaGridConfig(label="forage", game=game),
        map_for_seed=lambda seed: random_map.model_copy(update={"seed": seed}),
    )


def _tmaze(view: int) -> Task:
    """One agent sees a lamp, walks a corridor, and spends its one coin at one of two altars; one pays 1."""
    pay = Handler(filters=[actorHas({"coin": 1})], mutations=[updateActor({"coin": -1, "heart": 1})])
    keep = Handler(filters=[actorHas({"coin": 1})], mutations=[updateActor({"coin": -1})])
    maps = [_tmaze_map("lamp_red", "pays", "keeps"), _tmaze_map("lamp_blue", "keeps", "pays")]
    game = GameConfig(
        resource_names=["coin", "heart"],
        num_agents=1,
        max_steps=20,
        episode_truncates=True,
        protocol_details_obs=False,
        obs=ObsConfig(
            width=view,
            height=view,
            num_tokens=64,
            # A clock would let a policy without memory remember the lamp: by waiting one step for red.
            global_obs=GlobalObsConfig(episode_completion_pct=False),
        ),
        actions=_moves(),
        agent=AgentConfig(
            inventory=InventoryConfig(
                limits={"coin": _at_most_one("coin"), "heart": _at_most_one("heart")}, initial={"coin": 1}
            ),
            rewards={"heart": inventoryReward("heart")},
        ),
        objects={
            "wall": WallConfig(),
            "lamp_red": GridObjectConfig(name="lamp_red"),
            "lamp_blue": GridObjectConfig(name="lamp_blue"),
            "pays": GridObjectConfig(name="altar", map_name="pays", on_use_handler=pay),
            "keeps": GridObjectConfig(name="altar", map_name="keeps", on_use_handler=keep),
        },
        map_builder=maps[0],
    )
    # Seeds are hashes (see `vector`), so their last bit is a fair coin.
    return Task(config=MettaGridConfig(label="tmaze", game=game), map_for_seed=lambda seed: maps[seed % 2])


def _tmaze_map(lamp: str, left: str, right: str) -> MapBuilderConfig[Any]:
    """Return the maze with this lamp and these altars; its agents are "agent.agent"."""
    names = {"L": lamp, "A": left, "B": right, "#": "wall", ".": "empty", "@": "agent.agent"}
    return AsciiMapBuilderConfig(map_data=[list(row) for row in TMAZE.split()], char_to_map_name=names)


def _at_most_one(resource: str) -> ResourceLimitsConfig:
    return ResourceLimitsConfig(base=1, max=1, resources=[resource])


def _moves() -> ActionsConfig:
    """Noop and four moves; without this an agent has 152 vibes to change to as well."""
    return ActionsConfig(change_vibe=ChangeVibeActionConfig(enabled=False, vibes=[]))
