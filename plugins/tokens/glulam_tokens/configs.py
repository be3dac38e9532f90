"""The layers of this plugin: two observation shapers and a tokenizer. Imports no torch.

Legend: `N` tokens of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge, gt

import glulam

if TYPE_CHECKING:
    from glulam_tokens.box import BoxShaper
    from glulam_tokens.fourier import FourierTokens
    from glulam_tokens.shaper import TokenShaper

__all__ = ["BoxShaperConfig", "FourierTokensConfig", "TokenShaperConfig"]


@glulam.layer
class TokenShaperConfig(glulam.ObsShaperConfig):
    """The observation as one row a token: location, name and value.

    Names are the policy's own: in another world ids are mapped by name, and what it does not know is masked.

    Attributes:
        in_key: Key of the observation: location, feature id and value, one byte each, in the first three columns.
        out_key: Key of the tokens: location byte (254 for a global one), row of the name in the vocabulary (at most 255
            names), normalised value (0 for a tag or an action); (255, 255, 0) where there is no real token.
        mask_key: Key of the mask, True at real tokens.
    """

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("tokens", dtype="float", shape="N 3")
    mask_key: str = glulam.writes("token_mask", dtype="bool", shape="N")

    def build(self, obs_meta: dict[str, Any]) -> TokenShaper:
        """Return the module for the world that `obs_meta` describes."""
        from glulam_tokens.shaper import TokenShaper

        return TokenShaper(obs_meta)


@glulam.layer
class BoxShaperConfig(glulam.ObsShaperConfig):
    """The observation as a grid of cells with one channel a name, zero where nothing is.

    Numbers are normalised, tags and actions are 1 in channels of their own; global tokens stand at the
    agent's own cell, the centre. The first world fixes the channels; one with new names is refused.

    Attributes:
        in_key: Key of the observation: location, feature id and value, one byte each, in the first three columns.
        out_key: Key of the box: channels, rows and columns of the view.
        num_channels: Channels of the box, at least one a name; as many as the first world's names where it is left out,
            and those beyond the names stay zero.
    """

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("box", dtype="float", shape="num_channels env.view_height env.view_width")
    num_channels: int | None = glulam.from_env("vocabulary_size")

    def build(self, obs_meta: dict[str, Any]) -> BoxShaper:
        """Return the module for the world that `obs_meta` describes."""
        from glulam_tokens.box import BoxShaper

        return BoxShaper(obs_meta, self.num_channels)


@glulam.layer
class FourierTokensConfig(glulam.LayerConfig):
    """Embedding of the name, Fourier features of the position, and value: one row a token.

    A token that belongs to no place (a global one, padding) has zeros for its position.

    Attributes:
        in_key: Key of the tokens: location byte, row of the name, value.
        out_key: Key of the features: embedding, cos and sin of the row coordinate, cos and sin of the column's, value;
            `attr_embed_dim + 4 * num_freqs + 1` wide.
        attr_embed_dim: Width of a name's embedding.
        num_freqs: Frequencies a coordinate, 2^0 to 2^(num_freqs - 1); the view spans coordinates from -1 to 1.
        embedding_std: Standard deviation of the embeddings at first; 0 starts them at zero.
    """

    in_key: str = glulam.reads("tokens", dtype="float", shape="N 3")
    out_key: str = glulam.writes("token_features", dtype="float", shape="N feature_dim")
    attr_embed_dim: int = attrs.field(default=12, validator=gt(0))
    num_freqs: int = attrs.field(default=6, validator=gt(0))
    embedding_std: float = attrs.field(default=1.0, validator=ge(0))

    @property
    def feature_dim(self) -> int:
        """Width of a token's features: embedding, cos and sin of two coordinates, value."""
        return self.attr_embed_dim + 4 * self.num_freqs + 1

    def build(self) -> FourierTokens:
        """Return the module."""
        from glulam_tokens.fourier import FourierTokens

        return FourierTokens(self.attr_embed_dim, self.num_freqs, embedding_std=self.embedding_std)
