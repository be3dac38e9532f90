"""A page from its template, as one file that asks nobody for anything."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from glulam import GlulamError
from glulam_train.files import replace_text
from glulam_train.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Environment

__all__ = ["render", "write"]


def render(template: str, page: Mapping[str, Any]) -> str:
    """Return a page as HTML."""
    return _environment().get_template(template).render(page)


def write(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        GlulamError: if that is not possible.
    """
    try:
        replace_text(path, text)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; name another file with -o"
        raise GlulamError(msg) from error


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("glulam_train.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(number=figures.number, count=figures.count)
    return found
