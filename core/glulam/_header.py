"""What the header of a checkpoint may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam.faults import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["malformed"]

_MAPPINGS = ("policy", "environment", "aliases", "names", "lock")
_DTYPES = ("bfloat16", "float16", "float32", "float64")


def malformed(header: Mapping[str, Any]) -> Iterator[str]:
    """Yield what no `save` wrote; only the first is to be taken, since the others stand on it."""
    for field in _MAPPINGS if header.get("source") is None else (*_MAPPINGS, "source"):
        if not isinstance(header.get(field), dict):
            yield f"{field} is {shorten(repr(header.get(field)))}, no mapping"
    policy, versions = header["policy"], header["lock"].get("distributions")
    if "extends" in policy:  # it would read other files of this machine
        yield f"policy extends {shorten(repr(policy['extends']))}, and a checkpoint holds its policy whole"
    if not isinstance(policy.get("name"), str):
        yield f"policy's name is {shorten(repr(policy.get('name')))}, no text"
    if not all(isinstance(name, str) for name in header["aliases"].values()):
        yield "aliases are no names for names"
    if header.get("dtype") not in _DTYPES:
        yield f"dtype is {shorten(repr(header.get('dtype')))}; there are: {', '.join(_DTYPES)}"
    if not isinstance(versions, dict) or not all(isinstance(item, str | None) for item in versions.values()):
        yield "lock names no distributions and their versions"
