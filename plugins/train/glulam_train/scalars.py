"""Where the metrics of a run go: a line of JSON an update, and TensorBoard."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        self.folder = folder
        self._writer: Any = None
        with self._explained():
            self._file = folder.metrics.open("a", encoding="utf-8")
            if tensorboard:
                from torch.utils.tensorboard.writer import SummaryWriter

                self._writer = SummaryWriter(str(folder.tensorboard), purge_step=agent_steps + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._explained():
            self._file.close()
            if self._writer is not None:
                self._writer.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one update.

        Raises:
            GlulamError: if that is not possible; the points to resume from are intact.
        """
        with self._explained():
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            if self._writer is None:
                return
            for name, value in row.items():
                if name != "agent_steps" and value is not None:
                    self._writer.add_scalar(name if "/" in name else f"train/{name}", value, row["agent_steps"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = self.folder.path
            msg = f"cannot write the metrics of {path}: {error.strerror}; once that is mended go on with "
            msg += f"glulam train --resume {path}"
            raise GlulamError(msg) from error
