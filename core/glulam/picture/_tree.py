"""A blueprint in the terminal: a tree of layers with what each reads, writes, remembers and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from glulam.picture._blueprint import ENVIRONMENT
from glulam.picture._faces import flops

if TYPE_CHECKING:
    from glulam.faults import Fault
    from glulam.picture._blueprint import Blueprint, Board, Use

__all__ = ["draw_tree"]

HUES = ("blue", "yellow", "green", "magenta", "cyan", "bright_red", "bright_blue", "bright_magenta")


def draw_tree(drawn: Blueprint) -> Tree:
    """Return the picture as a tree that rich prints."""
    root = Tree(Text.assemble((drawn.name, "bold"), f" in {drawn.env or 'any environment'}", _total(drawn)))
    root.guide_style = "dim"
    for number in drawn.outside_faults:
        _add_fault(root, drawn.faults[number])
    given = [line for line in drawn.lines if line.writer == ENVIRONMENT]
    if given:
        world = root.add(Text("environment", style="bold"))
        for line in given:
            reader = Text(f" -> {', '.join(line.readers)}" if line.readers else "", style="dim")
            world.add(Text.assemble("gives ", (line.key, "bold"), f" {line.form}", _stored(line.stored), reader))
    for board in drawn.boards:
        _add_board(root, drawn, board)
    for fault in drawn.advice:
        root.add(Text.assemble((fault.code, "bold yellow"), f" advice: {fault.message}; try: {fault.remedy}"))
    return root


def _total(drawn: Blueprint) -> Text:
    words = []
    if drawn.parameters is not None:
        words.append(_parameters(drawn.parameters))
    if drawn.flops is not None:
        words.append(flops(drawn.flops))
    if drawn.step_seconds is not None:
        words.append(f"{drawn.step_seconds * 1e6:,.0f} µs a step ({drawn.timing})")
    return Text("".join(f", {word}" for word in words))


def _add_board(root: Tree, drawn: Blueprint, board: Board) -> None:
    hue = HUES[drawn.distributions.index(board.distribution) % len(HUES)] if board.distribution else ""
    owner = f" {board.distribution} {board.version}".rstrip() if board.distribution else " not known"
    role = "" if board.role == "layer" else f" ({board.role})"
    branch = root.add(
        Text.assemble(
            (board.name, f"bold {hue}".strip()), f" {board.kind or '?'}", (owner, hue), (role, "dim"), _cost(board)
        )
    )
    for number in board.faults:
        _add_fault(branch, drawn.faults[number])
    for verb, uses in (("reads", board.reads), ("writes", board.writes)):
        for use in uses:
            branch.add(_use(drawn, verb, use))
    for state in board.memory:
        branch.add(Text.assemble("remembers ", (state.name, "bold"), f" {list(state.shape)} {state.dtype}"))
    if board.share:
        branch.add(Text(f"uses the weights of {board.share}"))


def _use(drawn: Blueprint, verb: str, use: Use) -> Text:
    if use.line < 0:
        return Text.assemble(f"{verb} ", (use.key, "bold"))
    line = drawn.lines[use.line]
    style = "bold red" if line.writer is None and not line.absent else "bold"
    absent = " (not given here)" if line.absent else " (written by nothing)" if line.writer is None else ""
    return Text.assemble(f"{verb} ", (line.key, style), f" {line.form}".rstrip(), _stored(line.stored), absent)


def _stored(per: str) -> Text:
    return Text(f", stored {per}" if per else "", style="dim")


def _cost(board: Board) -> Text:
    if board.cost is None:
        return Text("")
    words = [_parameters(board.cost.parameters)] if board.cost.parameters else []
    if board.cost.flops:
        words.append(flops(board.cost.flops))
    if board.cost.seconds is not None:
        words.append(f"{board.cost.seconds * 1e6:,.1f} µs")
    return Text("".join(f", {word}" for word in words))


def _parameters(number: int) -> str:
    return f"{number:,} parameter{'s' * (number != 1)}"


def _add_fault(branch: Tree, fault: Fault) -> None:
    place = fault.place
    where = f" ({place.file}:{place.line}:{place.column})" if place.line is not None else ""
    found = branch.add(Text.assemble((fault.code, "bold red"), (f" {fault.message}{where}", "red")))
    found.add(Text(f"try: {fault.remedy}"))
