"""Where a number that is none came from: the layer whose output or gradient first is not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glulam_train.optimizer import policy_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tensordict import TensorDictBase

    from glulam import Policy

__all__ = ["first_not_finite"]


@torch.no_grad()
def first_not_finite(
    policy: Policy, td: TensorDictBase, state: TensorDictBase | None, losses: Mapping[str, torch.Tensor | float]
) -> str:
    """Return what first is not finite as a policy scores some steps, losses are made of it, and their gradient flows.

    Args:
        policy: with the gradients of the step that went wrong.
        td: the steps `[B, T]`, as given to `Policy.evaluate`.
        state: the memory before them, `[B]`.
        losses: by name.
    """
    for name, weight in policy.named_parameters():
        if not bool(weight.isfinite().all()):
            return f"the weight {name}"
    kept = policy.keep
    policy.keep = "all"
    try:
        found = policy.evaluate(td, state)
    finally:
        policy.keep = kept
    for name, layer in policy.layers.items():
        is_head = layer is policy.action_head
        for key in dict.fromkeys([*layer.out_keys, *layer.score_keys]):
            value = found.get(key, None)
            if value is not None and _is_bad(value, may_mask=is_head):
                return f"the output {key!r} of layer {name!r}"
    for name, loss in losses.items():
        if _is_bad(torch.as_tensor(loss)):
            return f"the loss {name!r}"
    # What goes wrong in one layer reaches all below it, so the last one is where it began.
    for name, part in reversed(policy_parts(policy).items()):
        if any(weight.grad is not None and _is_bad(weight.grad) for weight in part.parameters()):
            return f"the gradient of layer {name!r}"
    return "the norm of all gradients"


def _is_bad(value: torch.Tensor, *, may_mask: bool = False) -> bool:
    """Whether a tensor holds NaN or an infinity; a head writes minus infinity for what is masked."""
    if not value.is_floating_point():
        return False
    bad = value.isnan() | (value == torch.inf) if may_mask else ~value.isfinite()
    return bool(bad.any())
