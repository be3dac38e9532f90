"""The JSON Schema of policy files, from the configs that are installed: for editors that check and complete."""

from __future__ import annotations

import enum
import types
import typing
from math import isfinite
from typing import TYPE_CHECKING, Any

import attrs

from glulam.catalog import PluginError
from glulam.config import ObsShaperConfig
from glulam.describe import docstring, field_docs
from glulam.keys import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glulam.catalog import Entry, Registry

__all__ = ["policy_schema"]

Schema = dict[str, Any]

NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "The layer's own name."}
SCALARS: dict[Any, str] = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
COMPARISONS = {">": "exclusiveMinimum", ">=": "minimum", "<": "exclusiveMaximum", "<=": "maximum"}


def policy_schema(registry: Registry) -> tuple[Schema, list[PluginError]]:
    """Return the schema (JSON Schema, draft 7) and the errors of plugins that it therefore leaves out."""
    shapers: dict[str, Schema] = {}
    layers: dict[str, Schema] = {}
    errors: list[PluginError] = []
    for name in registry.layers:
        for entry in registry.layers.claims(name):
            try:
                cls = entry.load()
                names = [name, entry.qualified] if len(registry.layers.claims(name)) == 1 else [entry.qualified]
                kinds = shapers if issubclass(cls, ObsShaperConfig) else layers
                kinds[entry.qualified] = _layer(entry, cls, names, shares=kinds is layers)
            except PluginError as error:
                errors.append(error)
    definitions = {"shaper": _entry(shapers), "layer": _entry(layers)}
    definitions |= shapers | layers
    return _policy(definitions, sorted(registry.policies)), errors


def _policy(definitions: Mapping[str, Schema], policies: list[str]) -> Schema:
    # A $ref stands alone in an allOf: what is beside one is not read in draft 7.
    entry, shaper = ({"allOf": [{"$ref": f"#/definitions/{name}"}]} for name in ("layer", "shaper"))
    entries = {"type": "array", "items": entry}
    insert = {
        "type": "object",
        "properties": {"before": {"type": "string"}, "after": {"type": "string"}, "layers": entries},
        "required": ["layers"],
        "oneOf": [{"required": ["before"]}, {"required": ["after"]}],
        "additionalProperties": False,
    }
    properties = {
        "glulam": {"const": 1, "description": "The version of the file format."},
        "name": {"type": "string", "description": "The policy's name."},
        "extends": {
            "type": "string",
            "description": "The policy that this one changes: a registered name, or a YAML file beside this one.",
            "examples": policies,
        },
        "obs_shaper": shaper | {"description": "What turns the environment's observations into tensors."},
        "layers": entries | {"description": "The layers in the order of execution."},
        "action_head": entry | {"description": "What chooses actions and scores them."},
        "set": {
            "type": "object",
            "propertyNames": {"pattern": r"^[^.]+\.[^.]+$"},
            "description": "Fields of the extended policy's layers that have other values: LAYER.FIELD: VALUE.",
        },
        "insert": {"type": "array", "items": insert, "description": "Layers to add, each group beside a layer."},
        "replace": {
            "type": "object",
            "additionalProperties": {"anyOf": [entry, shaper]},
            "description": "Layers to put in the place of others, by the names of those.",
        },
        "remove": {"type": "array", "items": {"type": "string"}, "description": "Names of layers to leave out."},
        "policy": {"type": "string", "description": "A policy written as a Python class."},
        "config": {"type": "object", "description": "The fields of that class."},
    }
    whole = {"required": ["obs_shaper", "layers", "action_head"]} | _without("set", "insert", "replace", "remove")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "glulam policy",
        "type": "object",
        "properties": properties,
        "required": ["glulam"],
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": _without("layers"),
        "else": {"if": {"required": ["policy"]}, "else": whole},
        "definitions": definitions,
    }


def _without(*names: str) -> Schema:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def _entry(kinds: Mapping[str, Schema]) -> Schema:
    """Return the schema of an entry: a kind's name alone, or a mapping whose fields its kind decides."""
    names = sorted(name for schema in kinds.values() for name in schema["properties"]["layer"]["enum"])
    branches = [
        {
            "if": {"properties": {"layer": schema["properties"]["layer"]}, "required": ["layer"]},
            "then": {"$ref": f"#/definitions/{kind}"},
        }
        for kind, schema in kinds.items()
    ]
    described = {"enum": names, "description": "The kind of layer, as `glulam list` shows them."}
    mapping = {"properties": {"layer": described}, "required": ["layer"], "allOf": branches}
    return {"type": ["object", "string"], "if": {"type": "string"}, "then": {"enum": names}, "else": mapping}


def _layer(entry: Entry, cls: type, names: list[str], *, shares: bool) -> Schema:
    properties: dict[str, Schema] = {"layer": {"enum": names}, "name": NAME}
    if shares:
        properties["share"] = {"type": "string", "description": "The layer whose weights this one uses."}
    description = f"{docstring(cls)}\n\nFrom {entry.owner}."
    if not attrs.has(cls):  # a structural config: nobody can tell its fields
        return {"type": "object", "description": description, "properties": properties, "required": ["layer"]}
    docs = field_docs(cls)
    fields = [field for field in attrs.fields(attrs.resolve_types(cls)) if field.init]
    for field in fields:
        properties[field.alias or field.name] = _field(field, docs.get(field.name, ""))
    required = [field.alias or field.name for field in fields if field.default is attrs.NOTHING]
    schema: Schema = {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": ["layer"],
        "additionalProperties": False,
    }
    # A layer that shares weights takes the fields that it leaves out from their owner.
    return schema | ({"if": {"required": ["share"]}, "else": {"required": required}} if required else {})


def _field(field: attrs.Attribute[Any], doc: str) -> Schema:
    spec = field.metadata.get(KEY)
    if spec is None:
        schema = _constrained(_type(field.type), field.validator)
    else:
        key: Schema = {"type": "string", "minLength": 1}
        schema = {"type": "array", "items": key} if spec.many else key
        if spec.optional:
            schema = {"anyOf": [schema, {"type": "null"}]}
        doc = f"{doc} ({spec.direction}s {spec.dtype} [{spec.shape}])".strip()
    if doc:
        schema["description"] = doc
    if isinstance(field.default, (bool, int, str)) or (isinstance(field.default, float) and isfinite(field.default)):
        schema["default"] = field.default
    return schema


def _type(kind: Any) -> Schema:  # noqa: ANN401 - any annotation
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(item) for item in arguments]}
    if origin in (list, tuple, dict):
        return _collection(origin, arguments)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [item.value for item in kind]}
    if isinstance(kind, type) and attrs.has(kind):
        return _nested(kind)
    name = SCALARS.get(type(None) if kind is None else kind)
    return {"type": name} if name else {}


def _collection(origin: type, arguments: tuple[Any, ...]) -> Schema:
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin is list or arguments[-1] is ...:
        return {"type": "array", "items": _type(arguments[0])}
    return {"type": "array", "items": [_type(item) for item in arguments], "additionalItems": False}


def _nested(cls: type) -> Schema:
    fields = [field for field in attrs.fields(attrs.resolve_types(cls)) if field.init]
    required = [field.alias or field.name for field in fields if field.default is attrs.NOTHING]
    properties = {field.alias or field.name: _field(field, "") for field in fields}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _constrained(schema: Schema, validator: Any) -> Schema:  # noqa: ANN401 - any attrs validator
    """Return a schema with the limits that a validator sets, where they can be said in one."""
    for found in getattr(validator, "_validators", (validator,)):
        inner = getattr(found, "validator", None)
        if inner is not None and type(found).__name__ == "_OptionalValidator":
            branches = schema.get("anyOf", ())
            limited = [item if item.get("type") == "null" else _constrained(item, inner) for item in branches]
            schema = schema | {"anyOf": limited} if branches else _constrained(schema, inner)
        else:
            schema = schema | _limits(schema, found)
    return schema


def _limits(schema: Schema, validator: Any) -> Schema:  # noqa: ANN401 - any attrs validator
    kind = type(validator).__name__
    if kind == "_NumberValidator":
        return {COMPARISONS[validator.compare_op]: validator.bound}
    if kind == "_InValidator":
        return {"enum": list(validator.options)}
    if kind in ("_MinLengthValidator", "_MaxLengthValidator"):
        least = kind == "_MinLengthValidator"
        length = validator.min_length if least else validator.max_length
        return {f"{'min' if least else 'max'}{'Items' if schema.get('type') == 'array' else 'Length'}": length}
    if kind == "_MatchesReValidator" and validator.match_func.__name__ in ("match", "fullmatch"):
        end = "$" if validator.match_func.__name__ == "fullmatch" else ""
        return {"pattern": f"^(?:{validator.pattern.pattern}){end}"}
    if kind == "_DeepIterable" and isinstance(schema.get("items"), dict):
        return {"items": _constrained(schema["items"], validator.member_validator)}
    return {}
