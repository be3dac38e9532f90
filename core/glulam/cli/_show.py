"""`glulam show`: what a policy is, once it is built."""

from __future__ import annotations

import click

from glulam._errors import GlulamError
from glulam.cli._output import quietly

__all__ = ["show"]


@click.command()
@click.argument("policy")
@click.option("--env", required=True, help="The environment it is built for: FAMILY:TASK, or the path of a YAML spec.")
@click.option("--code", is_flag=True, required=True, help="The function that its layers are, as Python.")
def show(policy: str, env: str, *, code: bool) -> None:
    """Show what runs in a step of POLICY (a file or a registered name): keys are variables, layers are functions."""
    del code  # the only view so far
    import glulam

    with quietly():
        built = glulam.build(policy, env)
        source = getattr(built, "source", None)
        if source is None:
            msg = f"policy {built.resolved.name!r} is a class of its own: read {type(built).__module__}"
            raise GlulamError(msg)
    click.echo(source, nl=False)
