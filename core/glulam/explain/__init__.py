"""What each fault code means: its rule, which every fault repeats, and a page with an example."""

from __future__ import annotations

from pathlib import Path

__all__ = ["RULES", "page"]

RULES = {
    "GL101": "a policy file is YAML",
    "GL102": "a field is one that its section or its layer has",
    "GL103": "a field without a default is given",
    "GL104": "a value has the type, and keeps the limits, that its field declares",
    "GL105": "a YAML key stands once in its mapping",
    "GL106": "a policy extends one that exists and does not extend it back, and changes layers that are there",
    "GL107": "a policy file is plain, finite and of moderate size",
    "GL201": "a name is one that an installed distribution offers",
    "GL202": "a name is claimed by one distribution; distribution:name says which is meant",
    "GL203": "a plugin that a policy names imports, in time, and holds what it registers",
    "GL204": "a plugin speaks this glulam's version of the layer protocol",
    "GL205": "a plugin that a policy names is not blocked",
    "GL301": "a layer's name is its own",
    "GL302": "a key is written once, and never over a key of the environment",
    "GL303": "a key is written before it is read",
    "GL304": "a key that is read is written by the environment or by a layer",
    "GL305": "layers do not read in a circle",
    "GL401": "a key is read in the shape in which it is written",
    "GL402": "a key is read in the dtype in which it is written",
    "GL403": "a width that is left out follows from the key that is read, and widths that divide do so evenly",
    "GL501": "each key that a loss needs is written",
    "GL502": "owners who store the same key agree on its shape, dtype and frequency",
    "GL503": "an input that a layer reads is one that the environment offers",
    "GL504": "a policy starts with an observation shaper",
}


def page(code: str) -> str | None:
    """Return the page of a code, Markdown whose first line is its title; None if there is no such code."""
    return Path(__file__).with_name(f"{code}.md").read_text(encoding="utf-8") if code in RULES else None
