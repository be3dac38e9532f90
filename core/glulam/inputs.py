"""The keys that an environment writes: dims without the batch, and dtype."""

from __future__ import annotations

__all__ = ["INPUTS", "OPTIONAL_INPUTS", "TOKENS"]

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
    "last_actions": ("...", "any"),  # as the actions are: only an environment can tell
    "last_rewards": ("", "float32"),
    "agent_id": ("", "int64"),
    "team_id": ("", "int64"),
}
