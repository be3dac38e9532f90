"""The keys that an environment writes: dims without the batch, and dtype; and how one of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam._errors import GlulamError

if TYPE_CHECKING:
    from tensordict import TensorDictBase
    from torch import Tensor

__all__ = ["INPUTS", "OPTIONAL_INPUTS", "TOKENS", "read_input", "read_reset"]

TOKENS = {"env_obs": ("env.num_tokens env.token_columns", "uint8")}

INPUTS = {
    "env_obs": ("...", "any"),  # tokens or a box: only an environment can tell
    "env_id": ("", "int64"),
    "rewards": ("", "float32"),
    "dones": ("", "bool"),
    "truncateds": ("", "bool"),
}

OPTIONAL_INPUTS = {
    "action_mask": ("env.num_actions", "bool"),
    "active": ("", "bool"),
    "last_actions": ("...", "any"),  # as the actions are: only an environment can tell
    "last_rewards": ("", "float32"),
    "agent_id": ("", "int64"),
    "team_id": ("", "int64"),
}


def read_input(td: TensorDictBase, key: str) -> Tensor:
    """Return what stands under a key.

    Raises:
        GlulamError: if nothing does.
    """
    value = td.get(key, None)
    if value is None:
        msg = f"the TensorDict lacks {key!r}, which the policy reads; it holds: {', '.join(map(str, td.keys()))}"
        raise GlulamError(msg)
    return value  # type: ignore[no-any-return]


def read_reset(td: TensorDictBase) -> Tensor:
    """Return which rows of a TensorDict `[B]` or `[B, T]` begin an episode, of the batch's shape, bool.

    Raises:
        GlulamError: if a flag is missing, or is not one a row.
    """
    dones, truncateds = flags = [read_input(td, key) for key in ("dones", "truncateds")]
    for key, flag in zip(("dones", "truncateds"), flags, strict=True):
        if flag.dim() != td.batch_dims:
            msg = f"{key!r} has the shape {list(flag.shape)} in a batch {list(td.batch_size)}; it is one flag a row"
            raise GlulamError(msg)
    return dones | truncateds
