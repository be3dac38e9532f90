"""`glulam doctor`: what is installed, broken, blocked, shadowed or claimed twice, and how long each import takes."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import click

from glulam._guard import import_limit
from glulam.catalog import Registry
from glulam.cli._output import format_option, print_table
from glulam.doctor import claimed_twice, examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam.doctor import Finding

__all__ = ["doctor"]


@click.command()
@click.option(
    "--limit",
    type=click.FloatRange(0.01, 3600),
    callback=lambda _ctx, _param, value: _number(value),
    help="Seconds that an import may take; 10 if left out.",
)
@format_option
def doctor(limit: float | None, form: str) -> None:
    """Import every plugin in a process of its own and tell what is wrong with each.

    Exits with 1 if one is broken or a name is claimed twice.
    """
    registry = Registry.installed()
    findings = list(_with_progress(examine(registry, limit or import_limit()), registry, shown=form == "text"))
    conflicts = list(claimed_twice(registry))
    there = {item.distribution.name for item in findings}
    unknown = sorted(((registry.allow or set()) | registry.block) - there)
    ok = not conflicts and all(item.status != "broken" for item in findings)
    if form == "json":
        rows = [item.to_json() for item in findings]
        click.echo(json.dumps({"ok": ok, "distributions": rows, "conflicts": conflicts, "unknown": unknown}, indent=2))
    else:
        print_table(["distribution", "version", "status", "import", "offers"], list(map(_row, findings)))
        for line in _lines(findings, conflicts, unknown):
            click.echo(line)
    sys.exit(0 if ok else 1)


def _number(value: float | None) -> float | None:
    if value is not None and math.isnan(value):  # which is in every range
        msg = "nan is no number of seconds"
        raise click.BadParameter(msg)
    return value


def _row(item: Finding) -> list[str]:
    seconds = f"{item.seconds * 1000:.0f} ms" if item.seconds is not None else ""
    found = item.distribution
    offers: dict[str, int] = {}
    for point in found.entry_points:
        offers[point.group] = offers.get(point.group, 0) + 1
    told = ", ".join(f"{number} {kind}" for kind, number in offers.items())
    return [found.name, found.version, item.status, seconds, told]


def _lines(findings: Iterable[Finding], conflicts: Iterable[dict[str, list[str]]], unknown: list[str]) -> Iterator[str]:
    for item in findings:
        for problem in item.problems:
            yield f"\n{problem['code']} {problem['message']}\n  try: {problem['remedy']}"
        for folder in item.distribution.shadowed:
            yield f"\nshadowed: {folder}: Python imports {item.distribution.name} from {item.distribution.location}"
    for found in conflicts:
        choice = " or ".join(f"{owner}:{found['name']}" for owner in found["owners"])
        owners = " and ".join(found["owners"])
        yield f"\nGL202 {found['kind']} {found['name']!r} is claimed by {owners}\n  try: write {choice}"
    for name in unknown:
        yield f"\nGLULAM_PLUGINS or GLULAM_BLOCK names {name}, which is not installed"


def _with_progress(findings: Iterator[Finding], registry: Registry, *, shown: bool) -> Iterator[Finding]:
    if not shown or not sys.stderr.isatty():
        yield from findings
        return
    from rich.console import Console
    from rich.progress import track

    total = len(registry.distributions) + len(registry.blocked)
    yield from track(findings, "importing plugins", total=total, console=Console(stderr=True), transient=True)
