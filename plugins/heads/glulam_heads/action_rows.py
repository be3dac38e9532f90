"""Which row of a table belongs to which action: by name, whatever order a world lists its actions in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from glulam import EnvSpec, GlulamError

__all__ = ["ActionRows"]


class ActionRows(nn.Module):
    """A table of action names that grows, and the rows of the present world's actions.

    The first world's actions take the first rows, in its order. A later world's actions find their rows by
    name; names not seen before take the next free ones. The names are saved with the weights; the rows of the
    present world are not, and are worked out afresh for each world.

    Args:
        limit: how many names the table holds; None for any number.

    Attributes:
        names: the names of the rows.
        index: `[A]`, int64, the row of each action of the present world; empty before there is one.
    """

    index: Tensor

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.names: list[str] = []
        self.present: tuple[str, ...] = ()
        self.register_buffer("index", torch.zeros(0, dtype=torch.int64), persistent=False)

    @property
    def in_order(self) -> bool:
        """Whether the present world lists just the table's actions, in the table's order."""
        return tuple(self.names) == self.present

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions.

        Raises:
            GlulamError: if they do not fit into the table.
        """
        self._find(env.actions.names, device or self.index.device)

    def forward(self) -> Tensor:
        """Return `index`.

        Raises:
            GlulamError: if no world has been given yet.
        """
        if not self.present:
            msg = "the actions are not known yet; call initialize_to_environment(env, device) first"
            raise GlulamError(msg)
        return self.index

    def get_extra_state(self) -> dict[str, list[str]]:
        """Return what a checkpoint keeps: the names of the rows."""
        return {"names": list(self.names)}

    def set_extra_state(self, state: Any) -> None:  # noqa: ANN401 - comes from a file
        """Take the names of the rows from a checkpoint; the present world's actions find theirs anew.

        Raises:
            GlulamError: if the state is no list of distinct names, or the table cannot hold them.
        """
        names = state.get("names") if isinstance(state, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            msg = f"the saved action names are {state!r}, expected {{'names': [...]}}"
            raise GlulamError(msg)
        if len(set(names)) != len(names):
            msg = f"the saved action names hold one twice: {names}"
            raise GlulamError(msg)
        self.names = self._fitting(names)
        self._find(self.present, self.index.device)

    def _find(self, actions: tuple[str, ...], device: torch.device | str) -> None:
        known = set(self.names)
        self.names = self._fitting([*self.names, *(name for name in actions if name not in known)])
        self.present = actions
        rows = {name: row for row, name in enumerate(self.names)}
        self.index = torch.tensor([rows[name] for name in actions], dtype=torch.int64, device=device)

    def _fitting(self, names: list[str]) -> list[str]:
        if self.limit is not None and len(names) > self.limit:
            msg = (
                f"{len(names)} action names do not fit into a table of {self.limit} rows "
                f"({len(self.names)} taken, {names[self.limit]!r} the first beyond it); raise max_actions"
            )
            raise GlulamError(msg)
        return names
