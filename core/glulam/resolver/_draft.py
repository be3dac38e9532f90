"""The first pass: a policy's entries become drafts of layers, each with its place and the class it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from glulam._unknown import UNKNOWN
from glulam.catalog import Catalog, Entry, PluginError
from glulam.config import LayerConfig, ObsShaperConfig, PolicyConfig
from glulam.document import Document, format_path
from glulam.faults import Fault, is_slip, nearest, shorten, suggestion
from glulam.keys import declared_keys
from glulam.kinds import is_layer, mistake
from glulam.resolver._outline import missing_roles
from glulam.resolver._piece import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.catalog import Registry
    from glulam.document import PathParts
    from glulam.resolver._outline import Outline
    from glulam.resolver._piece import Piece

__all__ = ["Draft", "DraftLayer", "draft_config", "draft_outline"]

ENTRY_FIELDS = ("layer", "name", "share")
ROLES = ("obs_shaper", "layer", "action_head")


@attrs.define(eq=False)
class DraftLayer:
    """A layer on its way from text to a complete config.

    `origins` says where a field stands that an extending file has set. Fields of `config` in which a fault was
    found are `UNKNOWN`; a layer whose class is not known has no config at all. `shares` says that weights are to
    be shared, `share` with whom, if that is known.
    """

    role: str
    name: str
    parts: PathParts
    document: Document
    kind: str = ""
    raw: dict[str, Any] = attrs.field(factory=dict)
    share: str | None = None
    shares: bool = False
    origins: dict[str, tuple[Document, PathParts]] = attrs.field(factory=dict)
    entry: Entry | None = None
    cls: type | None = None
    config: Any = None
    is_broken: bool = False
    is_misplaced: bool = False

    @property
    def line(self) -> int | None:
        """The line on which the layer's entry starts, where it stands in a file."""
        return self.document.place(*self.parts).line

    def fault(self, code: str, message: str, remedy: str, *field: str, key: bool = False) -> Fault:
        """Return a fault of this layer, placed at one of its fields."""
        self.is_broken = True
        document, parts = self.document, (*self.parts, *field)
        if field and field[0] in self.origins:
            document, parts = self.origins[field[0]]
        place = document.place(*parts, key=key)
        owner = self.entry.owner if self.entry else None
        return Fault(code=code, message=message, remedy=remedy, place=place, layer=self.name, distribution=owner)


@attrs.define
class Draft:
    """A policy before its layers are checked.

    `custom` is a config that builds its policy itself; `is_whole` and `has_lost` are those of the outline.
    """

    name: str
    document: Document
    layers: list[DraftLayer]
    faults: list[Fault]
    custom: PolicyConfig | None = None
    is_whole: bool = True
    has_lost: bool = False


def draft_outline(outline: Outline, registry: Registry) -> Draft:
    """Return the draft of a policy file or mapping, with the faults of its entries."""
    draft = Draft(outline.name, outline.document, [], list(outline.faults))
    draft.is_whole, draft.has_lost = outline.is_whole, outline.has_lost
    for piece in outline.pieces:
        layer = _draft_layer(piece, draft.faults)
        _look_up(layer, registry.layers, draft.faults)
        draft.layers.append(layer)
    _name_owners(draft)
    return draft


def _name_owners(draft: Draft) -> None:
    """Give the faults of single values the layer in whose entry the value stands."""
    owners: dict[tuple[str | None, str], DraftLayer] = {}
    for layer in draft.layers:
        for document, parts in [(layer.document, layer.parts), *layer.origins.values()]:
            owners[document.file, format_path(parts, document.root)] = layer
    for number, fault in enumerate(draft.faults):
        path = fault.place.path
        while fault.layer is None and path:
            owner = owners.get((fault.place.file, path))
            if owner is not None:
                distribution = owner.entry.owner if owner.entry else None
                draft.faults[number] = attrs.evolve(fault, layer=owner.name or None, distribution=distribution)
                break
            path = path[: max(path.rfind("."), path.rfind("["), 0)]


def draft_config(config: PolicyConfig, registry: Registry) -> Draft:
    """Return the draft of a policy written as a Python config; places are attribute paths."""
    cls, shares = type(config), dict(config.shares or {})
    document = Document(value=None, root=cls.__name__)
    draft = Draft(getattr(config, "name", cls.__name__), document, [], [])
    if cls.is_custom():
        draft.custom = config
        return draft
    if not attrs.has(cls):
        remedy = "decorate it with attrs.frozen"
        draft.faults.append(document.fault("GL104", f"{cls.__name__} is not an attrs class", remedy))
        return draft
    for field in attrs.fields(cls):
        value = getattr(config, field.name)
        if field.name == "name":
            continue
        wrong = mistake("layers", type(value)) if is_layer(value) else f"{shorten(repr(value))}, no layer config"
        if wrong is not None:
            fault = document.fault("GL104", f"{field.name} is {wrong}", "give it a layer config", field.name)
            draft.faults.append(fault)
            broken = DraftLayer(_role(field.name), field.name, (field.name,), document, is_broken=True)
            draft.layers.append(broken)
            continue
        layer = DraftLayer(_role(field.name), field.name, (field.name,), document, type(value).__name__)
        layer.config, layer.cls, layer.share = value, type(value), shares.get(field.name)
        layer.shares = layer.share is not None
        layer.entry = registry.layers.entry_of(type(value))
        draft.layers.append(layer)
        if not NAME.fullmatch(field.name):
            remedy = "use lower-case letters, digits and _, a letter first"
            draft.faults.append(layer.fault("GL104", f"{field.name!r} is no layer name", remedy))
        _check_role(layer, draft.faults)
    for name in sorted(set(shares) - {layer.name for layer in draft.layers}):
        remedy = suggestion(name, [layer.name for layer in draft.layers], "name a layer of this policy")
        draft.faults.append(document.fault("GL104", f"shares names {name!r}, which is no layer", remedy, "shares"))
    draft.layers.sort(key=lambda layer: ROLES.index(layer.role))
    draft.faults += missing_roles(document, {layer.role for layer in draft.layers})
    return draft


def _role(name: str) -> str:
    return name if name in ROLES else "layer"


def _draft_layer(piece: Piece, faults: list[Fault]) -> DraftLayer:
    entry = piece.value
    if entry is UNKNOWN:
        return DraftLayer(piece.role, "", piece.parts, piece.document, is_broken=True)
    if not isinstance(entry, dict):
        found = f"a layer is a mapping, found {shorten(repr(entry))}"
        faults.append(piece.document.fault("GL104", found, "write {layer: NAME, ...}", *piece.parts))
        return DraftLayer(piece.role, "", piece.parts, piece.document, is_broken=True)
    reserved = ENTRY_FIELDS if piece.role == "layer" else ENTRY_FIELDS[:2]
    raw = {key: value for key, value in entry.items() if key not in reserved}
    layer = DraftLayer(piece.role, piece.name, piece.parts, piece.document, raw=raw, origins=piece.origins)
    layer.is_misplaced = piece.is_misplaced
    faults += _entry_faults(layer, entry)
    return layer


def _entry_faults(layer: DraftLayer, entry: dict[str, Any]) -> Iterator[Fault]:
    """Take kind, name and share from an entry; yield what is wrong with them."""
    kind, name, share = entry.get("layer"), entry.get("name", layer.name), entry.get("share")
    if isinstance(kind, str) and kind:
        layer.kind = kind
    elif "layer" in entry and kind is not UNKNOWN:
        yield layer.fault("GL104", f"layer is {shorten(repr(kind))}, no name", "write the name of a layer", "layer")
    elif "layer" not in entry:
        # Reported alone: without its kind nothing else can be said of the entry.
        close = next((field for field in entry if nearest(str(field), ["layer"])), None)
        remedy = f"write 'layer' for {close!r}" if close else "add 'layer: NAME'"
        yield layer.fault("GL103", "the field 'layer' is missing", remedy)
    if "name" in entry and name is not UNKNOWN and not (isinstance(name, str) and NAME.fullmatch(name)):
        remedy = "use lower-case letters, digits and _, a letter first"
        layer.name = str(name)
        yield layer.fault("GL104", f"{shorten(repr(name))} is no layer name", remedy, "name")
    layer.shares = layer.role == "layer" and share is not None
    if not layer.shares or share is UNKNOWN:
        return
    if isinstance(share, str):
        layer.share = share
    else:
        yield layer.fault("GL104", f"share is {shorten(repr(share))}, no layer's name", "name a layer", "share")


def _meant(kind: str, layers: Catalog) -> tuple[Entry | None, type | None]:
    """Return the layer that a misspelt name stands for, so that the rest of its entry can be checked as well."""
    close = nearest(kind, layers)
    if close is None or not is_slip(kind, close):
        return None, None
    try:
        entry = layers[close]
        return entry, entry.load()
    except PluginError:
        return None, None  # nobody named it, so that it is broken is not to be told


def _look_up(layer: DraftLayer, layers: Catalog, faults: list[Fault]) -> None:
    if not layer.kind:
        return
    try:
        layer.entry = layers.find(layer.kind)
        layer.cls = layer.entry.load()
    except PluginError as error:
        faults.append(layer.fault(error.code, error.message, error.remedy, "layer"))
        layer.entry, layer.cls = _meant(layer.kind, layers) if error.code == "GL201" else (layer.entry, None)
    if layer.cls is None:
        return
    if not layer.is_broken and not NAME.fullmatch(layer.name):
        found = f"the name of its kind, {shorten(repr(layer.name))}, is no layer name"
        faults.append(layer.fault("GL104", found, "add 'name: NAME', of lower-case letters, digits and _", "layer"))
    _check_role(layer, faults, "layer")


def _check_role(layer: DraftLayer, faults: list[Fault], *field: str) -> None:
    """Report an observation shaper, a layer or an action head that stands in another's place, and no more of it."""
    cls = layer.cls or object
    if not issubclass(cls, (LayerConfig, ObsShaperConfig)):
        return  # a structural config says nothing of what it is
    acts = any(spec.phase == "act" for spec in declared_keys(cls).values())
    found = "observation shaper" if issubclass(cls, ObsShaperConfig) else "action head" if acts else "layer"
    wanted = layer.role.replace("obs_shaper", "observation shaper").replace("_", " ")
    if found == wanted:
        return
    message = f"{layer.kind!r} is {_article(found)}, where {_article(wanted)} is wanted"
    homes = {
        "observation shaper": "under 'obs_shaper'",
        "action head": "under 'action_head'",
        "layer": "under 'layers'",
    }
    faults.append(layer.fault("GL104", message, f"name {_article(wanted)} here, or this one {homes[found]}", *field))
    layer.cls = layer.config = None


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "ao" else f"a {noun}"
