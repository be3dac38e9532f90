"""What both observation shapers share: a vocabulary of the policy's own, and tables made for each world.

Legend: `B` rows, `N` tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from glulam import EnvSpec, GlulamError, NameReport
from glulam_tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Shaper"]

TOKEN_COLUMNS = 3  # location, feature id, value


class Shaper(nn.Module):
    """The base of observation shapers.

    The vocabulary comes from the first world, is saved with the weights, and stays but for names that it is told to
    learn. Look-up tables are non-persistent buffers that `set_tables` makes from scratch, so that worlds A, B, A give
    A's tables again.

    Args:
        obs_meta: what `EnvSpec.obs_meta()` returned.

    Raises:
        GlulamError: if it is no environment spec, or its tokens have fewer than three columns.
    """

    def __init__(self, obs_meta: dict[str, Any]) -> None:
        super().__init__()
        self.env = EnvSpec.from_dict(obs_meta, where="obs_meta")
        self.vocabulary = Vocabulary.of(self.env)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Map the policy's names to the ids of a world; the tables go to `device`.

        Raises:
            GlulamError: if its tokens have fewer than three columns.
        """
        self._check_columns(env)
        self.env = env
        self.set_tables(torch.device(device))

    def learn_names(self, env: EnvSpec) -> tuple[str, ...]:
        """Give the names of a world that the vocabulary does not know rows behind the known ones, and return them.

        Their factors are the world's own. Call it before `initialize_to_environment(env)`, which makes the tables.

        Raises:
            GlulamError: if there is no room for them, or `initialize_to_environment` would refuse the world's tokens;
                nothing is changed then.
        """
        self._check_columns(env)
        new = self.fitting(env, self.vocabulary.unknown_in(env))
        self.vocabulary = self.vocabulary.extended(env, new)
        return new

    def name_report(self) -> NameReport:
        """Return which names of the vocabulary and of the present world meet."""
        return NameReport.of(self.vocabulary.factors, self.env.vocabulary)

    def fitting(self, env: EnvSpec, new: tuple[str, ...]) -> tuple[str, ...]:
        """Return which new names of a world are to be learned; GlulamError if they do not fit behind the known ones."""
        raise NotImplementedError

    def _check_columns(self, env: EnvSpec) -> None:
        if env.token_layout.columns < TOKEN_COLUMNS:
            msg = (
                f"environment {env.name!r}: a token has {env.token_columns} columns; "
                f"{type(self).__name__} needs location, feature id and value"
            )
            raise GlulamError(msg)

    def set_tables(self, device: torch.device) -> None:
        """Make all look-up tables for `self.env` on `device`."""
        raise NotImplementedError

    def set_table(self, name: str, table: Tensor, device: torch.device) -> None:
        """Make one table a buffer, floats in the dtype that the module was moved to."""
        if table.is_floating_point():
            old = self._buffers.get(name)
            table = table.to(torch.get_default_dtype() if old is None else old.dtype)
        self.register_buffer(name, table.to(device), persistent=False)

    def strip(self, env_obs: Tensor) -> Tensor:
        """Return `[B, N, columns]` without the columns behind the last token of any row; at least one stays.

        A hole (padding with tokens behind it) stays. The size depends on data: call it outside compiled code.
        """
        used = (env_obs[..., 0] != self.env.token_layout.padding).any(0)  # (N,)
        numbers = torch.arange(1, used.shape[0] + 1, device=used.device)
        return env_obs[:, : max(1, int((used * numbers).max()))]

    def get_extra_state(self) -> dict[str, Any]:
        """Return the vocabulary as plain JSON values."""
        return self.vocabulary.to_state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over the vocabulary of a saved policy, in the world that this one is in."""
        self.vocabulary = Vocabulary.from_state(state)
        self.set_tables(next(self.buffers()).device)
