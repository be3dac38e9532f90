"""`glulam schema`: the JSON Schema of policy files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from glulam.catalog import Registry
from glulam.cli._output import write_text

__all__ = ["schema"]


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; printed where it is left out.",
)
def schema(output: Path | None) -> None:
    """Write the JSON Schema of policy files, from all layers that are installed.

    Layers that do not import are left out, and named on stderr.
    """
    from glulam.schema import policy_schema

    found, errors = policy_schema(Registry.installed())
    for error in errors:
        click.echo(f"left out: {error.code} {error.message}", err=True)
    text = json.dumps(found, indent=2)
    if output is None:
        click.echo(text)
        return
    write_text(output, text + "\n")
