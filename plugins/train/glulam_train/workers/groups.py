"""Environments that are played by turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam_train.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam import Environment, EnvSpec

__all__ = ["Groups", "worlds_of"]


class Groups:
    """Environments of one kind that are played by turns, so that some step while the policy acts in another.

    Args:
        environments: their rows one after another are those of the whole.
    """

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.environments = tuple(environments)

    @property
    def spec(self) -> EnvSpec:
        """What each of them shows."""
        return self.environments[0].spec

    def close(self) -> None:
        """Close them all."""
        for environment in self.environments:
            environment.close()


def worlds_of(environment: Environment | Groups) -> list[World]:
    """Return each of several environments, or the only one, as one stream of steps."""
    several = environment.environments if isinstance(environment, Groups) else [environment]
    return [World(one) for one in several]
