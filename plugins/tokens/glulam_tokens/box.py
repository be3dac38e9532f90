"""The observation as a grid of cells.

Legend: `B` rows, `N` tokens, `C` channels, `H` x `W` cells of the view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from glulam import GlulamError
from glulam_tokens._shaper import Shaper
from glulam_tokens.vocabulary import action_names, meaning_codes

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["BoxShaper"]

REMEDY = "train a new model, or take a policy that reads tokens (token_shaper): it masks what it does not know"


class BoxShaper(Shaper):
    """Tokens are written into a box of zeros, one channel a name.

    * A number stands as value / normalisation in the channel of its feature, a tag or action as 1 in its own.
    * A global token belongs to no place: it stands where the agent does, at cell (H // 2, W // 2), or in a vector
      apart.
    * A token outside the view and padding, wherever it stands, are nowhere in the box.
    * Where two tokens name the same cell and feature, the larger value stays, whatever their order.

    The box lies in memory as channels last, which convolutions like.

    Args:
        obs_meta: what `EnvSpec.obs_meta()` returned.
        num_channels: None for one a name of the world; channels beyond the names stay zero.
        globals_apart: whether global tokens stand in a vector, one number a channel, and not in the box.

    Raises:
        GlulamError: if there is no channel, or the world has no tokens of three columns.
    """

    cells: Tensor
    channels: Tensor
    values: Tensor

    def __init__(
        self, obs_meta: dict[str, Any], num_channels: int | None = None, *, globals_apart: bool = False
    ) -> None:
        super().__init__(obs_meta)
        self.globals_apart = globals_apart
        self.num_channels = len(self.vocabulary) if num_channels is None else num_channels
        if self.num_channels < 1:
            msg = f"environment {self.env.name!r} has nothing to see: a box needs at least one channel"
            raise GlulamError(msg)
        self.initialize_to_environment(self.env)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Map the policy's names to the ids of a world.

        Raises:
            GlulamError: if the world has features or tags for which the policy has no channel.
        """
        # A new action is no new thing to see: a policy that does not know it does not do it.
        done = action_names(env)
        new = [name for name in self.vocabulary.unknown_in(env) if name not in done]
        if new:
            names = ", ".join(map(repr, new))
            msg = f"environment {env.name!r} has {names}, for which the policy's box has no channel; {REMEDY}"
            raise GlulamError(msg)
        super().initialize_to_environment(env, device)

    def fitting(self, env: EnvSpec, new: tuple[str, ...]) -> tuple[str, ...]:
        """Return the new names for which there are channels: those of things must have one, those of actions may.

        Raises:
            GlulamError: if there are more new things than channels to spare.
        """
        done = action_names(env)
        things = tuple(name for name in new if name not in done)
        names = len(self.vocabulary)
        free = max(0, self.num_channels - names)
        if len(things) > free:
            msg = (
                f"environment {env.name!r} has {things[free]!r}, for which there is no channel left: num_channels "
                f"is {self.num_channels}, and there are {names} names and {len(things)} new ones; train a model with "
                f"num_channels of {names + len(things)} or more, or take a policy that reads tokens (token_shaper)"
            )
            raise GlulamError(msg)
        fit = {*things, *[name for name in new if name in done][: free - len(things)]}
        return tuple(name for name in new if name in fit)

    def set_tables(self, device: torch.device) -> None:
        """Make the tables of cells (`[256]`), channels and values (`[65536]`)."""
        H, W, C = self.env.view_height, self.env.view_width, self.num_channels
        # A token's place in the box is its cell's offset plus its channel; a vector apart is one more cell at the
        # end. Nowhere is so far below zero that neither cell nor channel makes up for it.
        nowhere = -2 * (H * W + 1) * C
        agent = H // 2 * W + W // 2
        locations = torch.arange(256)
        row, column = locations >> 4, locations & 15
        cells = torch.where((row < H) & (column < W), (row * W + column) * C, nowhere)
        cells[self.env.token_layout.global_location] = (H * W if self.globals_apart else agent) * C
        cells[self.env.token_layout.padding] = nowhere
        meanings = self.vocabulary.table(self.env, unknown=nowhere, category_value=1.0)
        self.set_table("cells", cells, device)
        self.set_table("channels", meanings[:, 0].long(), device)
        self.set_table("values", meanings[:, 1].contiguous(), device)

    def forward(self, env_obs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the box, `[B, C, H, W]`, and the vector of global tokens, `[B, C]`, if they stand apart.

        Args:
            env_obs: `[B, N, columns]` uint8.

        Raises:
            GlulamError: if there are more names than channels.
        """
        self._check_channels()
        B, N = env_obs.shape[:2]
        H, W, C = self.env.view_height, self.env.view_width, self.num_channels
        locations, codes = env_obs[..., 0].int().flatten(), meaning_codes(env_obs).flatten()  # (B * N,)
        index = self.cells.index_select(0, locations) + self.channels.index_select(0, codes)
        values = self.values.index_select(0, codes).masked_fill(index < 0, 0)
        # A zero changes no maximum, so tokens that are nowhere can all be sent to the first cell.
        box = values.new_zeros(B, (H * W + self.globals_apart) * C)
        box.scatter_reduce_(1, index.clamp(min=0).view(B, N), values.view(B, N), "amax")
        if not self.globals_apart:
            return box.view(B, H, W, C).permute(0, 3, 1, 2)  # (B, C, H, W)
        box, apart = box[:, :-C].contiguous(), box[:, -C:].contiguous()  # (B, H * W * C), (B, C)
        return box.view(B, H, W, C).permute(0, 3, 1, 2), apart

    def _check_channels(self) -> None:
        """Raise GlulamError if there are more names than channels: no earlier, a checkpoint's may be on their way."""
        names = len(self.vocabulary)
        if names > self.num_channels:
            msg = f"num_channels is {self.num_channels}, but there are {names} names; leave the field out"
            raise GlulamError(msg)
