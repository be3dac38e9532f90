"""Which row of a table belongs to which action: by name, whatever order a world lists its actions in.

Legend: `A` actions of the present world (options or numbers, in other kinds), `E` width of a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from glulam import EnvSpec, GlulamError, NameReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam import ActionSpec

__all__ = ["ActionRows", "ByName"]


class ActionRows(nn.Module):
    """A table of action names, and the rows of the present world's actions.

    The first world's actions take the first rows, in its order. A later world's actions find their rows by name;
    names not seen before have no row until `learn_names` gives them the next free ones. The names are saved with
    the weights; the rows of the present world are not, and are worked out afresh for each world.

    Args:
        limit: how many names the table holds; None for any number.

    Attributes:
        names: the names of the rows.
        actions: what the present world's actions are; None before there is a world.
        index: `[A]`, int64, the row of each action of the present world, 0 for an unknown one.
        known: `[A]`, bool, False at actions that have no row; None where all have one, so that the usual case costs
            nothing.
        in_order: whether the present world lists just the table's actions, in the table's order.
    """

    index: Tensor
    known: Tensor | None

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.names: list[str] = []
        self.actions: ActionSpec | None = None
        self.in_order = True
        self.register_buffer("index", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("known", None, persistent=False)

    @property
    def present(self) -> tuple[str, ...]:
        """The names of the present world's actions, in its order; empty before there is one."""
        return self.actions.names if self.actions is not None else ()

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions.

        Raises:
            GlulamError: if it is the first world and its actions do not fit into the table.
        """
        self.names = self.names or self._fitting(env.actions.names)
        self.actions = env.actions
        self._map(torch.device(device or self.index.device))

    def learn_names(self, env: EnvSpec) -> tuple[str, ...]:
        """Give the actions of a world that have no row the next free ones, and return their names.

        Raises:
            GlulamError: if they do not fit into the table; nothing changes then.
        """
        known = set(self.names)
        new = tuple(name for name in env.actions.names if name not in known)
        self.names = self._fitting([*self.names, *new])
        self._map(self.index.device)
        return new

    def name_report(self) -> NameReport:
        """Return how the table's names and those of the present world meet."""
        return NameReport.of(self.names, self.present)

    def forward(self) -> Tensor:
        """Return `index`.

        Raises:
            GlulamError: if no world has been given yet.
        """
        if self.actions is None:
            msg = "the actions are not known yet; call initialize_to_environment(env, device) first"
            raise GlulamError(msg)
        return self.index

    def look_up(self, table: Tensor) -> Tensor:
        """Return the rows of the present world's actions in a table, `[A, E]`; zeros for an unknown action."""
        rows = embedding(self(), table)
        return rows if self.known is None else rows.masked_fill(~self.known[:, None], 0)

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
        self._map(self.index.device)

    def _map(self, device: torch.device) -> None:
        """Work out all that depends on the names and on the present world."""
        rows = {name: row for row, name in enumerate(self.names)}
        found = [rows.get(name) for name in self.present]
        self.in_order = self.actions is None or tuple(self.names) == self.present
        self.index = torch.tensor([row or 0 for row in found], dtype=torch.int64, device=device)
        self.known = torch.tensor([row is not None for row in found], device=device) if None in found else None

    def _fitting(self, names: Sequence[str]) -> list[str]:
        if self.limit is not None and len(names) > self.limit:
            msg = (
                f"{len(names)} action names do not fit into a table of {self.limit} rows "
                f"({len(self.names)} taken, {names[self.limit]!r} the first beyond it); raise max_actions"
            )
            raise GlulamError(msg)
        return list(names)


class ByName(nn.Module):
    """A module that finds its actions through `rows`, with the methods that a policy calls by name."""

    rows: ActionRows

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions; GlulamError if it is the first and they do not fit into the table."""
        self.rows.initialize_to_environment(env, device)

    def learn_names(self, env: EnvSpec) -> tuple[str, ...]:
        """Give the unknown actions of a world rows, and return their names; GlulamError if they do not fit."""
        return self.rows.learn_names(env)

    def name_report(self) -> NameReport:
        """Return which of the present world's actions are known, and which known ones it lacks."""
        return self.rows.name_report()
