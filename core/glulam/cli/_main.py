"""The entry point: commands by name, own and plug-ins', and errors without tracebacks."""

from __future__ import annotations

import gc
import sys

import click

from glulam._errors import GlulamError
from glulam.catalog import PluginError, Registry
from glulam.faults import nearest

__all__ = ["run"]

_OWN = {
    "adapt": "glulam.cli._adapt:adapt",
    "check": "glulam.cli._check:check",
    "doctor": "glulam.cli._doctor:doctor",
    "explain": "glulam.cli._explain:explain",
    "export": "glulam.cli._export:export",
    "info": "glulam.cli._info:info",
    "inspect": "glulam.cli._inspect:inspect",
    "list": "glulam.cli._list:list_all",
    "new": "glulam.cli._new:new",
    "registry": "glulam.cli._registry:registry",
    "resolve": "glulam.cli._resolve:resolve",
    "schema": "glulam.cli._schema:schema",
    "show": "glulam.cli._show:show",
    "test": "glulam.cli._test:test",
}


class _Commands(click.Group):
    """Own commands and those that plug-ins register under `glulam.commands`; listing them imports no plug-in."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted({*_OWN, *Registry.installed().commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN:
            return _import(_OWN[cmd_name])
        try:
            command = Registry.installed().commands.find(cmd_name).load()
        except PluginError as error:
            close = nearest(cmd_name, _OWN)
            remedy = f"write {close!r}" if error.code == "GL201" and close else error.remedy
            ctx.fail(f"{error.message}\n  try: {remedy}")
        gc.enable()  # a plug-in's command may run for days
        return command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in _OWN:
                rows.append((name, _import(_OWN[name]).get_short_help_str()))
            else:
                owners = ", ".join(entry.distribution for entry in Registry.installed().commands.claims(name))
                rows.append((name, f"(from {owners})"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.command(cls=_Commands)
@click.version_option(package_name="glulam")
def cli() -> None:
    """Reinforcement-learning policies assembled from plug-in layers."""


def run() -> None:
    """Run the command line; see `glulam.cli.main`."""
    try:
        cli(prog_name="glulam")
    except GlulamError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def _import(target: str) -> click.Command:
    import importlib

    module, _, name = target.partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command
