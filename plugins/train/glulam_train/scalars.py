"""Where the metrics of a run go: a line of JSON an update, and TensorBoard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glulam_train.folder import RunFolder

__all__ = ["Scalars"]


class Scalars:
    """Writes the rows of `metrics.jsonl` and the same numbers as TensorBoard scalars; a context manager.

    Args:
        folder: of the run.
        agent_steps: what was trained before; TensorBoard drops what it has from then on.
        tensorboard: whether to write for TensorBoard, which takes a second to import.
    """

    def __init__(self, folder: RunFolder, agent_steps: int, *, tensorboard: bool) -> None:
        self._file = folder.metrics.open("a", encoding="utf-8")
        self._writer: Any = None
        if tensorboard:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(folder.tensorboard), purge_step=agent_steps + 1 if agent_steps else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one update."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        if self._writer is None:
            return
        for name, value in row.items():
            if name != "agent_steps" and value is not None:
                self._writer.add_scalar(name if "/" in name else f"train/{name}", value, row["agent_steps"])
