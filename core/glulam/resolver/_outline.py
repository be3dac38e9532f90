"""A policy file's sections, with those of the policies that it extends, before any layer is looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam._guard import PLUGIN_ERRORS, told
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

__all__ = ["FORMAT", "Outline", "find_source", "header_faults", "missing_roles", "outline_document"]

FORMAT = 1
LONGEST_CHAIN = 50
SECTIONS = ("obs_shaper", "layers", "action_head")
TOP_FIELDS = ("glulam", "name", "extends", *SECTIONS, *CHANGES)


@attrs.define
class Outline:
    """The entries of a policy in order of execution.

    `is_whole` is False if there are none to speak of, `has_lost` is True if some could not be read or placed,
    `lacks_base` if what it extends is not to be had.
    """

    document: Document
    name: str = "policy"
    obs_shaper: Piece | None = None
    layers: list[Piece] = attrs.field(factory=list)
    action_head: Piece | None = None
    faults: list[Fault] = attrs.field(factory=list)
    is_whole: bool = True
    has_lost: bool = False
    lacks_base: bool = False

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
    return loaded if isinstance(loaded, Document) else _default_config(loaded, text)


def _default_config(cls: type[PolicyConfig], name: str) -> PolicyConfig:
    try:
        return cls()
    except PLUGIN_ERRORS as error:
        remedy = f"name its fields in a file: 'policy: {name}' and 'config: {{...}}'"
        fault = Fault(
            code="GL103", message=f"{cls.__name__}() raised {told(error)}", remedy=remedy, place=Place(file=name)
        )
        raise PolicyError([fault]) from error


def outline_document(document: Document, registry: Registry) -> Outline:
    """Return the outline of a policy file or mapping, all that it extends included, with the faults of each."""
    outline = _outline(document, registry, ())
    value = document.value
    if outline.is_whole and isinstance(value, dict) and not outline.lacks_base:
        # A misspelt section is reported once, as the unknown field that it is.
        guesses = {nearest(str(field), TOP_FIELDS) for field in document.value if field not in TOP_FIELDS}
        there = {piece.role for piece in outline.pieces} | {role for role in SECTIONS if role in guesses}
        outline.faults += missing_roles(document, there)
        if "layers" not in value and "extends" not in value:
            outline.has_lost = True
            if "layers" not in guesses:
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
    outline.faults += _section_faults(document, value)
    misspelt = {nearest(str(field), TOP_FIELDS) for field in value if field not in TOP_FIELDS}
    outline.has_lost = bool(misspelt & {"layers", "extends", *CHANGES}) or ("extends" in value and "layers" in value)
    if "extends" in value:
        _extend(outline, registry, chain)
    _take_sections(outline, value)
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
    if "layers" not in value or "extends" in value:
        return  # a list of layers beside `extends` is refused above
    outline.has_lost |= not isinstance(layers, list)
    if layers is UNKNOWN:
        return
    if isinstance(layers, list):
        outline.layers += [Piece("layer", as_entry(e), document, ("layers", i)) for i, e in enumerate(layers)]
    else:
        found = f"layers is {shorten(repr(layers))}, no list"
        outline.faults.append(document.fault("GL104", found, "write a list of layers", "layers"))


def header_faults(document: Document) -> Iterator[Fault]:
    """Yield what is wrong with a document's format version and name."""
    value = document.value
    if "glulam" not in value:
        if "glulam" not in {nearest(str(field), TOP_FIELDS) for field in value if field not in TOP_FIELDS}:
            yield document.fault("GL103", "the format version is missing", f"start with 'glulam: {FORMAT}'")
    elif value["glulam"] is not UNKNOWN and (value["glulam"] != FORMAT or isinstance(value["glulam"], bool)):
        found = f"format {shorten(repr(value['glulam']))}; this glulam reads format {FORMAT}"
        yield document.fault("GL104", found, f"write 'glulam: {FORMAT}'", "glulam")
    name = value.get("name", "")
    if name is not UNKNOWN and not isinstance(name, str):
        yield document.fault("GL104", f"name is {shorten(repr(name))}, no string", "quote it", "name")


def _section_faults(document: Document, value: Mapping[str, Any]) -> Iterator[Fault]:
    for field in value:
        if field not in TOP_FIELDS:
            remedy = suggestion(str(field), TOP_FIELDS, f"remove it; there are: {', '.join(TOP_FIELDS)}")
            yield document.fault("GL102", f"unknown field {shorten(repr(field))}", remedy, field, key=True)
    yield from header_faults(document)
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
    if parent is not None and len(chain) > LONGEST_CHAIN:
        found = f"a chain of over {LONGEST_CHAIN} policies, each of which extends the next"
        outline.faults.append(document.fault("GL106", found, "extend fewer", "extends"))
        parent = None
    base = Outline(document, is_whole=False) if parent is None else _outline(parent, registry, chain)
    outline.faults += base.faults
    outline.name, outline.lacks_base = base.name, base.lacks_base or not base.is_whole
    outline.has_lost |= base.has_lost or outline.lacks_base
    outline.obs_shaper, outline.layers, outline.action_head = base.obs_shaper, base.layers, base.action_head


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # a name that the file system cannot hold


def _parent(document: Document, wanted: Any, registry: Registry) -> Document:  # noqa: ANN401 - any YAML value
    """Return the document of the policy that another extends.

    Raises:
        PolicyError: GL106 if there is none, or the faults for which it cannot be read.
    """
    if not isinstance(wanted, str) or not wanted:
        message, remedy = f"extends is {shorten(repr(wanted))}, no policy", "name a policy or a YAML file"
    elif wanted.endswith((".yaml", ".yml")):
        path = Path(document.file).parent / wanted if document.file else Path(wanted)
        if _is_there(path):
            return read_document(path)
        message, remedy = f"extends {shorten(repr(wanted))}, but there is no file {path}", "check the path"
    else:
        try:
            resource = registry.policies.find(wanted).resource
        except PluginError as error:
            if error.code != "GL201":
                fault = document.fault(error.code, error.message, error.remedy, "extends")
                raise PolicyError([fault]) from error
            message, remedy = f"extends an {error.message}", error.remedy
        else:
            if resource is not None:
                return read_document(resource)
            message, remedy = f"extends {wanted!r}, a Python class", "extend a policy that is a YAML file"
    raise PolicyError([document.fault("GL106", message, remedy, "extends")])
