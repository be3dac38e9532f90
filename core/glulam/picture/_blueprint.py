"""A blueprint: what a picture of a policy shows, as plain values; faults are part of it and stop nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from glulam.faults import Fault

__all__ = ["ENVIRONMENT", "Blueprint", "Board", "Cost", "Field", "Line", "State", "Stored", "Use", "shown_dims"]

ENVIRONMENT = "the environment"


@attrs.frozen
class Use:
    """A field of a layer that names a key (None where a config names no fields), the key, and the line it is on.

    `phase` is that of an action head's key: `act`, `score` or `both`.
    """

    field: str | None
    key: str
    line: int
    phase: str = "both"


@attrs.frozen(kw_only=True)
class Field:
    """A field of a config: its value as text, where that comes from (`file`, `default`, `inferred`), its docs."""

    name: str
    value: str
    origin: str = ""
    doc: str = ""


@attrs.frozen(kw_only=True)
class State:
    """One tensor that a layer remembers from step to step, the shape being that of a row."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@attrs.frozen(kw_only=True)
class Cost:
    """What a layer costs: its parameters, floating-point operations a row and step, and seconds a step.

    Parameters that are another layer's (`share`) count there. None: not measured.
    """

    parameters: int
    flops: int | None = None
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class Board:
    """A layer (or a loss, or a policy that builds itself) with all that is known of it.

    `faults` are numbers of the blueprint's faults.
    """

    name: str
    role: str
    kind: str = ""
    distribution: str = ""
    version: str = ""
    doc: str = ""
    reads: tuple[Use, ...] = ()
    writes: tuple[Use, ...] = ()
    fields: tuple[Field, ...] = ()
    share: str | None = None
    memory: tuple[State, ...] = ()
    cost: Cost | None = None
    faults: tuple[int, ...] = ()


@attrs.frozen(kw_only=True)
class Line:
    """A key on its way from who writes it to who reads it; `writer` is None for a key that nobody writes (in time).

    Writer and readers are names of boards; `ENVIRONMENT` writes what the world gives. `absent`: the world does not
    give it, and its readers do without.
    """

    key: str
    shape: str
    dtype: str
    writer: str | None
    readers: tuple[str, ...] = ()
    batched: bool = True
    stored: str = ""
    absent: bool = False
    faults: tuple[int, ...] = ()

    def read_by(self, reader: str, faults: tuple[int, ...] = ()) -> Line:
        """Return the line with one more reader, and the faults of its reading."""
        readers = dict.fromkeys([*self.readers, reader])
        return attrs.evolve(self, readers=tuple(readers), faults=tuple(dict.fromkeys([*self.faults, *faults])))

    @property
    def is_drawn(self) -> bool:
        """Whether the key has a place in a picture: what the world gives and nobody reads stands in a list."""
        return not self.absent and (bool(self.readers) or self.writer != ENVIRONMENT)

    @property
    def form(self) -> str:
        """Shape and dtype as people write them: `[N, 3] float`."""
        return f"{self.shape} {self.dtype}".strip()


@attrs.frozen(kw_only=True)
class Stored:
    """One tensor of the experience buffer."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    per: str


@attrs.frozen(kw_only=True)
class Blueprint:
    """A policy as a picture shows it; `env` None: nothing is known of the world, and nothing was measured.

    `timing` says under which conditions seconds were measured; `step_seconds` are those of the whole policy's step.

    Attributes:
        name: the policy's.
        env_facts: what is told of the world, as pairs of a word and its value.
        boards: the world's, one a layer in order of execution, and the losses'.
        lines: one a key from its writer to its readers.
        experience: what a buffer stores, a tensor each.
        faults: of the policy; boards and lines name them by number.
        advice: what lints say.
        timing: how the layers were timed, if they were.
        step_seconds: seconds of a step of the whole policy.
    """

    name: str
    env: str | None
    env_facts: tuple[tuple[str, str], ...] = ()
    boards: tuple[Board, ...] = ()
    lines: tuple[Line, ...] = ()
    experience: tuple[Stored, ...] = ()
    faults: tuple[Fault, ...] = ()
    advice: tuple[Fault, ...] = ()
    timing: str = ""
    step_seconds: float | None = None

    @property
    def distributions(self) -> tuple[str, ...]:
        """The distributions that layers come from, in order of appearance."""
        return tuple(dict.fromkeys(board.distribution for board in self.boards if board.distribution))

    @property
    def parameters(self) -> int | None:
        """All parameters, each once; None if some are not known."""
        costs = [board.cost for board in self.boards if board.role not in ("loss", "part")]
        return None if not costs or None in costs else sum(cost.parameters for cost in costs if cost)

    @property
    def flops(self) -> int | None:
        """Floating-point operations of a step of one row; None if they were not counted."""
        found = [board.cost.flops for board in self.boards if board.cost and board.cost.flops is not None]
        return sum(found) if found else None

    @property
    def outside_faults(self) -> tuple[int, ...]:
        """The numbers of the faults that belong to no board."""
        owned = {number for board in self.boards for number in board.faults}
        return tuple(number for number in range(len(self.faults)) if number not in owned)

    def to_json(self) -> dict[str, Any]:
        """Return the blueprint as plain JSON values."""
        told = attrs.asdict(attrs.evolve(self, faults=(), advice=()))
        told["faults"] = [fault.to_json() for fault in self.faults]
        told["advice"] = [fault.to_json() for fault in self.advice]
        return told


def shown_dims(dims: tuple[int | str, ...] | None) -> str:
    """Return dims as people write them, `[N, 3]`; `[...]` where nothing is known of them."""
    if dims is None:
        return "[...]"
    names = (str(dim) if str(dim).startswith("env.") else str(dim).rpartition(".")[2] for dim in dims)
    return "[" + ", ".join(names) + "]"
