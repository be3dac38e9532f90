"""Advice on attention that was measured to learn poorly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_attention.configs import LatentAttentionConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["glulam_explanations", "glulam_lints"]

WIDEST = 64  # the best of those that were trained from scratch
EVIDENCE = "docs/results/lessons.md of glulam's repository, under 'The width of tokens'"

GL602 = f"""\
# GL602: tokens that are too wide to be learned from scratch

In `mettagrid:forage_hearts`, where reward is sparse, `latent_attn_small` returned less with tokens of width 96 than of
width 64 after 300,000 agent-steps of training from scratch, over five seeds each, and three of the five had hardly
begun to learn.
Taught by a `fast` policy at first, those of width 96 returned more than all others, so width alone does not hold them
back.
The curves are in {EVIDENCE}.

Write `hidden_size: 64` or less, or keep the width and train with a teacher: the loss `kickstart` of `glulam-train`.
With a loss that has a `teacher` this advice is not given: `glulam check --loss "{{loss: kickstart, teacher: FILE}}"`.
"""


@glulam.hookimpl
def glulam_lints(resolved: glulam.ResolvedPolicy) -> Iterator[glulam.Advice]:
    """Yield advice on each latent attention that is wide and learns without a teacher."""
    if any(getattr(loss, "teacher", None) for loss in resolved.losses):
        return
    for layer in resolved.layers:
        config = layer.config
        if isinstance(config, LatentAttentionConfig) and config.hidden_size > WIDEST:
            yield glulam.Advice(
                code="GL602",
                message=f"tokens of width {config.hidden_size} learn late from scratch where reward is sparse",
                remedy=f"write 'hidden_size: {WIDEST}', or train with a teacher (the loss 'kickstart')",
                layer=layer.name,
                field="hidden_size",
                evidence=EVIDENCE,
            )


@glulam.hookimpl
def glulam_explanations() -> Mapping[str, str]:
    """Return the page of this plugin's code."""
    return {"GL602": GL602}
