"""What an exhibit of the museum is."""

from __future__ import annotations

import re

import attrs

__all__ = ["Exhibit", "shown"]


@attrs.frozen(kw_only=True)
class Exhibit:
    """A broken layer, and the good one that it is a small diff from.

    Attributes:
        name: unique, in snake case.
        config: the config class of the broken layer; all fields have defaults or are inferred.
        good: the config class of the good twin.
        bug: what is wrong, in a sentence.
        law: the law that should catch it first.
        source: the address of someone else's report of such a bug and a few words; None if we made it up.
    """

    name: str
    config: type
    good: type
    bug: str
    law: str
    source: str | None = None


def shown(config: type, good: type, law: str, source: str | None = None) -> Exhibit:
    """Return the exhibit of a broken layer: its name is the class's in snake case, its bug the docstring."""
    words = re.findall("[A-Z][a-z0-9]*", config.__name__.removesuffix("Config"))
    return Exhibit(
        name="_".join(words).lower(),
        config=config,
        good=good,
        bug=" ".join((config.__doc__ or "").split()),
        law=law,
        source=source,
    )
