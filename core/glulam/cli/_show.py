"""`glulam show`: what a policy is, as a picture, as a tree, or as the function that runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glulam._errors import GlulamError
from glulam.cli._loss import loss_option
from glulam.cli._output import format_option, quietly, write_text

if TYPE_CHECKING:
    from glulam.picture import Blueprint

__all__ = ["show"]

FORMS = {".html": "draw_html", ".svg": "draw_svg", ".mmd": "draw_mermaid"}


@click.command()
@click.argument("policy")
@click.option("--env", help="The environment it is meant for: FAMILY:TASK, or the path of a YAML spec.")
@loss_option("A loss that is shown too.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it into FILE: .html (a page), .svg or .mmd (Mermaid).", metavar="FILE",
)  # fmt: skip
@click.option("--time", "rows", type=click.IntRange(min=1), metavar="ROWS", help="Measure a step of ROWS rows too.")
@click.option("--code", is_flag=True, help="Print the function that its layers are, as Python, and no more.")
@format_option
def show(  # noqa: PLR0913 - one argument an option
    policy: str,
    env: str | None,
    losses: tuple[Any, ...],
    *,
    out: Path | None,
    rows: int | None,
    form: str,
    code: bool,
) -> None:
    """Show POLICY (a file or a registered name): layers and keys, memory, costs, and faults where they are.

    Parameters, FLOPs and memory are known with --env, times with --time. Exits with 1 if there are faults; the
    picture is made all the same.
    """
    if code or rows is not None:
        option = "--code" if code else "--time"
        if env is None:
            msg = f"Missing option '--env': {option} is about a policy that is built."
            raise click.UsageError(msg)
    if code:
        click.echo(_code(policy, str(env)), nl=False)
        return
    if out is not None and out.suffix.lower() not in FORMS:
        msg = f"cannot draw {out.suffix or 'a file without a suffix'}: name a file that ends in {', '.join(FORMS)}"
        raise click.BadParameter(msg, param_hint="'-o'")
    from glulam import picture

    with quietly():
        drawn = picture.blueprint(policy, env=env, losses=losses, rows=rows)
        text = None if out is None else str(getattr(picture, FORMS[out.suffix.lower()])(drawn))
    if out is not None and text is not None:
        write_text(out, text)
    if form == "json":
        click.echo(json.dumps(drawn.to_json(), indent=2))
    elif out is None:
        _print(drawn)
    else:
        click.echo(out)
    if drawn.faults:
        codes = ", ".join(dict.fromkeys(fault.code for fault in drawn.faults))
        number = f"{len(drawn.faults)} fault{'s' * (len(drawn.faults) != 1)}"
        click.echo(f"{number}; `glulam check` shows the lines, `glulam explain CODE` tells more of {codes}", err=True)
        sys.exit(1)


def _code(policy: str, env: str) -> str:
    import glulam

    with quietly():
        built = glulam.build(policy, env)
    source: str | None = getattr(built, "source", None)
    if source is None:
        msg = f"policy {built.resolved.name!r} is a class of its own: read {type(built).__module__}"
        raise GlulamError(msg)
    return source


def _print(drawn: Blueprint) -> None:
    from rich.console import Console

    from glulam.picture import draw_tree

    console = Console(highlight=False)
    console.print(draw_tree(drawn), no_wrap=not console.is_terminal, overflow="ignore", crop=False)
