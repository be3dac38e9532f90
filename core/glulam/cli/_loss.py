"""The option `--loss`: a loss by name, or with its fields as settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["loss_option"]


class _Loss(click.ParamType[Any]):
    name = "loss"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Return a name as it is, and `{loss: NAME, field: value}` as a mapping."""
        if not str(value).startswith("{"):
            return value
        import yaml

        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            self.fail(f"{value!r} cannot be read; write a name, or '{{loss: NAME, field: value}}'", param, ctx)


def loss_option(text: str) -> Callable[[Any], Any]:
    """Return the option, with a sentence on what becomes of the losses."""
    text = f"{text} A name, or '{{loss: NAME, field: value}}'; repeatable."
    return click.option("--loss", "losses", type=_Loss(), multiple=True, metavar="LOSS", help=text)
