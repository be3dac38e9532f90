"""What this plugin offers: the configs of its layers, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs.validators import deep_iterable, ge, gt, in_, optional

import glulam
from glulam_basics._joins import AddConfig, ConcatConfig, MultiplyConfig

if TYPE_CHECKING:
    from torch import nn

    from glulam_basics.flatten import Flatten
    from glulam_basics.linear import Linear
    from glulam_basics.residual_mlp import ResidualMlp
    from glulam_basics.vector import VectorShaper

__all__ = [
    "ActivationConfig",
    "ActivationName",
    "AddConfig",
    "ConcatConfig",
    "FlattenConfig",
    "LayerNormConfig",
    "LinearConfig",
    "MlpConfig",
    "MultiplyConfig",
    "ResidualMlpConfig",
    "VectorShaperConfig",
]

ActivationName = Literal["relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "sigmoid", "identity"]
"""Names of the functions between linear maps."""
_is_activation = in_(("relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "sigmoid", "identity"))
# Any: attrs types a validator by the field it is first used in.
_positive: Any = optional(gt(0))
_positives: Any = optional(deep_iterable(gt(0)))


@glulam.layer
class VectorShaperConfig(glulam.ObsShaperConfig):
    """The observation shaper of worlds that show plain numbers: one vector a row, normalised on request.

    Attributes:
        in_key: Key of the observation: numbers of any shape and dtype.
        out_key: Key of the vector.
        out_dim: Width of the vector, as many as there are numbers; taken from the first world where it is left out.
        normalize: Whether each number is shifted and scaled to mean 0 and standard deviation 1, by statistics that are
            gathered in training and saved with the weights.
        clip: The largest magnitude of a normalised number.
    """

    in_key: str = glulam.reads("env_obs", dtype="any", shape="...")
    out_key: str = glulam.writes("vector", dtype="float", shape="out_dim")
    out_dim: int | None = glulam.from_env("box_size")
    normalize: bool = False
    clip: float = attrs.field(default=10.0, validator=gt(0))

    def build(self, obs_meta: dict[str, Any]) -> VectorShaper:
        """Return the module; GlulamError where the world shows other numbers, or tokens."""
        from glulam_basics.vector import VectorShaper

        out_dim = glulam.EnvSpec.from_dict(obs_meta).box_size if self.out_dim is None else self.out_dim
        return VectorShaper(obs_meta, out_dim, normalize=self.normalize, clip=self.clip)


@glulam.layer
class LinearConfig(glulam.LayerConfig):
    """A linear map of the last dim.

    Attributes:
        in_key: Key of the input, of any shape that ends in `in_dim`.
        out_key: Key of the output, of the input's shape but for the last dim, `out_dim`.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        out_dim: Width of the output.
        bias: Whether a bias is added; it starts at zero.
        init_gain: Gain of the weights, which start orthogonal; 0 starts them at zero.
    """

    in_key: str = glulam.reads(shape="... in_dim")
    out_key: str = glulam.writes(shape="... out_dim")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    out_dim: int = attrs.field(validator=gt(0))
    bias: bool = True
    init_gain: float = attrs.field(default=1.0, validator=ge(0))

    def build(self) -> Linear:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_basics.linear import Linear

        return Linear(_known("in_dim", self.in_dim), self.out_dim, bias=self.bias, init_gain=self.init_gain)


@glulam.layer
class MlpConfig(glulam.LayerConfig):
    """Linear maps of the last dim, with activations between them.

    Attributes:
        in_key: Key of the input, of any shape that ends in `in_dim`.
        out_key: Key of the output, of the input's shape but for the last dim, `out_dim`.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        hidden_sizes: Widths of the hidden layers, in order; an empty list leaves one linear map.
        out_dim: Width of the output.
        activation: The function between the linear maps.
        activate_last: Whether the activation follows the last linear map too.
    """

    in_key: str = glulam.reads(shape="... in_dim")
    out_key: str = glulam.writes(shape="... out_dim")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    hidden_sizes: tuple[int, ...] = attrs.field(default=(128,), validator=_positives)
    out_dim: int = attrs.field(validator=gt(0))
    activation: ActivationName = attrs.field(default="relu", validator=_is_activation)
    activate_last: bool = False

    def build(self) -> nn.Module:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_basics.mlp import mlp

        widths = (_known("in_dim", self.in_dim), *self.hidden_sizes, self.out_dim)
        return mlp(widths, self.activation, activate_last=self.activate_last)


@glulam.layer
class ResidualMlpConfig(glulam.LayerConfig):
    """Blocks of two linear maps of the last dim, each normalised first and added to what it reads.

    A block is x + W2 f(W1 LayerNorm(x)), with biases. No norm follows the last one: add a `layer_norm` where the
    scale matters.

    Attributes:
        in_key: Key of the input, of any shape that ends in `in_dim`.
        out_key: Key of the output, of the input's shape but for the last dim where `out_dim` is set.
        in_dim: Width of the input and of all blocks; inferred from the layer that writes it where it is left out.
        num_blocks: Blocks, one after the other.
        hidden_size: Width between the two maps of a block.
        activation: The function between them.
        out_dim: Width to which a last linear map takes the output; without it there is none, and the width is `in_dim`.
    """

    in_key: str = glulam.reads(shape="... in_dim")
    out_key: str = glulam.writes(shape="... width")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    num_blocks: int = attrs.field(default=2, validator=gt(0))
    hidden_size: int = attrs.field(default=128, validator=gt(0))
    activation: ActivationName = attrs.field(default="relu", validator=_is_activation)
    out_dim: int | None = attrs.field(default=None, validator=_positive)

    @property
    def width(self) -> int:
        """Width of the output; GlulamError where it follows from `in_dim`, which is not inferred yet."""
        return _known("in_dim", self.in_dim) if self.out_dim is None else self.out_dim

    def build(self) -> ResidualMlp:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_basics.residual_mlp import ResidualMlp

        return ResidualMlp(
            _known("in_dim", self.in_dim),
            self.hidden_size,
            self.activation,
            num_blocks=self.num_blocks,
            out_dim=self.out_dim,
        )


@glulam.layer
class ActivationConfig(glulam.LayerConfig):
    """One activation function, on tensors of any shape.

    Attributes:
        in_key: Key of the input, of any shape.
        out_key: Key of the output, of the input's shape.
        function: The function, applied to each number; `identity` changes none.
    """

    in_key: str = glulam.reads(shape="...")
    out_key: str = glulam.writes(shape="...")
    function: ActivationName = attrs.field(default="relu", validator=_is_activation)

    def build(self) -> nn.Module:
        """Return the module."""
        from glulam_basics.activation import activation

        return activation(self.function)


@glulam.layer
class LayerNormConfig(glulam.LayerConfig):
    """Layer normalisation over the last dim, with a learned scale and shift.

    Attributes:
        in_key: Key of the input, of any shape that ends in `in_dim`.
        out_key: Key of the output, of the input's shape.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        eps: Added to the variance, so that nothing is divided by zero; above 0.
    """

    in_key: str = glulam.reads(shape="... in_dim")
    out_key: str = glulam.writes(shape="... in_dim")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    eps: float = attrs.field(default=1e-5, validator=gt(0))

    def build(self) -> nn.Module:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from torch import nn

        return nn.LayerNorm(_known("in_dim", self.in_dim), eps=self.eps)


@glulam.layer
class FlattenConfig(glulam.LayerConfig):
    """A set of a fixed number of vectors as one vector, one after the other.

    Attributes:
        in_key: Key of the set: its number of vectors must not vary at run time.
        out_key: Key of the vector, of width `num_vectors` times `in_dim`.
        num_vectors: Vectors of the set; inferred from the layer that writes it where it is left out.
        in_dim: Width of each; inferred like `num_vectors`.
    """

    in_key: str = glulam.reads(shape="num_vectors in_dim")
    out_key: str = glulam.writes(shape="out_dim")
    num_vectors: int | None = attrs.field(default=None, validator=_positive)
    in_dim: int | None = attrs.field(default=None, validator=_positive)

    @property
    def out_dim(self) -> int:
        """All numbers of the set; GlulamError where a size is neither given nor inferred yet."""
        return _known("num_vectors", self.num_vectors) * _known("in_dim", self.in_dim)

    def build(self) -> Flatten:
        """Return the module; GlulamError where a size is neither given nor inferred yet."""
        from glulam_basics.flatten import Flatten

        return Flatten(_known("num_vectors", self.num_vectors), _known("in_dim", self.in_dim))


def _known(name: str, size: int | None) -> int:
    if size is None:
        msg = f"{name} is not known; set it, or let a policy infer it"
        raise glulam.GlulamError(msg)
    return size
