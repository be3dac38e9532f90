"""The observation as one row a token.

Legend: `B` rows, `N` tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from glulam import GlulamError, Repeated
from glulam_tokens._shaper import Shaper
from glulam_tokens.vocabulary import meaning_codes

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["GLOBAL", "PADDING", "TokenShaper"]


LOCATIONS = 256  # location bytes
CODES = LOCATIONS**3  # of location, feature id and value
PADDING = 255
"""The location byte, and the row of the table, of a token that is none."""
GLOBAL = 254
"""The location byte of a token that belongs to no place."""


class TokenShaper(Shaper):
    """Tokens of bytes become tokens of floats, in the policy's own terms.

    Whatever codes a world has, what comes out has location 255 and row 255 for padding and location 254 for a
    global token. A feature, tag or action that the policy does not know is padding.

    Args:
        obs_meta: what `EnvSpec.obs_meta()` returned.
        normalize: whether numbers are divided by their factors, or stay the bytes they were.

    Raises:
        GlulamError: if the world has more than 255 names, or no tokens of three columns.
    """

    places: Tensor
    meanings: Tensor
    blank: Tensor

    def __init__(self, obs_meta: dict[str, Any], *, normalize: bool = True) -> None:
        super().__init__(obs_meta)
        self.normalize = normalize
        self._check_count(len(self.vocabulary), f"environment {self.env.name!r} has")
        self.initialize_to_environment(self.env)

    def fitting(self, env: EnvSpec, new: tuple[str, ...]) -> tuple[str, ...]:
        """Return all new names.

        Raises:
            GlulamError: if there are more than 255 with them.
        """
        self._check_count(len(self.vocabulary) + len(new), f"with environment {env.name!r} there are")
        return new

    def set_tables(self, device: torch.device) -> None:
        """Make the tables of places (`[256]`) and of meanings (`[65536, 2]`: row and value)."""
        places = torch.arange(256.0)
        places[self.env.token_layout.global_location] = GLOBAL
        places[self.env.token_layout.padding] = PADDING
        meanings = self.vocabulary.table(self.env, unknown=PADDING, category_value=0.0, normalize=self.normalize)
        self.set_table("places", places, device)
        self.set_table("meanings", meanings, device)
        self.set_table("blank", torch.tensor([PADDING, PADDING, 0.0]), device)

    def forward(self, env_obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (`[B, N, 3]`: location, row, value) and the mask of real ones (`[B, N]`, bool).

        Args:
            env_obs: `[B, N, columns]` uint8.
        """
        place = embedding(env_obs[..., 0].int(), self.places[:, None])  # (B, N, 1)
        meaning = embedding(meaning_codes(env_obs), self.meanings)  # (B, N, 2)
        # By the world's own code: where padding has another one, a token at 255 is a place like any other.
        mask = (env_obs[..., :1] != self.env.token_layout.padding) & (meaning[..., :1] != PADDING)  # (B, N, 1)
        tokens = torch.where(mask, torch.cat((place, meaning), dim=-1), self.blank)  # (B, N, 3)
        return tokens, mask.squeeze(-1)

    def repeated(self, env_obs: Tensor) -> tuple[Tensor, Tensor] | tuple[Repeated, Repeated]:
        """Return what `forward` does of `[B, tokens, columns]`, by the distinct tokens where they repeat often."""
        if env_obs.device.type != "cpu":
            return self(env_obs)  # type: ignore[no-any-return]  # nothing is looked up there
        # The location last, so that codes of a world with few features are near to each other.
        codes = meaning_codes(env_obs) * LOCATIONS + env_obs[..., 0]  # (B, N)
        found = Repeated.of(env_obs, codes, CODES)
        return self(env_obs) if found is None else found.map(self)  # type: ignore[no-any-return]

    @staticmethod
    def _check_count(count: int, where: str) -> None:
        if count > PADDING:
            msg = f"{where} {count} names (features, tags, actions); token_shaper holds at most {PADDING}"
            raise GlulamError(msg)
