"""`glulam resolve`: the complete policy, every field written out and everything it extends taken in."""

from __future__ import annotations

import json

import click

from glulam.cli._output import format_option, quietly
from glulam.resolver import resolve as resolve_policy

__all__ = ["resolve"]


@click.command()
@click.argument("policy")
@click.option("--env", help="The environment it is meant for: FAMILY:TASK, or the path of a YAML spec.")
@format_option
def resolve(policy: str, env: str | None, form: str) -> None:
    """Print POLICY (a file or a registered name) complete: all fields, all it extends, who owns each layer.

    What is printed is a policy file; resolving it again prints it again.
    """
    with quietly():
        mapping = resolve_policy(policy, env=env).to_mapping()
    if form == "json":
        click.echo(json.dumps(mapping, indent=2))
        return
    from glulam.dump import dump_policy

    click.echo(dump_policy(mapping), nl=False)
