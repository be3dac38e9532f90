"""From a policy to its blueprint: the resolver is asked, and, where a world is given, the built policy too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from glulam._unknown import UNKNOWN, holds_unknown
from glulam.catalog import Registry
from glulam.describe import docstring, field_docs
from glulam.document import format_path
from glulam.inputs import OPTIONAL_INPUTS
from glulam.keys import declared_keys
from glulam.picture._blueprint import ENVIRONMENT, Blueprint, Board, Field, Line, Use, shown_dims
from glulam.resolver import key_fields, survey
from glulam.structure import plain_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from glulam.config import LossConfig
    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver import ResolvedPolicy, Source, Survey
    from glulam.resolver._dims import KeyInfo
    from glulam.resolver._draft import DraftLayer

__all__ = ["blueprint"]

ROLES = {"obs_shaper": "observation shaper", "layer": "layer", "action_head": "action head"}


def blueprint(
    source: Source,
    *,
    env: EnvSpec | str | None = None,
    losses: Iterable[str | Mapping[str, Any] | LossConfig] = (),
    rows: int | None = None,
    registry: Registry | None = None,
) -> Blueprint:
    """Return what a picture of a policy shows.

    Args:
        source: a name, a path, a mapping, a `PolicyConfig` or a `ResolvedPolicy`.
        env: the environment or its URI; without one nothing is built, so that costs, memory and what is stored are
            not known.
        losses: losses that are to be shown too, as `glulam.resolve` takes them.
        rows: measure the time of a step of so many rows; None: no time is measured.
        registry: what is installed; read afresh when None.

    Raises:
        GlulamError: if a layer cannot be built; faults that the resolver finds are in the blueprint.
    """
    registry = registry or Registry.installed()
    found = survey(source, env=env, losses=losses, registry=registry)
    drawn = _Drawing(found, registry).blueprint()
    if found.policy is None or found.env is None:
        return drawn
    from glulam.picture._measure import measured

    return measured(drawn, found.policy, rows, registry)


class _Drawing:
    """Follows the keys through the layers in order; what is read before it is written is a line of its own."""

    def __init__(self, found: Survey, registry: Registry) -> None:
        self.found, self.registry = found, registry
        self.names = {ENVIRONMENT}
        self.lines: list[Line] = []
        self.at: dict[str, int] = {}  # where a key's present line is
        self.faults = dict(enumerate(found.faults))

    def blueprint(self) -> Blueprint:
        env = self.found.env
        for key, info in self.found.keys.items():
            if info.writer == ENVIRONMENT:
                self._line(key, info, ENVIRONMENT)
        policy = self.found.policy
        boards = [self._board(layer) for layer in self.found.draft.layers]
        boards += self._custom(policy) if policy is not None and policy.custom is not None else ()
        boards += [self._loss(loss, number) for number, loss in enumerate(self.found.losses)]
        return Blueprint(
            name=self.found.draft.name,
            env=env.name if env else None,
            env_facts=tuple(_facts(env)) if env else (),
            boards=tuple(boards),
            lines=tuple(self.lines),
            faults=self.found.faults,
            advice=policy.advice if policy else (),
        )

    def _line(self, key: str, info: KeyInfo | None, writer: str | None, faults: tuple[int, ...] = ()) -> int:
        shape, dtype = (shown_dims(info.dims), info.dtype) if info else ("", "")
        batched = info.batched if info else True
        self.lines.append(Line(key=key, shape=shape, dtype=dtype, writer=writer, batched=batched, faults=faults))
        self.at[key] = len(self.lines) - 1
        return self.at[key]

    # --- a layer

    def _board(self, layer: DraftLayer) -> Board:
        name = _unique(layer.name or layer.role, self.names)
        self.names.add(name)
        faults = tuple(number for number, fault in self.faults.items() if _is_of(fault, layer))
        reads = tuple(self._read(layer, name, field, key) for field, key in _uses(layer, "read"))
        writes = tuple(self._write(layer, name, field, key) for field, key in _uses(layer, "write"))
        entry = layer.entry
        return Board(
            name=name,
            role=ROLES[layer.role],
            kind=layer.kind.rpartition(":")[2],
            distribution=entry.distribution if entry else "",
            version=entry.version if entry else "",
            doc=docstring(layer.cls) if layer.cls else "",
            reads=reads,
            writes=writes,
            fields=tuple(_fields(layer)),
            share=layer.share,
            faults=faults,
        )

    def _read(self, layer: DraftLayer, name: str, field: str | None, key: str) -> Use:
        faults = self._faults_at(layer, field)
        number = self.at.get(key)
        if number is None:
            number = self._line(key, None, None, faults)
            if not faults and key in OPTIONAL_INPUTS and self.found.env is not None:
                self.lines[number] = attrs.evolve(self.lines[number], absent=True)
        self.lines[number] = self.lines[number].read_by(name, faults)
        return Use(field, key, number)

    def _write(self, layer: DraftLayer, name: str, field: str | None, key: str) -> Use:
        spec = declared_keys(type(layer.config)).get(field or "")
        info = self.found.keys.get(key)
        number = self._line(key, info, name, self._faults_at(layer, field))
        return Use(field, key, number, spec.phase if spec else "both")

    def _faults_at(self, layer: DraftLayer, field: str | None) -> tuple[int, ...]:
        """Return the faults of the field that names a key."""
        if field is None:
            return ()
        paths = {format_path((*layer.parts, field), layer.document.root)}
        if field in layer.origins:
            document, parts = layer.origins[field]
            paths.add(format_path(parts, document.root))
        return tuple(number for number, fault in self.faults.items() if fault.place.path in paths)

    # --- what is no layer

    def _loss(self, loss: LossConfig, number: int) -> Board:
        cls = type(loss)
        entry = self.registry.losses.entry_of(cls)
        name = _unique(entry.name if entry else cls.__name__, self.names)
        self.names.add(name)
        used = {
            key: field
            for field, spec in declared_keys(cls).items()
            for key in _keys_in(getattr(loss, field))
            if spec.writer == "policy"
        }
        reads = []
        for key, field in used.items():
            place = self.at.get(key, -1)  # a policy that builds itself tells its keys when it is built
            if place >= 0:
                self.lines[place] = self.lines[place].read_by(name)
            reads.append(Use(field, key, place))
        return Board(
            name=name, role="loss", kind=entry.name if entry else cls.__name__,
            distribution=entry.distribution if entry else "", version=entry.version if entry else "",
            doc=docstring(cls), reads=tuple(reads), fields=tuple(_config_fields(loss, None)),
            faults=tuple(n for n, fault in self.faults.items() if fault.place.path == f"losses[{number}]"),
        )  # fmt: skip

    def _custom(self, policy: ResolvedPolicy) -> Iterator[Board]:
        """Yield a policy that builds itself, and the layer configs among its fields."""
        config, parts = policy.custom, {part.name for part in policy.parts}
        entry = self.registry.policies.entry_of(type(config))
        yield Board(
            name=policy.name, role="policy", kind=entry.name if entry else type(config).__name__,
            distribution=entry.distribution if entry else "", version=entry.version if entry else "",
            doc=docstring(type(config)),
            fields=tuple(field for field in _config_fields(config, None) if field.name not in parts),
        )  # fmt: skip
        for part in policy.parts:
            yield Board(
                name=part.name, role="part", kind=(part.kind or type(part.config).__name__).rpartition(":")[2],
                distribution=part.distribution or "", version=part.version or "", doc=docstring(type(part.config)),
                fields=tuple(_config_fields(part.config, None)),
            )  # fmt: skip


def _keys_in(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()


def _unique(name: str, taken: Collection[str]) -> str:
    """Return a name that no board has yet: that two layers have one is a fault, which is to be drawn."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name} ({number})", number + 1
    return found


def _is_of(fault: Fault, layer: DraftLayer) -> bool:
    """Whether a fault stands in a layer's entry, or where an extending file has set one of its fields."""
    documents = [(layer.document, layer.parts), *layer.origins.values()]
    for document, parts in documents:
        path = format_path(parts, document.root)
        same = fault.place.path == path or fault.place.path.startswith((f"{path}.", f"{path}["))
        if same and fault.place.file == document.file:
            return True
    return False


def _uses(layer: DraftLayer, direction: str) -> list[tuple[str | None, str]]:
    """Return the fields that name keys, and the keys; of a layer that is not known, what its entry looks like."""
    if layer.config is not None:
        return [(use.field, use.key) for use in key_fields(layer, direction)]
    found: list[tuple[str | None, str]] = []
    for field, value in layer.raw.items():
        if field.endswith(("key", "keys")) and ("out" in field) == (direction == "write"):
            keys = value if isinstance(value, list) else [value]
            found += [(field, key) for key in keys if isinstance(key, str)]
    return found


def _fields(layer: DraftLayer) -> Iterator[Field]:
    if layer.config is None or not attrs.has(type(layer.config)):
        yield from (Field(name=str(name), value=_text(value), origin="file") for name, value in layer.raw.items())
    else:
        yield from _config_fields(layer.config, layer.raw if layer.document.lines or layer.raw else None)
        known = {field.alias or field.name for field in attrs.fields(type(layer.config))}
        for name, value in layer.raw.items():
            if name not in known:
                yield Field(name=str(name), value=_text(value), origin="file")


def _config_fields(config: Any, raw: Mapping[str, Any] | None) -> Iterator[Field]:  # noqa: ANN401 - an attrs instance
    """Yield the fields of a config; with what its entry says, each with where its value comes from."""
    if not attrs.has(type(config)):
        return
    docs = field_docs(type(config))
    for field in attrs.fields(type(config)):
        name = field.alias or field.name
        value = getattr(config, field.name)
        if value is UNKNOWN and raw is not None:
            value = raw.get(name, "?")
        origin = "" if raw is None else _origin(field, value, is_written=name in raw)
        yield Field(name=name, value=_text(value), origin=origin, doc=docs.get(field.name, ""))


def _origin(field: attrs.Attribute[Any], value: object, *, is_written: bool) -> str:
    if is_written:
        return "file"
    made = isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]
    return "default" if made or value is None or _text(value) == _text(field.default) else "inferred"


def _text(value: object) -> str:
    if holds_unknown(value):
        return "?"
    plain = plain_value(value)
    return plain if isinstance(plain, str) else json.dumps(plain, default=str, ensure_ascii=False)


def _facts(env: EnvSpec) -> Iterator[tuple[str, str]]:
    """Yield what an environment is, as a name and a text each."""
    if env.tokens is not None:
        yield "observation", f"{env.num_tokens} tokens of {env.token_columns} bytes"
        yield "view", f"{env.view_height} x {env.view_width}"
        yield "features", ", ".join(feature.name for feature in env.features)
        if env.tags:
            yield "tags", ", ".join(env.tags)
    elif env.box is not None:
        yield "observation", f"{shown_dims(env.box.shape)} {env.box.dtype}"
    yield f"actions ({env.actions.kind})", ", ".join(env.actions.names)
    yield "agents", str(env.num_agents)
    yield "autoreset", env.autoreset.replace("_", " ")
