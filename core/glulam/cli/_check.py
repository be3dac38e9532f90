"""`glulam check`: every fault of a policy, before anything is built."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from glulam.cli._loss import loss_option
from glulam.cli._output import format_option, quietly
from glulam.faults import PolicyError
from glulam.resolver import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam.faults import Fault
    from glulam.resolver import ResolvedPolicy

__all__ = ["check"]


@click.command()
@click.argument("policy")
@click.option("--env", help="The environment it is meant for: FAMILY:TASK, or the path of a YAML spec.")
@loss_option("A loss it is to be trained with.")
@click.option("--strict", is_flag=True, help="Take advice for faults.")
@format_option
def check(policy: str, env: str | None, losses: tuple[Any, ...], strict: bool, form: str) -> None:  # noqa: FBT001
    """Check POLICY (a file or a registered name) and report all its faults, and advice from its plugins.

    Exits with 0 if there are no faults, 1 if there are some, 2 if the command is used wrongly.
    """
    try:
        with quietly():
            resolved = resolve(policy, env=env, losses=losses)
    except PolicyError as error:
        _report(policy, error.faults, form, ok=False)
        sys.exit(1)
    ok = not (strict and resolved.advice)
    _report(policy, resolved.advice, form, ok=ok)
    if form == "text" and ok:
        click.echo(_summary(policy, resolved))
    sys.exit(0 if ok else 1)


def _report(policy: str, faults: Sequence[Fault], form: str, *, ok: bool) -> None:
    if form == "json":
        told = {"file": policy, "ok": ok, "faults": [fault.to_json() for fault in faults]}
        click.echo(json.dumps(told, indent=2))
        return
    for fault in faults:
        click.echo(_coloured(fault) + "\n", err=True)
    if faults and not ok:
        codes = ", ".join(dict.fromkeys(fault.code for fault in faults))
        number = f"{len(faults)} fault{'s' * (len(faults) != 1)}"
        click.echo(f"{number}; `glulam explain CODE` tells more of {codes}", err=True)


def _coloured(fault: Fault) -> str:
    """Return a fault's text with its code and caret in colour, which is only seen on a terminal."""
    colour = "yellow" if fault.severity == "advice" else "red"
    lines = str(fault).split("\n")
    lines[0] = lines[0].replace(fault.code, click.style(fault.code, fg=colour, bold=True), 1)
    return "\n".join(click.style(line, fg=colour) if line.strip() == "^" else line for line in lines)


def _summary(policy: str, resolved: ResolvedPolicy) -> str:
    where = f" in {resolved.env.name}" if resolved.env else ""
    count = len(resolved.all_layers)
    return f"{policy}: no faults{where} ({count} layers)" if count else f"{policy}: no faults{where}"
