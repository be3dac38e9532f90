"""The first pass: a source (YAML, mapping, Python config) becomes a draft of layers, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam.catalog import Catalog, Entry, PluginError
from glulam.config import LayerConfig, ObsShaperConfig, PolicyConfig
from glulam.document import Document, read_document
from glulam.faults import Fault, Place, PolicyError, nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glulam.catalog import Registry

__all__ = ["Draft", "DraftLayer", "draft_config", "draft_document", "find_source"]

FORMAT = 1
TOP_FIELDS = ("glulam", "name", "obs_shaper", "layers", "action_head")
ENTRY_FIELDS = ("layer", "name")


@attrs.define
class DraftLayer:
    """A layer on its way from text to a complete config."""

    role: str
    name: str
    parts: tuple[str | int, ...]
    document: Document
    kind: str = ""
    raw: dict[str, Any] = attrs.field(factory=dict)
    entry: Entry | None = None
    cls: type | None = None
    config: Any = None

    @property
    def owner(self) -> str | None:
        """The distribution and version that the layer comes from."""
        return f"{self.entry.distribution} {self.entry.version}" if self.entry else None

    def fault(self, code: str, message: str, remedy: str, *field: str, key: bool = False) -> Fault:
        """Return a fault of this layer, placed at one of its fields."""
        place = self.document.place(*self.parts, *field, key=key)
        return Fault(code=code, message=message, remedy=remedy, place=place, layer=self.name, distribution=self.owner)


@attrs.define
class Draft:
    """A policy before its layers are checked; `custom` is a config that builds its policy itself."""

    name: str
    document: Document
    layers: list[DraftLayer]
    faults: list[Fault]
    custom: PolicyConfig | None = None


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


def draft_document(document: Document, registry: Registry) -> Draft:
    """Return the draft of a policy file or mapping, with the faults of its outline."""
    draft = Draft(name="policy", document=document, layers=[], faults=[])
    value = document.value
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        draft.faults.append(
            _fault(document, "GL103", f"a policy is a mapping, found {found}", "start with 'glulam: 1'")
        )
        return draft
    draft.faults += _outline_faults(document, value)
    draft.name = str(value.get("name", "policy"))
    for role, parts, entry in _entries(value):
        layer = _draft_layer(role, parts, entry, document, draft.faults)
        if layer is not None:
            _look_up(layer, registry.layers, draft.faults)
            draft.layers.append(layer)
    return draft


def draft_config(config: PolicyConfig) -> Draft:
    """Return the draft of a policy written as a Python config; places are attribute paths."""
    cls = type(config)
    document = Document(value=None, root=cls.__name__)
    draft = Draft(name=getattr(config, "name", cls.__name__), document=document, layers=[], faults=[])
    if cls.is_custom():
        draft.custom = config
        return draft
    if not attrs.has(cls):
        draft.faults.append(_fault(document, "GL104", f"{cls.__name__} is not an attrs class", "decorate it"))
        return draft
    for field in attrs.fields(cls):
        value = getattr(config, field.name)
        if field.name == "name":
            continue
        if not _is_layer(value):
            found = f"{field.name} is {type(value).__name__}, no layer config"
            draft.faults.append(_fault(document, "GL104", found, "give it a layer config", field.name))
            continue
        role = field.name if field.name in ("obs_shaper", "action_head") else "layer"
        layer = DraftLayer(role, field.name, (field.name,), document, kind=type(value).__name__, config=value)
        layer.cls = type(value)
        draft.layers.append(layer)
    draft.layers.sort(key=lambda layer: {"obs_shaper": 0, "layer": 1, "action_head": 2}[layer.role])
    roles = {layer.role for layer in draft.layers}
    draft.faults += _missing_roles(document, roles)
    return draft


def _is_layer(value: object) -> bool:
    if isinstance(value, (LayerConfig, ObsShaperConfig)):
        return True
    return all(hasattr(value, name) for name in ("instantiate", "in_keys", "out_keys"))


def _outline_faults(document: Document, value: Mapping[str, Any]) -> Iterator[Fault]:
    for field in value:
        if field not in TOP_FIELDS:
            remedy = suggestion(field, TOP_FIELDS, f"remove it; there are: {', '.join(TOP_FIELDS)}")
            place = document.place(field, key=True)
            yield Fault(code="GL102", message=f"unknown field {field!r}", remedy=remedy, place=place)
    if "glulam" not in value:
        yield _fault(document, "GL103", "the format version is missing", f"start with 'glulam: {FORMAT}'")
    elif value["glulam"] != FORMAT:
        found = f"format {value['glulam']!r}; this glulam reads format {FORMAT}"
        yield _fault(document, "GL104", found, f"write 'glulam: {FORMAT}'", "glulam")
    if "name" in value and not isinstance(value["name"], str):
        yield _fault(document, "GL104", f"name is {value['name']!r}, no string", "quote it", "name")
    # A misspelt section is reported once, as the unknown field that it is.
    guesses = {nearest(field, TOP_FIELDS) for field in value if field not in TOP_FIELDS}
    yield from _missing_roles(document, {role for role in TOP_FIELDS if value.get(role) is not None} | guesses)
    if not isinstance(value.get("layers", []), list) or ("layers" not in value and "layers" not in guesses):
        yield _fault(document, "GL103", "the list of layers is missing", "write 'layers:' and a list", "layers")


def _missing_roles(document: Document, roles: set[Any]) -> Iterator[Fault]:
    if "obs_shaper" not in roles:
        yield _fault(document, "GL504", "no observation shaper", "add 'obs_shaper: {layer: token_shaper}'")
    if "action_head" not in roles:
        yield _fault(document, "GL103", "no action head", "add 'action_head: {layer: action_distribution}'")


def _entries(value: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
    if value.get("obs_shaper") is not None:
        yield "obs_shaper", ("obs_shaper",), value["obs_shaper"]
    layers = value.get("layers")
    for index, entry in enumerate(layers if isinstance(layers, list) else ()):
        yield "layer", ("layers", index), entry
    if value.get("action_head") is not None:
        yield "action_head", ("action_head",), value["action_head"]


def _draft_layer(
    role: str, parts: tuple[str | int, ...], entry: object, document: Document, faults: list[Fault]
) -> DraftLayer | None:
    if isinstance(entry, str):
        entry = {"layer": entry}
    if not isinstance(entry, dict):
        found = f"a layer is a mapping, found {type(entry).__name__}"
        faults.append(_fault(document, "GL104", found, "write {layer: NAME, ...}", *parts))
        return None
    kind = entry.get("layer")
    if not isinstance(kind, str):
        # Reported alone: without its kind nothing else can be said of the entry.
        close = next((field for field in entry if nearest(str(field), ["layer"])), None)
        remedy = f"write 'layer' for {close!r}" if close else "add 'layer: NAME'"
        faults.append(_fault(document, "GL103", "the field 'layer' is missing", remedy, *parts))
        kind = ""
    default = kind.rpartition(":")[2] if role == "layer" else role
    name = entry.get("name", default)
    raw = {key: value for key, value in entry.items() if key not in ENTRY_FIELDS}
    layer = DraftLayer(role, str(name), parts, document, kind=kind, raw=raw)
    if not isinstance(name, str) or (kind and not _is_name(name)):
        remedy = "use lower-case letters, digits and _, a letter first"
        faults.append(layer.fault("GL104", f"{name!r} is no layer name", remedy, "name"))
    return layer


def _is_name(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").isalnum() and name[:1].isalpha() and name == name.lower()


def _look_up(layer: DraftLayer, layers: Catalog, faults: list[Fault]) -> None:
    if not layer.kind:
        return
    try:
        layer.entry = layers.find(layer.kind)
        layer.cls = layer.entry.load()
    except PluginError as error:
        faults.append(layer.fault(error.code, error.message, error.remedy, "layer"))
        return
    expected = ObsShaperConfig if layer.role == "obs_shaper" else LayerConfig
    wrong_role = isinstance(layer.cls, type) and issubclass(layer.cls, (LayerConfig, ObsShaperConfig))
    if wrong_role and not issubclass(layer.cls, expected):
        found = f"{layer.kind!r} is {'no' if layer.role == 'obs_shaper' else 'an'} observation shaper"
        remedy = "name an observation shaper here" if layer.role == "obs_shaper" else "name it under 'obs_shaper'"
        faults.append(layer.fault("GL104", found, remedy, "layer"))
        layer.cls = None
    elif not isinstance(layer.cls, type) or not hasattr(layer.cls, "instantiate"):
        found = f"{layer.entry.qualified} is {layer.cls!r}, no layer config class"
        faults.append(layer.fault("GL203", found, f"tell the authors of {layer.entry.distribution}", "layer"))
        layer.cls = None


def _fault(document: Document, code: str, message: str, remedy: str, *parts: str | int) -> Fault:
    return Fault(code=code, message=message, remedy=remedy, place=document.place(*parts))
