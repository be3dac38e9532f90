"""`glulam check`: every fault of a policy, before anything is built."""

from __future__ import annotations

import json
import sys

import click

from glulam.faults import PolicyError
from glulam.resolver import resolve

__all__ = ["check"]


@click.command()
@click.argument("policy")
@click.option("--env", help="The environment it is meant for: FAMILY:TASK, or the path of a YAML spec.")
@click.option("--loss", "losses", multiple=True, help="A loss it is to be trained with; may be repeated.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(policy: str, env: str | None, losses: tuple[str, ...], form: str) -> None:
    """Check POLICY (a file or a registered name) and report all its faults.

    Exits with 0 if there are none, 1 if there are some, 2 if the command is used wrongly.
    """
    try:
        resolved = resolve(policy, env=env, losses=losses)
    except PolicyError as error:
        if form == "json":
            faults = [fault.to_json() for fault in error.faults]
            click.echo(json.dumps({"file": policy, "ok": False, "faults": faults}, indent=2))
        else:
            click.echo(str(error), err=True)
        sys.exit(1)
    if form == "json":
        click.echo(json.dumps({"file": policy, "ok": True, "faults": []}, indent=2))
    else:
        where = f" in {resolved.env.name}" if resolved.env else ""
        count = len(resolved.all_layers)
        click.echo(f"{policy}: no faults{where} ({count} layers)" if count else f"{policy}: no faults{where}")
