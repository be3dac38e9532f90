"""From a mettagrid config to an `EnvSpec`, and the checks that mettagrid itself lacks. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from glulam import ActionSpec, EnvSpec, Feature, GlulamError, TokenLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mettagrid.config.mettagrid_config import GameConfig, InventoryConfig, MettaGridConfig
    from mettagrid.policy.policy_env_interface import PolicyEnvInterface

__all__ = ["check_config", "check_view", "env_spec", "interface_spec"]

SMALLEST_VIEW, LARGEST_VIEW = 3, 15
NAMED_VALUES: dict[str, Literal["tag", "action"]] = {"tag": "tag", "last_action": "action"}


def env_spec(config: MettaGridConfig, *, name: str) -> EnvSpec:
    """Return the spec of a mettagrid config.

    Values of `tag` index the tags. Values of `last_action` index the actions; it names the action that took
    effect, so one that failed (a bump into a wall) shows as `noop`. All other values are numbers, scaled as
    mettagrid says, except amounts (`inv:*`) of a resource with a limit below one token's range (256): they
    are scaled by the largest amount that an agent, or an object that names the resource, can hold. Without
    that the one ore that an agent carries would read 0.004.

    Args:
        config: what mettagrid is to run.
        name: the name of the environment, such as `mettagrid:forage`.

    Raises:
        GlulamError: if mettagrid would crash on the config, or this adapter cannot drive it.
    """
    from mettagrid.policy.policy_env_interface import PolicyEnvInterface

    check_config(config, name=name)
    interface = PolicyEnvInterface.from_mg_cfg(config)
    return interface_spec(interface, name, ("last_actions", "last_rewards"), _limits(config.game))


def interface_spec(
    interface: PolicyEnvInterface,
    name: str,
    optional_inputs: tuple[str, ...],
    limits: Mapping[str, float] | None = None,
) -> EnvSpec:
    """Return the spec of what mettagrid's own runner tells a policy of its world.

    Args:
        interface: what the runner tells.
        name: the name of the environment.
        optional_inputs: what is offered beyond the inputs that every world has.
        limits: scales of some features in place of mettagrid's own; a policy that knows a feature has its own.
    """
    count, columns = interface.observation_shape
    scales = limits or {}
    return EnvSpec(
        name=name,
        tokens=TokenLayout(count=count, columns=columns),
        view_height=interface.obs_height,
        view_width=interface.obs_width,
        features=tuple(
            Feature(
                name=feature.name,
                id=feature.id,
                normalization=scales.get(feature.name, feature.normalization),
                values=NAMED_VALUES.get(feature.name, "number"),
            )
            for feature in interface.obs_features
        ),
        tags=tuple(interface.tags),
        actions=ActionSpec(names=tuple(interface.action_names)),
        num_agents=interface.num_agents,
        optional_inputs=optional_inputs,
        autoreset="same_step",
    )


def check_config(config: MettaGridConfig, *, name: str) -> None:
    """Refuse what would crash mettagrid or what one action an agent and step cannot drive.

    Raises:
        GlulamError: naming the environment, the setting and the remedy.
    """
    game = config.game
    check_view(name, game.obs.height, game.obs.width)
    if game.actions.change_vibe.enabled:
        msg = f"{name}: change_vibe is on, and needs a second action a step: set change_vibe.enabled to False"
        raise GlulamError(msg)
    for setting, is_set in (
        ("end_episode_on_game_stats", game.end_episode_on_game_stats),
        ("talk", game.talk.enabled),
    ):
        if is_set:
            msg = f"{name}: {setting} works in mettagrid's own runner only; leave it out"
            raise GlulamError(msg)


def check_view(name: str, height: int, width: int) -> None:
    """Refuse view sizes that corrupt mettagrid's memory: even ones, and those beyond 3 to 15.

    Raises:
        GlulamError: with the nearest sizes that work.
    """
    for what, size in (("height", height), ("width", width)):
        if size % 2 and SMALLEST_VIEW <= size <= LARGEST_VIEW:
            continue
        nearest = sorted({min(max(near, SMALLEST_VIEW), LARGEST_VIEW) for near in (size - 1, size + 1)})
        msg = (
            f"{name}: a view {what} of {size} crashes mettagrid; it must be odd and from {SMALLEST_VIEW} to "
            f"{LARGEST_VIEW}, so take {' or '.join(map(str, nearest))}"
        )
        raise GlulamError(msg)


def _limits(game: GameConfig) -> dict[str, float]:
    """Return the largest amount of each `inv:` feature that one token can show in full."""
    agents = [agent.inventory for agent in game.agents or [game.agent]]
    objects = [item.inventory for item in game.objects.values()]
    largest = {
        resource: max(
            [_limit(inventory, resource) for inventory in agents]
            + [_limit(inventory, resource) for inventory in objects if _names(inventory, resource)]
        )
        for resource in game.resource_names
    }
    base = game.obs.token_value_base
    return {f"inv:{resource}": float(limit) for resource, limit in largest.items() if 0 < limit < base}


def _names(inventory: InventoryConfig, resource: str) -> bool:
    return resource in inventory.initial or any(resource in limit.resources for limit in inventory.limits.values())


def _limit(inventory: InventoryConfig, resource: str) -> int:
    """Return the most of a resource that this inventory can hold, with every modifier in effect."""
    for limit in inventory.limits.values():
        if resource in limit.resources:
            return int(limit.max if limit.modifiers else min(limit.base, limit.max))
    return int(inventory.default_limit)
