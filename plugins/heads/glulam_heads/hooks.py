"""Advice on heads that were measured to learn poorly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_heads.configs import ActionEmbeddingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["glulam_explanations", "glulam_lints"]

SMALL = 0.1  # the largest entry with which learning was measured to be late
EVIDENCE = "docs/results/lessons.md of glulam's repository, under 'First weights, and a way around the memory'"

GL604 = f"""\
# GL604: action embeddings that start small

Where logits are products with action embeddings, embeddings that start small keep all logits near zero, so a policy
explores at random for long, and little of what it learns reaches the layers below.
In `mettagrid:forage` each of five seeds of `fast` with an `init_scale` of 0.1 returned less after 300,000 agent-steps
than each of five with the shipped 1.
The curves are in {EVIDENCE}.

Write `init_scale: 1.0`, the default.
"""


@glulam.hookimpl
def glulam_lints(resolved: glulam.ResolvedPolicy) -> Iterator[glulam.Advice]:
    """Yield advice on each table of action embeddings that starts small."""
    for layer in resolved.layers:
        config = layer.config
        if isinstance(config, ActionEmbeddingConfig) and config.init_scale <= SMALL:
            yield glulam.Advice(
                code="GL604",
                message=f"action embeddings of at most {config.init_scale:g} keep logits small, and learn late",
                remedy="write 'init_scale: 1.0'",
                layer=layer.name,
                field="init_scale",
                evidence=EVIDENCE,
            )


@glulam.hookimpl
def glulam_explanations() -> Mapping[str, str]:
    """Return the page of this plugin's code."""
    return {"GL604": GL604}
