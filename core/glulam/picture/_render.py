"""Templates, which are files beside this one, and what is put into them; all that a policy says is escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from glulam._errors import GlulamError

if TYPE_CHECKING:
    import jinja2

__all__ = ["asset", "escaped", "markup", "render"]

FOLDER = files("glulam.picture") / "templates"


def asset(name: str) -> Any:  # noqa: ANN401 - markup
    """Return a file of ours as it is."""
    return markup((FOLDER / name).read_text(encoding="utf-8"))


def render(template: str, **values: object) -> str:
    """Return a template with values in it, each escaped.

    Raises:
        GlulamError: if jinja2 is not installed.
    """
    return _templates().get_template(template).render(values)


def escaped(text: str) -> str:
    """Return a text in which nothing is markup."""
    _templates()
    import markupsafe

    return str(markupsafe.escape(text))


def markup(text: str) -> Any:  # noqa: ANN401 - a type of jinja2's own library
    """Return a text of ours, or one in which all is escaped, as what a template takes as it is."""
    _templates()
    import markupsafe

    return markupsafe.Markup(text)  # noqa: S704 - see above


@cache
def _templates() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError as error:
        msg = "pictures need jinja2, which is not installed: pip install jinja2, or the extra glulam[show]"
        raise GlulamError(msg) from error
    loader = jinja2.FunctionLoader(lambda name: (FOLDER / name).read_text(encoding="utf-8"))
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
