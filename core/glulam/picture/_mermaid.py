"""A blueprint as Mermaid text, for pages that draw it themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glulam.picture._blueprint import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.picture._blueprint import Blueprint, Board, Line

__all__ = ["draw_mermaid"]

# Light fills with dark edges and text of their own, which read on a dark page too.
HUES = (
    "fill:#e7f0fa,stroke:#2368a8", "fill:#fdf0dc,stroke:#b96d00", "fill:#e1f4ed,stroke:#0f7f61",
    "fill:#f7e8f3,stroke:#9a4883", "fill:#f6f3d3,stroke:#7c6e00", "fill:#f4e9e1,stroke:#84532f",
    "fill:#e2f2f7,stroke:#1b7f9e", "fill:#ecebf6,stroke:#5d57a6",
)  # fmt: skip


def draw_mermaid(drawn: Blueprint) -> str:
    """Return the picture as the text of a Mermaid flowchart; a key that no layer reads ends in a node of its own."""
    return "\n".join(_statements(drawn)) + "\n"


def _statements(drawn: Blueprint) -> Iterator[str]:
    yield "flowchart TD"
    yield f"  accTitle: Policy {_safe(drawn.name)}"
    for number in drawn.outside_faults:
        fault = drawn.faults[number]
        yield f'  f{number}["{_safe(f"{fault.code} {fault.message}")}<br/>{_safe(f"try: {fault.remedy}")}"]:::fault'
    ids = {board.name: f"b{number}" for number, board in enumerate(drawn.boards) if board.role != "part"}
    if drawn.env is not None or any(line.writer == ENVIRONMENT and line.readers for line in drawn.lines):
        ids[ENVIRONMENT] = "world"
        yield f'  world(["{_safe(drawn.env or "any environment")}"]):::world'
    for board in drawn.boards:
        if board.name in ids:
            yield f'  {ids[board.name]}["{_board(drawn, board)}"]:::{_style(drawn, board)}'
    for number, line in enumerate(drawn.lines):
        yield from _edges(line, f"k{number}", ids)
    yield "  classDef world fill:#eef1ea,stroke:#6c7a66,color:#222,stroke-dasharray:5"
    yield "  classDef fault fill:#fdeceb,stroke:#b3261e,color:#8f1d16,stroke-width:3px"
    yield "  classDef plain fill:#f1eeea,stroke:#6f655b,color:#222"
    for number, hue in enumerate(HUES[: len(drawn.distributions)]):
        yield f"  classDef hue{number} {hue},color:#222"


def _board(drawn: Blueprint, board: Board) -> str:
    parts = [f"<b>{_safe(board.name)}</b>", _safe(f"{board.kind or '?'} · {board.distribution or 'not installed'}")]
    if board.memory:
        parts.append(_safe("remembers " + ", ".join(f"{state.name} {list(state.shape)}" for state in board.memory)))
    for number in board.faults:
        fault = drawn.faults[number]
        parts += [_safe(f"{fault.code} {fault.message}"), _safe(f"try: {fault.remedy}")]
    return "<br/>".join(parts)


def _edges(line: Line, name: str, ids: dict[str, str]) -> Iterator[str]:
    label = _safe(f"{line.key} {line.form}".strip())
    writer = ids.get(line.writer or "")
    readers = [ids[reader] for reader in line.readers if reader in ids]
    if not line.is_drawn:
        return
    if writer is None:
        yield f'  {name}(["{label}<br/>written by nothing"]):::fault'
        yield from (f"  {name} -.-> {reader}" for reader in readers)
    elif not readers:
        yield f'  {writer} --- {name}(["{label}"])'
    else:
        yield from (f'  {writer} -- "{label}" --> {reader}' for reader in readers)


def _style(drawn: Blueprint, board: Board) -> str:
    if board.faults:
        return "fault"
    return f"hue{drawn.distributions.index(board.distribution) % len(HUES)}" if board.distribution else "plain"


def _safe(text: str) -> str:
    """Return a text with all that Mermaid or HTML could take for its own as character codes."""
    return re.sub(r"[^\w .,:/()\[\]{}·'=+*-]", lambda found: f"#{ord(found[0])};", text)
