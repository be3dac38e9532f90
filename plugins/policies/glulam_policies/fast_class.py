"""`fast` once more, as a policy class: what its YAML twin says in ten lines, written out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

import glulam

if TYPE_CHECKING:
    from glulam_policies.fast_policy import FastPolicy

__all__ = ["FastClassConfig"]


@attrs.frozen(kw_only=True)
class FastClassConfig(glulam.PolicyConfig):
    """The sizes of `fast`; the observation shaper, the memory and the head are layers by their registered names.

    A policy class may build as much or as little from layer configs as it likes. This one takes from the
    registry what is hard to write (shaper, memory, action embedding, head) and writes the rest itself.

    Attributes:
        name: the policy's.
        num_channels: channels of the box; None for one a name of the world.
        channels: channels of the two convolutions.
        hidden_size: width of the encoding and of the memory.
        critic_size: width of the value head's hidden layer.
        actor_size: width of the query that is compared with actions.
        embed_dim: width of an action's embedding.
    """

    name: str = "fast_class"
    num_channels: int | None = glulam.from_env("vocabulary_size")
    channels: int = 64
    hidden_size: int = 128
    critic_size: int = 1024
    actor_size: int = 512
    embed_dim: int = 16

    def build_policy(self, resolved: glulam.ResolvedPolicy) -> FastPolicy:
        """Return the policy for the environment of `resolved`."""
        from glulam_policies.fast_policy import FastPolicy

        return FastPolicy(resolved, self)
