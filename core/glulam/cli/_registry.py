"""`glulam registry`: the curated index of known distributions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from glulam.catalog import Registry
from glulam.cli._output import format_option
from glulam.index import check_index, read_index

__all__ = ["registry"]


@click.group()
def registry() -> None:
    """Work with registry.toml, the index of known distributions."""


@registry.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@format_option
def check(file: Path | None, form: str) -> None:
    """Check FILE (the index that glulam ships, if left out) for what contradicts itself or what is installed.

    Exits with 1 if something does.
    """
    index = read_index(file)
    problems = check_index(index, Registry.installed())
    if form == "json":
        told = {"file": str(index.file), "ok": not problems, "distributions": len(index), "problems": problems}
        click.echo(json.dumps(told, indent=2))
    elif problems:
        click.echo("\n".join(f"{index.file}: {problem}" for problem in problems), err=True)
    else:
        click.echo(f"{index.file}: no faults ({len(index)} distributions)")
    sys.exit(1 if problems else 0)
