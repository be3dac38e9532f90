"""What commands have in common: the option `--format`, and tables."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TextIO

import click

from glulam._errors import GlulamError
from glulam.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["format_option", "print_table", "quietly", "write_text"]

format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="For people or for programs.",
)  # fmt: skip


def quietly() -> contextlib.redirect_stdout[TextIO]:
    """Send what the code of plugins prints to stderr: stdout is the command's own."""
    return contextlib.redirect_stdout(sys.stderr)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, a blank line before them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=True)
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*map(Text, row))  # plain text: a name in brackets is no markup
    console = Console(highlight=False)
    console.print()
    console.print(table)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        GlulamError: if it cannot be written.
    """
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise GlulamError(msg) from error
