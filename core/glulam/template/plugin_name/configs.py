"""The layers of this plugin. Imports no torch: a policy is checked without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import glulam
from attrs.validators import gt, optional

if TYPE_CHECKING:
    from .gated_linear import GatedLinear

__all__ = ["GatedLinearConfig"]


@glulam.layer
class GatedLinearConfig(glulam.LayerConfig):
    """A linear map of the last dim, each output times a learned gate between 0 and 1.

    Attributes:
        in_key: Key of the input, of any shape that ends in `in_dim`.
        out_key: Key of the output, of the input's shape but for the last dim, `out_dim`.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        out_dim: Width of the output.
    """

    in_key: str = glulam.reads("encoded", dtype="float", shape="... in_dim")
    out_key: str = glulam.writes("gated", dtype="float", shape="... out_dim")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    out_dim: int = attrs.field(default=64, validator=gt(0))

    def build(self) -> GatedLinear:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from .gated_linear import GatedLinear

        if self.in_dim is None:
            msg = "gated_linear: in_dim is not known; set it, or resolve the policy"
            raise glulam.GlulamError(msg)
        return GatedLinear(self.in_dim, self.out_dim)
