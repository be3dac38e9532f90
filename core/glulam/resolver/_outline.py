"""A policy file's sections, with those of the policies that it extends, before any layer is looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam._unknown import UNKNOWN
from glulam.catalog import PluginError
from glulam.document import Document, read_document
from glulam.faults import Fault, Place, PolicyError, nearest, shorten, suggestion
from glulam.resolver._changes import CHANGES, apply_changes
from glulam.resolver._piece import Piece, as_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glulam.catalog import Registry
    from glulam.config import PolicyConfig

__all__ = ["FORMAT", "Outline", "find_source", "missing_roles", "outline_document"]

FORMAT = 1
SECTIONS = ("obs_shaper", "layers", "action_head")
TOP_FIELDS = ("glulam", "name", "extends", *SECTIONS, *CHANGES)


@attrs.define
class Outline:
    """The entries of a policy in order of execution; `is_whole` is False if some of them could not be read."""

    document: Document
    name: str = "policy"
    obs_shaper: Piece | None = None
    layers: list[Piece] = attrs.field(factory=list)
    action_head: Piece | None = None
    faults: list[Fault] = attrs.field(factory=list)
    is_whole: bool = True

    @property
    def pieces(self) -> list[Piece]:
        """All entries, the ends among them."""
        return [piece for piece in (self.obs_shaper, *self.layers, self.action_head) if piece is not None]


def find_source(source: str | Path, registry: Registry) -> Document | PolicyConfig:
    """Return what a name or a path stands for.

    Raises:
        PolicyError: if it is neither a file nor a registered policy, or does not load.
    """
    text = str(source)
    if isinstance(source, Path) or text.endswith((".yaml", ".yml")):
        return read_document(Path(source))
    try:
        entry = registry.policies.find(text)
        resource = entry.resource
        loaded = read_document(resource) if resource else entry.load()
    except PluginError as error:
        place = Place(path="$", file=text)
        raise PolicyError([Fault(code=error.code, message=error.message, remedy=error.remedy, place=place)]) from error
    return loaded() if isinstance(loaded, type) else loaded


def outline_document(document: Document, registry: Registry) -> Outline:
    """Return the outline of a policy file or mapping, all that it extends included, with the faults of each."""
    outline = _outline(document, registry, ())
    if outline.is_whole and isinstance(document.value, dict):
        # A misspelt section is reported once, as the unknown field that it is.
        guesses = {nearest(str(field), TOP_FIELDS) for field in document.value if field not in TOP_FIELDS}
        there = {piece.role for piece in outline.pieces} | {role for role in SECTIONS if role in guesses}
        outline.faults += missing_roles(document, there)
        if "layers" not in {*document.value, *guesses} and "extends" not in document.value:
            found = "the list of layers is missing"
            outline.faults.append(document.fault("GL103", found, "write 'layers:' and a list"))
    return outline


def missing_roles(document: Document, roles: set[str]) -> Iterator[Fault]:
    """Yield a fault for each end of a policy that is not there."""
    if "obs_shaper" not in roles:
        yield document.fault("GL504", "no observation shaper", "add 'obs_shaper: {layer: token_shaper}'")
    if "action_head" not in roles:
        yield document.fault("GL103", "no action head", "add 'action_head: {layer: action_distribution}'")


def _outline(document: Document, registry: Registry, chain: tuple[str, ...]) -> Outline:
    value = document.value
    outline = Outline(document, faults=list(document.faults))
    if not isinstance(value, dict):
        if value is not UNKNOWN:
            found = "nothing" if value is None else shorten(repr(value))
            fault = document.fault("GL103", f"a policy is a mapping, found {found}", f"start with 'glulam: {FORMAT}'")
            outline.faults.append(fault)
        outline.is_whole = False
        return outline
    outline.faults += _header_faults(document, value)
    if "extends" in value:
        _extend(outline, registry, chain)
    _take_sections(outline, value)
    if outline.is_whole:
        apply_changes(outline, value, document)
    return outline


def _take_sections(outline: Outline, value: Mapping[str, Any]) -> None:
    """Put what a document says itself in the place of what it extends."""
    document = outline.document
    if isinstance(value.get("name"), str):
        outline.name = value["name"]
    for role in ("obs_shaper", "action_head"):
        if value.get(role) is not None:
            setattr(outline, role, Piece(role, as_entry(value[role]), document, (role,)))
    layers = value.get("layers")
    if "layers" not in value or "extends" in value or layers is UNKNOWN:
        return  # a list of layers beside `extends` is refused above
    if isinstance(layers, list):
        outline.layers += [Piece("layer", as_entry(e), document, ("layers", i)) for i, e in enumerate(layers)]
    else:
        found = f"layers is {shorten(repr(layers))}, no list"
        outline.faults.append(document.fault("GL104", found, "write a list of layers", "layers"))


def _header_faults(document: Document, value: Mapping[str, Any]) -> Iterator[Fault]:
    for field in value:
        if field not in TOP_FIELDS:
            remedy = suggestion(str(field), TOP_FIELDS, f"remove it; there are: {', '.join(TOP_FIELDS)}")
            yield document.fault("GL102", f"unknown field {shorten(repr(field))}", remedy, field, key=True)
    if "glulam" not in value:
        if "glulam" not in {nearest(str(field), TOP_FIELDS) for field in value if field not in TOP_FIELDS}:
            yield document.fault("GL103", "the format version is missing", f"start with 'glulam: {FORMAT}'")
    elif value["glulam"] is not UNKNOWN and (value["glulam"] != FORMAT or isinstance(value["glulam"], bool)):
        found = f"format {shorten(repr(value['glulam']))}; this glulam reads format {FORMAT}"
        yield document.fault("GL104", found, f"write 'glulam: {FORMAT}'", "glulam")
    name = value.get("name", "")
    if name is not UNKNOWN and not isinstance(name, str):
        yield document.fault("GL104", f"name is {shorten(repr(name))}, no string", "quote it", "name")
    if "extends" in value and value.get("layers") is not None:
        remedy = "add layers by 'insert', change them by 'set' and 'replace'"
        yield document.fault("GL104", "a policy that extends another has no list of layers", remedy, "layers", key=True)
    for field in CHANGES:
        if field in value and "extends" not in value:
            remedy = "add 'extends: POLICY', or change the layers themselves"
            yield document.fault("GL103", f"{field!r} changes a policy that is extended", remedy, field, key=True)


def _extend(outline: Outline, registry: Registry, chain: tuple[str, ...]) -> None:
    """Fill an outline with that of the policy that its document extends, or mark it as not whole."""
    document = outline.document
    wanted = document.value["extends"]
    chain = (*chain, os.path.realpath(document.file)) if document.file else chain
    parent: Document | None = None
    if wanted is not UNKNOWN:
        try:
            parent = _parent(document, wanted, registry)
        except PolicyError as error:
            outline.faults += error.faults
    if parent is not None and parent.file and os.path.realpath(parent.file) in chain:
        files = [Path(file).name for file in (*chain[chain.index(os.path.realpath(parent.file)) :], parent.file)]
        found = f"policies extend each other in a circle: {' extends '.join(files)}"
        outline.faults.append(document.fault("GL106", found, "let one of them stand alone", "extends"))
        parent = None
    if parent is None:
        outline.is_whole = False
        return
    base = _outline(parent, registry, chain)
    outline.faults += base.faults
    outline.name, outline.is_whole = base.name, base.is_whole
    outline.obs_shaper, outline.layers, outline.action_head = base.obs_shaper, base.layers, base.action_head


def _parent(document: Document, wanted: Any, registry: Registry) -> Document:  # noqa: ANN401 - any YAML value
    """Return the document of the policy that another extends.

    Raises:
        PolicyError: GL106 if there is none, or the faults for which it cannot be read.
    """
    if not isinstance(wanted, str) or not wanted:
        message, remedy = f"extends is {shorten(repr(wanted))}, no policy", "name a policy or a YAML file"
    elif wanted.endswith((".yaml", ".yml")):
        path = Path(document.file).parent / wanted if document.file else Path(wanted)
        if path.is_file():
            return read_document(path)
        message, remedy = f"extends {shorten(repr(wanted))}, but there is no file {path}", "check the path"
    else:
        try:
            resource = registry.policies.find(wanted).resource
        except PluginError as error:
            message, remedy = error.message, error.remedy
            message = f"extends an {message}" if error.code == "GL201" else message
        else:
            if resource is not None:
                return read_document(resource)
            message, remedy = f"extends {wanted!r}, a Python class", "extend a policy that is a YAML file"
    raise PolicyError([document.fault("GL106", message, remedy, "extends")])
