"""`glulam explain`: the page of a fault code."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from glulam._errors import GlulamError
from glulam.catalog import Registry
from glulam.cli._output import format_option
from glulam.explain import RULES, page
from glulam.faults import suggestion

__all__ = ["explain"]


@click.command()
@click.argument("code", required=False)
@format_option
def explain(code: str | None, form: str) -> None:
    """Show the page of CODE (GL303, say), with an example; without one, every code and its rule."""
    if code is None:
        lines = [f"{name}  {rule}" for name, rule in RULES.items()]
        click.echo(json.dumps(RULES, indent=2) if form == "json" else "\n".join(lines))
        return
    name = code.upper()
    text = page(name) or _page_of_a_plugin(name)
    click.echo(json.dumps({"code": name, "rule": RULES.get(name), "page": text}, indent=2) if form == "json" else text)


def _page_of_a_plugin(code: str) -> str:
    registry = Registry.installed()
    known = dict.fromkeys(RULES, "")
    if len(registry.hooks):
        from glulam.hooks import call_hooks

        for answer in call_hooks(registry, "glulam_explanations"):
            pages = answer.value if isinstance(answer.value, Mapping) else {}
            known |= {str(name): str(text) for name, text in pages.items()}
            if answer.error is not None or not isinstance(answer.value, Mapping):
                why = answer.error.message if answer.error else f"{answer.entry.qualified} gave no pages by code"
                click.echo(f"left out: {why}", err=True)
    if not known.get(code):
        msg = f"there is no code {code!r}; " + suggestion(code, list(known), "see `glulam explain` for all codes")
        raise GlulamError(msg)
    return known[code]
