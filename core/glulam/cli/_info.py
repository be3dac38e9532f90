"""`glulam info`: what a layer, policy, environment, loss or command is, and what it reads and writes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from glulam.catalog import PluginError, Registry
from glulam.cli._output import format_option, print_table, quietly
from glulam.describe import describe_entry
from glulam.index import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.catalog import Entry

__all__ = ["info"]


@click.command()
@click.argument("name")
@format_option
def info(name: str, form: str) -> None:
    """Describe NAME: what it is, its fields and defaults, the keys it reads and writes and their shapes.

    NAME is a layer, policy, environment, loss or command (`lstm`, or `glulam-memory:lstm` where several
    distributions have one), or a distribution.
    """
    registry = Registry.installed()
    entries = list(_entries(registry, name))
    if not entries:
        raise _unknown(registry, name)
    told: list[dict[str, Any]] = []
    errors: list[PluginError] = []
    for entry in entries:
        try:
            with quietly():
                told.append(describe_entry(entry))
        except PluginError as error:
            errors.append(error)
    if form == "json":
        click.echo(json.dumps(told, indent=2, default=str))
    else:
        for number, thing in enumerate(told):
            if number:
                click.echo()
            _print(thing)
    for failed in errors:
        click.echo(f"error: {failed.code} {failed.message}\n  try: {failed.remedy}", err=True)
    if errors:
        sys.exit(1)


def _entries(registry: Registry, name: str) -> Iterator[Entry]:
    for kind in KINDS:
        yield from getattr(registry, kind).claims(name)
    for item in registry.distributions:
        if item.name == name:
            for kind in KINDS:
                catalog = getattr(registry, kind)
                yield from (e for key in catalog for e in catalog.claims(key) if e.distribution == name)


def _unknown(registry: Registry, name: str) -> PluginError:
    """Return the error of a name that nothing has: that of the kind which knows a remedy, if one does."""
    errors = []
    for item in registry.blocked:
        if item.name == name:
            found = f"distribution {item.name} {item.version} is blocked"
            return PluginError("GL205", found, registry.unblock(item.name))
    for kind in KINDS:
        try:
            getattr(registry, kind).find(name)
        except PluginError as error:
            errors.append(error)
    remedies = [error for error in errors if error.code == "GL205" or not error.remedy.startswith("see ")]
    remedy = remedies[0].remedy if remedies else "see `glulam list` for all that is installed"
    if remedies and remedies[0].code == "GL205":
        return remedies[0]
    return PluginError("GL201", f"nothing is named {name!r}", remedy)


def _print(thing: dict[str, Any]) -> None:
    head = f"{thing['name']}: {thing['kind']} from {thing['distribution']} {thing['version']} ({thing['target']})"
    click.echo(head)
    if thing["doc"]:
        click.echo("\n" + "\n".join(f"  {line}".rstrip() for line in thing["doc"].splitlines()))
    keys = [field for field in thing.get("fields", ()) if "key" in field]
    others = [field for field in thing.get("fields", ()) if "key" not in field]
    if keys:
        rows = [[field["name"], _default(field), _use(field["key"]), field["doc"]] for field in keys]
        print_table(["key field", "default", "", ""], rows)
    if others:
        rows = [[field["name"], field["type"], _default(field), field["doc"]] for field in others]
        print_table(["field", "type", "default", ""], rows)


def _default(field: dict[str, Any]) -> str:
    if field["required"]:
        return "required"
    if "from_env" in field:
        return f"env.{field['from_env']}"
    default = field["default"]
    return "null" if default is None else json.dumps(default) if not isinstance(default, str) else default


def _use(key: dict[str, Any]) -> str:
    verb = {"read": "reads", "write": "writes", "stored": "from the buffer:"}[key["direction"]]
    words = [f"{verb} {key['dtype']} [{', '.join(key['shape'].split())}]"]
    words += ["or null"] * key["optional"] + ["a list of keys"] * key["many"]
    words += ["one tensor for all rows"] * (not key["batched"]) + [f"when it {key['phase']}s"] * (
        key["phase"] != "both"
    )
    words += [f"written by the {key['writer']}"] * (key["writer"] != "policy")
    words += ["of the next step too"] * key["next_step"]
    return ", ".join(words)
