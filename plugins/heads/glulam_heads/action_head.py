"""What all action heads have in common.

Legend: `A` actions of the present world, `K` those of them that the policy knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from glulam import GlulamError
from glulam_heads.action_rows import ByName
from glulam_heads.own_order import OwnOrder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from glulam import EnvSpec

__all__ = ["ActionHead"]

LAYERS = {
    "discrete": "action_distribution",
    "multi-discrete": "multi_discrete_distribution",
    "continuous": "gaussian_distribution",
}


class ActionHead(ByName):
    """Samples actions (`act`) and scores given ones (`score`), in the policy's own order of actions.

    Args:
        limit: how many names of actions there may be; None for any number.

    Attributes:
        kind: the kind of actions that it is for.
        greedy: whether `act` takes the likeliest action instead of sampling.
    """

    kind: ClassVar[str]
    rows: OwnOrder

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.greedy = False
        self.rows = OwnOrder(limit)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find where the policy's own order has each of a world's actions.

        Raises:
            GlulamError: if the world has another kind of actions, or none that the policy knows.
        """
        self._check_kind(env)
        if self.rows.names and not {*self.rows.names} & {*env.actions.names}:
            raise self._nothing_known(env.actions.names)
        super().initialize_to_environment(env, device)

    def learn_names(self, env: EnvSpec) -> tuple[str, ...]:
        """Give the unknown actions of a world rows, and return their names.

        Raises:
            GlulamError: if the world has another kind of actions, or they do not fit into the table.
        """
        self._check_kind(env)
        return super().learn_names(env)

    def set_greedy(self, greedy: bool) -> None:  # noqa: FBT001 - called by name through Policy.each
        """Take the likeliest action from now on, or sample again."""
        self.greedy = greedy

    def _own(self, x: Tensor) -> Tensor:
        """Return an input `[B, A]` as `[B, K]`, in the policy's own order."""
        rows = self.rows
        if rows.actions is None:
            return x
        expected = len(rows.actions.names)
        if x.shape[-1] != expected:
            msg = f"{LAYERS[self.kind]}: {x.shape[-1]} numbers a row, but the environment has {expected} actions"
            raise GlulamError(msg)
        if not rows.sizes:  # a checkpoint has brought other names since
            raise self._nothing_known(rows.present)
        return rows.take(x)

    def _check_kind(self, env: EnvSpec) -> None:
        kind = env.actions.kind
        if kind != self.kind:
            msg = f"{LAYERS[self.kind]} is for {self.kind} actions, but environment {env.name!r} has {kind} ones; "
            msg += f"take {LAYERS[kind]}"
            raise GlulamError(msg)

    def _nothing_known(self, names: tuple[str, ...]) -> GlulamError:
        msg = f"{LAYERS[self.kind]}: the policy knows none of the environment's actions ({', '.join(names)}), but: "
        msg += f"{', '.join(self.rows.names)}; let it learn them first (learn_names), or give aliases"
        return GlulamError(msg)
