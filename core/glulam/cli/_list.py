"""`glulam list`: what is installed, by metadata alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from glulam.catalog import Registry
from glulam.cli._output import format_option, print_table
from glulam.index import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["list_all"]


@click.command("list")
@format_option
def list_all(form: str) -> None:
    """List installed layers, policies, environments, losses, commands, exporters and hooks, and who owns each."""
    registry = Registry.installed()
    found = {kind: sorted(_rows(registry, kind), key=lambda row: (row["name"], row["distribution"])) for kind in KINDS}
    if form == "json":
        click.echo(json.dumps(found, indent=2))
        return
    rows = [
        [kind, *(row[field] or "" for field in ("name", "distribution", "version", "problem"))]
        for kind, items in found.items()
        for row in items
    ]
    print_table(["kind", "name", "distribution", "version", ""], rows)


def _rows(registry: Registry, kind: str) -> Iterator[dict[str, str | None]]:
    catalog = getattr(registry, kind)
    for name in catalog:
        owners = catalog.claims(name)
        for entry in owners:
            problem = f"claimed twice: write {entry.qualified}" if len(owners) > 1 else None
            yield _row(name, entry.distribution, entry.version, problem)
    for item in registry.blocked:
        for point in item.entry_points:
            if point.group == kind:
                yield _row(point.name, item.name, item.version, "blocked")


def _row(name: str, distribution: str, version: str, problem: str | None) -> dict[str, str | None]:
    return {"name": name, "distribution": distribution, "version": version, "problem": problem}
