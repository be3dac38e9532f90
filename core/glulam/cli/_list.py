"""`glulam list`: what is installed, by metadata alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from glulam.catalog import Registry

if TYPE_CHECKING:
    from glulam.catalog import Catalog

__all__ = ["list_all"]

_GROUPS = ("layers", "policies", "environments", "losses", "commands")


@click.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_all(form: str) -> None:
    """List installed layers, policies, environments, losses and commands, and who owns each."""
    registry = Registry.installed()
    found = {group: _rows(getattr(registry, group)) for group in _GROUPS}
    if form == "json":
        click.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "distribution", "version"):
        table.add_column(heading)
    for group, rows in found.items():
        for row in rows:
            table.add_row(group, row["name"], row["distribution"], row["version"])
    Console().print(table)


def _rows(catalog: Catalog) -> list[dict[str, str]]:
    return [
        {"name": name, "distribution": entry.distribution, "version": entry.version}
        for name in sorted(catalog)
        for entry in catalog.claims(name)
    ]
