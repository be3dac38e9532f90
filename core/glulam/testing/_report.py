"""What `glulam test` tells: for people, and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glulam.testing._examine import Verdict

__all__ = ["SUITE", "summary", "to_dict"]

SUITE = 1  # the version of the laws, raised when a layer that kept them may break them


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return `31/31 ran, 6 not applicable`, and what else there is."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    looked = counts["kept"] + counts["broken"]
    wanted = looked + counts["exempt"]
    parts = [f"{looked}/{wanted} ran"]
    parts += [f"{counts[name]} {name}" for name in ("broken", "exempt", "not applicable") if counts[name]]
    return ", ".join(parts)


def to_dict(verdicts: Iterable[Verdict], *, level: str, seed: int | None) -> dict[str, Any]:
    """Return plain JSON values."""
    found = list(verdicts)
    layers = dict.fromkeys(verdict.layer for verdict in found)
    return {
        "suite": SUITE,
        "level": level,
        "seed": seed,
        "ok": all(verdict.outcome != "broken" for verdict in found),
        "layers": {
            layer: {
                "summary": summary([verdict for verdict in found if verdict.layer == layer]),
                "laws": [attrs.asdict(verdict) for verdict in found if verdict.layer == layer],
            }
            for layer in layers
        },
    }
