"""The configs of layers that make one key of several; `configs` offers them with the others. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import deep_iterable, gt, optional

import glulam

if TYPE_CHECKING:
    from glulam_basics.add import Add
    from glulam_basics.concat import Concat
    from glulam_basics.multiply import Multiply

__all__ = ["AddConfig", "ConcatConfig", "MultiplyConfig"]

# Any: attrs types a validator by the field it is first used in.
_POSITIVES: Any = optional(deep_iterable(gt(0)))


def _one_a_key(config: ConcatConfig, _: object, widths: tuple[int, ...] | None) -> None:
    if widths is not None and len(widths) != len(config.keys):
        msg = f"in_dims holds {len(widths)} widths for {len(config.keys)} keys"
        raise ValueError(msg)


@glulam.layer
class ConcatConfig(glulam.LayerConfig):
    """Several keys joined along their last dim.

    Attributes:
        keys: Keys to join, in this order; at least two, alike in all dims but the last.
        out_key: Key of the result, as wide as all inputs together.
        in_dims: Widths of the inputs, one a key; inferred from the layers that write them where they are left out.
    """

    keys: tuple[str, ...] = glulam.reads_many(shape="... in_dims")
    out_key: str = glulam.writes(shape="... out_dim")
    in_dims: tuple[int, ...] | None = attrs.field(default=None, validator=[_POSITIVES, _one_a_key])

    def __attrs_post_init__(self) -> None:
        _at_least_two(self.keys)

    @property
    def out_dim(self) -> int:
        """The sum of the widths; GlulamError where they are neither given nor inferred yet."""
        return sum(_known_widths(self.in_dims))

    def build(self) -> Concat:
        """Return the module; GlulamError where `in_dims` are neither given nor inferred yet."""
        from glulam_basics.concat import Concat

        return Concat(_known_widths(self.in_dims))


@glulam.layer
class AddConfig(glulam.LayerConfig):
    """The sum of several keys of one shape: a residual, or a skip around layers.

    Attributes:
        keys: Keys to add, at least two; nothing is broadcast.
        out_key: Key of the sum, of the shape of each input.
    """

    keys: tuple[str, ...] = glulam.reads_many(shape="...")
    out_key: str = glulam.writes(shape="...")

    def __attrs_post_init__(self) -> None:
        _at_least_two(self.keys)

    def build(self) -> Add:
        """Return the module."""
        from glulam_basics.add import Add

        return Add()


@glulam.layer
class MultiplyConfig(glulam.LayerConfig):
    """The product of several keys of one shape, number by number: a gate on what another layer writes.

    Attributes:
        keys: Keys to multiply, at least two; nothing is broadcast.
        out_key: Key of the product, of the shape of each input.
    """

    keys: tuple[str, ...] = glulam.reads_many(shape="...")
    out_key: str = glulam.writes(shape="...")

    def __attrs_post_init__(self) -> None:
        _at_least_two(self.keys)

    def build(self) -> Multiply:
        """Return the module."""
        from glulam_basics.multiply import Multiply

        return Multiply()


def _at_least_two(keys: tuple[str, ...]) -> None:
    if len(keys) < 2:  # noqa: PLR2004 - two, as the message says
        msg = f"keys names {len(keys)} of at least 2 keys"
        raise ValueError(msg)


def _known_widths(widths: tuple[int, ...] | None) -> tuple[int, ...]:
    if widths is None:
        msg = "in_dims is not known; set it to the widths of keys, in order"
        raise glulam.GlulamError(msg)
    return widths
