"""The second pass: the raw fields of each layer become its config; one that shares weights takes its owner's."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import attrs

from glulam._guard import PLUGIN_ERRORS, told
from glulam._unknown import UNKNOWN
from glulam.faults import Suggestions, shorten
from glulam.keys import declared_keys
from glulam.kinds import is_layer
from glulam.structure import check_fields, structure_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glulam.faults import Fault
    from glulam.resolver._draft import DraftLayer

__all__ = ["check_shared", "structure_layers"]

KEYS = ("in_keys", "out_keys")


def structure_layers(layers: list[DraftLayer], faults: list[Fault]) -> None:
    """Give each layer its config; one that shares weights takes the fields that it leaves out from their owner."""
    owners: dict[str, DraftLayer] = {}
    suggestions = Suggestions()
    for layer in layers:
        owners.setdefault(layer.name, layer)
        if not layer.shares:
            _structure(layer, faults)
    for layer in layers:
        if layer.shares:
            faults += _owner_faults(layer, owners, suggestions)
            owner = owners.get(layer.share) if layer.share else None
            _structure(layer, faults, _given(layer, owner))
            if owner is not None:
                faults += _differences(layer, owner)


def check_shared(layers: list[DraftLayer]) -> Iterator[Fault]:
    """Yield a fault for each width that follows from what a layer reads and differs from that of its weights."""
    owners = {layer.name: layer for layer in reversed(layers)}
    for layer in layers:
        owner = owners.get(layer.share) if layer.share else None
        if owner is None or layer.config is None or owner.config is None:
            continue
        for name in sorted(_widths(type(layer.config))):
            ours, theirs = getattr(layer.config, name), getattr(owner.config, name)
            if isinstance(ours, int) and isinstance(theirs, int) and ours != theirs:
                found = f"{name} is {ours}, but {owner.name!r}, whose weights it shares, has {theirs}"
                yield layer.fault("GL401", found, "read a key of the same width, or share no weights", "share")


def _given(layer: DraftLayer, owner: DraftLayer | None) -> dict[str, Any]:
    """Return the fields that a layer has from the owner of its weights; unknown ones where that is not known."""
    if layer.cls is None or not attrs.has(layer.cls):
        return {}
    if owner is not None and owner.config is not None and owner.cls is layer.cls:
        return _own_fields(owner)
    return {field.name: UNKNOWN for field in attrs.fields(layer.cls) if field.default is attrs.NOTHING}


def _differences(layer: DraftLayer, owner: DraftLayer) -> Iterator[Fault]:
    """Yield a fault for each field that is written and not equal to the owner's; it is unknown from then on."""
    if layer.config is None or owner.config is None or owner.cls is not layer.cls:
        return
    widths = _widths(type(layer.config))
    for name, theirs in _own_fields(owner).items():
        ours = getattr(layer.config, name)
        if ours is UNKNOWN or theirs is UNKNOWN or ours == theirs or (name in widths and None in (ours, theirs)):
            continue
        found = f"{name} is {shorten(repr(ours))}, but {owner.name!r}, whose weights it shares, has {theirs!r}"
        place = (name,) if name in layer.raw else ("share",)
        yield layer.fault("GL104", found, f"leave {name} out, or share no weights", *place)
        if layer.raw:  # the config was made from it, and is not somebody's own
            object.__setattr__(layer.config, name, UNKNOWN)


def _widths(cls: type) -> set[str]:
    """Return the fields that stand in the shapes of keys, and so may follow from what is read."""
    tokens = {token for spec in declared_keys(cls).values() for token in spec.shape.split()}
    return {field.name for field in attrs.fields(cls) if field.name in tokens} if attrs.has(cls) else set()


def _structure(layer: DraftLayer, faults: list[Fault], given: Mapping[str, Any] | None = None) -> None:
    """Give a drafted layer its config, its bad fields unknown, or report why it has none.

    `given` holds values for fields that the policy leaves out: those of the layer whose weights it shares.
    """
    if layer.cls is None:
        return
    if layer.config is not None:
        _check_given(layer, faults)
    elif not attrs.has(layer.cls):
        _construct(layer, faults)
    else:
        layer.config, problems = structure_fields(layer.cls, layer.raw, given)
        faults += [
            layer.fault(found.code, found.message, found.remedy, *found.place(layer.raw), key=found.at_key)
            for found in problems
        ]


def _construct(layer: DraftLayer, faults: list[Fault]) -> None:
    """Make a structural config, which declares no fields."""
    try:
        config = layer.cls(**layer.raw) if layer.cls else None
    except PLUGIN_ERRORS as error:
        faults.append(layer.fault("GL104", told(error), "mend the fields"))
        return
    wrong = None if is_layer(config) else "lacks in_keys or out_keys"
    wrong = wrong or next(
        (f"has {name} that are no list of keys" for name in KEYS if not _are_keys(config, name)), None
    )
    if wrong is None:
        layer.config = config
    else:
        faults.append(layer.fault("GL203", f"{type(config).__name__} {wrong}", "tell its authors", "layer"))


def _are_keys(config: Any, name: str) -> bool:  # noqa: ANN401 - the protocol is structural
    try:
        keys = getattr(config, name)
    except PLUGIN_ERRORS:
        return False
    return isinstance(keys, (list, tuple)) and all(isinstance(key, str) and key for key in keys)


def _check_given(layer: DraftLayer, faults: list[Fault]) -> None:
    """Check a config that was made in Python as if a file had said it; bad fields are unknown in a copy."""
    problems = check_fields(layer.config) if attrs.has(type(layer.config)) else []
    if problems:
        layer.config = copy(layer.config)
    for found in problems:
        faults.append(layer.fault(found.code, found.message, found.remedy, *found.place({found.field or "": 0})))
        object.__setattr__(layer.config, found.field or "", UNKNOWN)


def _owner_faults(layer: DraftLayer, owners: dict[str, DraftLayer], suggestions: Suggestions) -> Iterator[Fault]:
    wanted = layer.share
    if wanted is None:
        return  # reported already
    owner = owners.get(wanted)
    layer.share = None
    if owner is None or owner.role != "layer":
        known = (name for name, item in owners.items() if item.role == "layer" and item is not layer and name)
        remedy = suggestions(wanted, list(known), "name a layer of this policy")
        yield layer.fault("GL104", f"shares the weights of {shorten(repr(wanted))}, which is no layer", remedy, "share")
    elif owner is layer:
        yield layer.fault("GL104", "shares its own weights", "name another layer, or leave share out", "share")
    elif owner.share is not None:
        mutual = owner.share == layer.name
        remedy = "let one of the two have weights of its own" if mutual else f"write {owner.share!r}"
        yield layer.fault("GL104", f"shares the weights of {wanted!r}, which shares those of another", remedy, "share")
    elif owner.cls is not None and layer.cls is not None and owner.cls is not layer.cls:
        found = f"is a {layer.kind}, but {wanted!r}, whose weights it shares, is a {owner.kind}"
        yield layer.fault("GL104", found, f"share the weights of another {layer.kind}, or none", "share")
    else:
        layer.share = wanted


def _own_fields(layer: DraftLayer) -> dict[str, Any]:
    """Return the fields of a layer's config that name no keys."""
    if layer.config is None or not attrs.has(type(layer.config)):
        return {}
    keys = declared_keys(type(layer.config))
    return {
        field.name: getattr(layer.config, field.name)
        for field in attrs.fields(type(layer.config))
        if field.init and field.name not in keys
    }
