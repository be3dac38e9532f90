"""The layers of this plugin: two observation shapers and four tokenisers. Imports no torch.

Legend: `N` tokens of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge, gt

import glulam

if TYPE_CHECKING:
    from glulam_tokens.box import BoxShaper
    from glulam_tokens.categorical import CategoricalTokens
    from glulam_tokens.fourier import FourierTokens
    from glulam_tokens.learned import LearnedTokens
    from glulam_tokens.rope import RopeTokens
    from glulam_tokens.shaper import TokenShaper

__all__ = [
    "BoxShaperConfig",
    "CategoricalTokensConfig",
    "FourierTokensConfig",
    "LearnedTokensConfig",
    "RopeTokensConfig",
    "TokenShaperConfig",
]


def _in_fours(_: object, __: attrs.Attribute[int], width: int) -> None:
    if width % 4:
        msg = (
            f"attr_embed_dim is {width}; half of it is turned by the row and half by the column, in pairs: "
            f"take a multiple of 4, such as {width - width % 4 + 4}"
        )
        raise ValueError(msg)


@glulam.layer
class TokenShaperConfig(glulam.ObsShaperConfig):
    """The observation as one row a token: location, name and value.

    Names are the policy's own: in another world ids are mapped by name, and what it does not know is masked.

    Attributes:
        in_key: Key of the observation: location, feature id and value, one byte each, in the first three columns.
        out_key: Key of the tokens: location byte (254 for a global one), row of the name in the vocabulary (at most 255
            names), normalised value (0 for a tag or an action); (255, 255, 0) where there is no real token.
        mask_key: Key of the mask, True at real tokens.
        normalize: Whether numbers are divided by their features' factors; false, for `categorical_tokens`, leaves the
            byte as it was (and 0 for a tag or an action).
    """

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("tokens", dtype="float", shape="N 3")
    mask_key: str = glulam.writes("token_mask", dtype="bool", shape="N")
    normalize: bool = True

    def build(self, obs_meta: dict[str, Any]) -> TokenShaper:
        """Return the module for the world that `obs_meta` describes."""
        from glulam_tokens.shaper import TokenShaper

        return TokenShaper(obs_meta, normalize=self.normalize)


@glulam.layer
class BoxShaperConfig(glulam.ObsShaperConfig):
    """The observation as a grid of cells with one channel a name, zero where nothing is.

    Numbers are normalised, tags and actions are 1 in channels of their own; global tokens stand at the
    agent's own cell, the centre, or apart. The first world fixes the channels; one with new names is refused.

    Attributes:
        in_key: Key of the observation: location, feature id and value, one byte each, in the first three columns.
        out_key: Key of the box: channels, rows and columns of the view.
        globals_key: Key of a vector for global tokens, one number a channel, which then are not in the box; null puts
            them at the centre of the box, where the larger of two values stays.
        num_channels: Channels of the box, at least one a name; as many as the first world's names where it is left out,
            and those beyond the names stay zero.
    """

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("box", dtype="float", shape="num_channels env.view_height env.view_width")
    globals_key: str | None = glulam.writes(None, dtype="float", shape="num_channels", optional=True)
    num_channels: int | None = glulam.from_env("vocabulary_size")

    def build(self, obs_meta: dict[str, Any]) -> BoxShaper:
        """Return the module for the world that `obs_meta` describes."""
        from glulam_tokens.box import BoxShaper

        return BoxShaper(obs_meta, self.num_channels, globals_apart=self.globals_key is not None)


@glulam.layer
class FourierTokensConfig(glulam.LayerConfig):
    """Embedding of the name, Fourier features of the position, and value: one row a token.

    A token that belongs to no place (a global one, padding) has zeros for its position. The first world's view sets
    the scale of coordinates and stays: a cell as far from the agent looks the same in views of other sizes.

    Attributes:
        in_key: Key of the tokens: location byte, row of the name, value.
        out_key: Key of the features: embedding, cos and sin of the row coordinate, cos and sin of the column's, value;
            `attr_embed_dim + 4 * num_freqs + 1` wide.
        attr_embed_dim: Width of a name's embedding.
        num_freqs: Frequencies a coordinate, 2^0 to 2^(num_freqs - 1); the first world's view spans coordinates
            from -1 to 1. 0 leaves positions out.
        embedding_std: Standard deviation of the embeddings at first; 0 starts them at zero.
    """

    in_key: str = glulam.reads("tokens", dtype="float", shape="N 3")
    out_key: str = glulam.writes("token_features", dtype="float", shape="N feature_dim")
    attr_embed_dim: int = attrs.field(default=12, validator=gt(0))
    num_freqs: int = attrs.field(default=6, validator=ge(0))
    embedding_std: float = attrs.field(default=1.0, validator=ge(0))

    @property
    def feature_dim(self) -> int:
        """Width of a token's features: embedding, cos and sin of two coordinates, value."""
        return self.attr_embed_dim + 4 * self.num_freqs + 1

    def build(self) -> FourierTokens:
        """Return the module."""
        from glulam_tokens.fourier import FourierTokens

        return FourierTokens(self.attr_embed_dim, self.num_freqs, embedding_std=self.embedding_std)


@glulam.layer
class LearnedTokensConfig(glulam.LayerConfig):
    """Embedding of the name, learned embedding of the position, and value: one row a token.

    A position is the offset from the centre of the view, the agent's cell, so that a view of another size keeps what
    was learned of each. A token that belongs to no place (a global one, padding) has zeros for its position.

    Attributes:
        in_key: Key of the tokens: location byte, row of the name, value.
        out_key: Key of the features: embedding of the name, embedding of the position, value; `attr_embed_dim +
            position_dim + 1` wide.
        attr_embed_dim: Width of a name's embedding.
        position_dim: Width of a position's embedding; the table has 32 x 32 rows.
        embedding_std: Standard deviation of the names' embeddings at first; 0 starts them at zero.
        position_std: Standard deviation of the positions' embeddings at first; 0 starts them at zero.
    """

    in_key: str = glulam.reads("tokens", dtype="float", shape="N 3")
    out_key: str = glulam.writes("token_features", dtype="float", shape="N feature_dim")
    attr_embed_dim: int = attrs.field(default=12, validator=gt(0))
    position_dim: int = attrs.field(default=24, validator=gt(0))
    embedding_std: float = attrs.field(default=1.0, validator=ge(0))
    position_std: float = attrs.field(default=1.0, validator=ge(0))

    @property
    def feature_dim(self) -> int:
        """Width of a token's features: two embeddings and the value."""
        return self.attr_embed_dim + self.position_dim + 1

    def build(self) -> LearnedTokens:
        """Return the module."""
        from glulam_tokens.learned import LearnedTokens

        stds = {"embedding_std": self.embedding_std, "position_std": self.position_std}
        return LearnedTokens(self.attr_embed_dim, self.position_dim, **stds)


@glulam.layer
class RopeTokensConfig(glulam.LayerConfig):
    """Embedding of the name, rotated by the position (axial RoPE), and value: one row a token.

    The inner product of two tokens' features depends on where one is seen from the other, not on where both are. A
    token that belongs to no place (a global one, padding) is not rotated.

    Attributes:
        in_key: Key of the tokens: location byte, row of the name, value.
        out_key: Key of the features: embedding, its first half rotated by the row's offset from the centre of the view
            and its second half by the column's, and value; `attr_embed_dim + 1` wide.
        attr_embed_dim: Width of a name's embedding, a multiple of 4.
        base: Pair k of the F = `attr_embed_dim / 4` pairs of a half turns by base^(-k/F) radians a cell. Offsets are
            below 16, so 100 has all speeds that tell them apart, where 10000, the one for text, has pairs that hardly
            turn.
        embedding_std: Standard deviation of the embeddings at first; a rotation shows only what is not zero.
    """

    in_key: str = glulam.reads("tokens", dtype="float", shape="N 3")
    out_key: str = glulam.writes("token_features", dtype="float", shape="N feature_dim")
    attr_embed_dim: int = attrs.field(default=12, validator=[gt(0), _in_fours])
    base: float = attrs.field(default=100.0, validator=ge(1))
    embedding_std: float = attrs.field(default=1.0, validator=ge(0))

    @property
    def feature_dim(self) -> int:
        """Width of a token's features: embedding and value."""
        return self.attr_embed_dim + 1

    def build(self) -> RopeTokens:
        """Return the module."""
        from glulam_tokens.rope import RopeTokens

        return RopeTokens(self.attr_embed_dim, base=self.base, embedding_std=self.embedding_std)


@glulam.layer
class CategoricalTokensConfig(glulam.LayerConfig):
    """Embedding of the name, embedding of the value as a category, Fourier features of the position: one row a token.

    It reads values as bytes: set `normalize: false` in `token_shaper`. Positions are those of `fourier_tokens`.

    Attributes:
        in_key: Key of the tokens: location byte, row of the name, value (0 to 255, rounded).
        out_key: Key of the features: embedding of the name, embedding of the value, cos and sin of the row coordinate,
            cos and sin of the column's; `attr_embed_dim + value_embed_dim + 4 * num_freqs` wide.
        attr_embed_dim: Width of a name's embedding.
        value_embed_dim: Width of a value's embedding; the table has 256 rows, which all names share.
        num_freqs: Frequencies a coordinate, 2^0 to 2^(num_freqs - 1); the first world's view spans coordinates
            from -1 to 1.
        embedding_std: Standard deviation of both embeddings at first; 0 starts them at zero.
    """

    in_key: str = glulam.reads("tokens", dtype="float", shape="N 3")
    out_key: str = glulam.writes("token_features", dtype="float", shape="N feature_dim")
    attr_embed_dim: int = attrs.field(default=12, validator=gt(0))
    value_embed_dim: int = attrs.field(default=12, validator=gt(0))
    num_freqs: int = attrs.field(default=6, validator=gt(0))
    embedding_std: float = attrs.field(default=1.0, validator=ge(0))

    @property
    def feature_dim(self) -> int:
        """Width of a token's features: two embeddings, cos and sin of two coordinates."""
        return self.attr_embed_dim + self.value_embed_dim + 4 * self.num_freqs

    def build(self) -> CategoricalTokens:
        """Return the module."""
        from glulam_tokens.categorical import CategoricalTokens

        widths = self.attr_embed_dim, self.value_embed_dim, self.num_freqs
        return CategoricalTokens(*widths, embedding_std=self.embedding_std)
