"""What this plug-in offers to `glulam export`; torch and mettagrid are imported once it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from glulam import Policy

__all__ = ["to_mettagrid"]


def to_mettagrid(policy: Policy, out: Path, *, greedy: bool | None = None, seed: int | None = None) -> list[Path]:
    """Write a policy as a bundle: a checkpoint, and a `policy_spec.json` that names our agent.

    Args:
        policy: initialised to a mettagrid environment.
        out: the folder, made anew; a zip file where the name ends in `.zip`.
        greedy: whether agents take the likeliest action; else they draw one, as `glulam eval` has it.
        seed: of what they draw; another one each time the bundle is loaded when None.

    Raises:
        GlulamError: if the policy reads what mettagrid's runner does not tell, mettagrid is missing, the bundle plays
            otherwise than the policy, or it cannot be written.
    """
    from glulam_mettagrid._simulator import require_mettagrid

    require_mettagrid()
    from glulam_mettagrid.bundle import write_bundle

    return write_bundle(policy, out, greedy=bool(greedy), seed=seed)
