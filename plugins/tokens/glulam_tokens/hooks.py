"""Advice on tokens that were measured to learn poorly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_tokens.configs import LearnedTokensConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["glulam_explanations", "glulam_lints"]

EVIDENCE = "docs/results/lessons.md of glulam's repository, under 'How positions are told'"

GL603 = f"""\
# GL603: positions that have to be learned one by one

`learned_tokens` has a row of weights for each place, and what a policy learns of one says nothing of the next.
In `mettagrid:forage`, and in `mettagrid:forage_hearts`, where reward is sparse, each of five seeds of
`latent_attn_tiny` with learned positions returned less after 300,000 agent-steps than each of five with the Fourier
features that it has as shipped.
`rope_tokens` could not be told from those; without any position hardly anything was learned.
The curves are in {EVIDENCE}.

Write `layer: fourier_tokens` (or `rope_tokens`), with its own fields: `num_freqs` in place of `position_dim`.
"""


@glulam.hookimpl
def glulam_lints(resolved: glulam.ResolvedPolicy) -> Iterator[glulam.Advice]:
    """Yield advice on each tokeniser that learns its positions."""
    for layer in resolved.layers:
        if isinstance(layer.config, LearnedTokensConfig):
            yield glulam.Advice(
                code="GL603",
                message="learned positions learn later than Fourier features or rotations",
                remedy="write 'layer: fourier_tokens', with 'num_freqs: 4' in place of 'position_dim'",
                layer=layer.name,
                field="position_dim",
                evidence=EVIDENCE,
            )


@glulam.hookimpl
def glulam_explanations() -> Mapping[str, str]:
    """Return the page of this plugin's code."""
    return {"GL603": GL603}
