"""`glulam adapt`: what becomes of a trained policy in another world."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from glulam.cli._output import format_option, print_table, quietly

if TYPE_CHECKING:
    from glulam.adaptation import Adaptation

__all__ = ["adapt"]


@click.command()
@click.argument("checkpoint", type=click.Path())
@click.option("--env", required=True, help="The new environment, such as mettagrid:forage, or a spec's YAML file.")
@click.option("--alias", "aliases", metavar="NEW=OLD", multiple=True, help="Its NEW is what was OLD; repeatable.")
@click.option("--learn", is_flag=True, help="Give new names rows to be learned, instead of masking them.")
@click.option("--out", type=click.Path(), help="Write the adapted policy to this file.")
@click.option("--allow-version-drift", is_flag=True, help="Read a file that other versions of plug-ins wrote.")
@format_option
def adapt(  # noqa: PLR0913 - one argument an option
    checkpoint: str,
    env: str,
    aliases: tuple[str, ...],
    out: str | None,
    form: str,
    *,
    learn: bool,
    allow_version_drift: bool,
) -> None:
    """Report what becomes of the policy in CHECKPOINT in another environment: what maps, is masked, is new.

    Nothing is trained. With --out the policy is written as it is there, ready for `glulam eval` and for
    `glulam train --set init_from=FILE`.
    """
    pairs = [item.partition("=") for item in aliases]
    wrong = next((item for item, (alias, _, name) in zip(aliases, pairs, strict=True) if not (alias and name)), None)
    if wrong is not None:
        msg = f"--alias {wrong}: write NEW=OLD, a name of the new environment and the policy's name for it"
        raise click.UsageError(msg)
    import glulam
    from glulam.adaptation import adapt as adapt_policy

    with quietly():
        found = adapt_policy(
            checkpoint,
            env,
            aliases={alias: name for alias, _, name in pairs},
            learn_names=learn,
            allow_version_drift=allow_version_drift,
        )
        if out is not None:
            glulam.save(found.policy, out)
    if form == "json":
        click.echo(json.dumps(found.to_dict() | {"out": out}, indent=2))
        return
    _print(found)
    if out is not None:
        click.echo(f"\nwritten to {out}")


def _print(found: Adaptation) -> None:
    world = found.policy.env
    click.echo(f"policy       {found.policy.resolved.name}, saved in {found.saved.name}")
    click.echo(f"environment  {world.name}")
    views = [f"{env.view_height} x {env.view_width}" for env in (found.saved, world)]
    if views[0] != views[1]:
        click.echo(f"view         {views[1]}, was {views[0]}")
    kept = [moved for moved in found.names if moved.fate == "mapped"]
    for kind in ("feature", "tag", "action"):
        same = sum(moved.kind == kind for moved in kept)
        if any(moved.kind == kind for moved in found.names):
            renumbered = sum(moved.kind == kind and moved.before != moved.after for moved in kept)
            others = f", {renumbered} of them under another number" if renumbered else ""
            click.echo(f"{kind + 's':<13}{same} map{others}")
    for alias, name in found.aliases.items():
        click.echo(f"alias        {alias} = {name}")
    rows = [
        (moved.kind, moved.name, _number(moved.before), _number(moved.after), moved.fate)
        for moved in found.names
        if moved.fate != "mapped" or moved.before != moved.after
    ]
    if rows:
        print_table(("kind", "name", "there", "here", "what becomes of it"), rows)
    else:
        click.echo("nothing has changed")


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)
