"""The fourth pass: dims and dtypes flow from writers to readers, and fields that are `None` take theirs."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam._guard import PLUGIN_ERRORS, told
from glulam._per_class import per_class
from glulam._unknown import UNKNOWN, UnknownError
from glulam.inputs import INPUTS, OPTIONAL_INPUTS
from glulam.keys import FROM_ENV, declared_keys
from glulam.resolver._dims import SHAPELESS, Dim, KeyInfo, env_dim, is_compatible, is_same_dtype
from glulam.structure import invalid_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.keys import KeySpec
    from glulam.resolver._draft import DraftLayer

__all__ = ["check_shapes"]

REST = "..."  # any dims, in front


def check_shapes(
    layers: list[DraftLayer], env: EnvSpec | None, given: Mapping[str, KeyInfo] | None = None
) -> tuple[dict[str, KeyInfo], list[Fault]]:
    """Complete the configs of all layers in place; return all keys and the faults (GL401 to GL403)."""
    keys: dict[str, KeyInfo] = dict(given or {})
    for key, (shape, dtype) in (env.inputs if env else INPUTS | OPTIONAL_INPUTS).items():
        dims = None if shape == REST else tuple(env_dim(token, env) for token in shape.split())
        keys[key] = KeyInfo(dims, dtype, "the environment")
    faults: list[Fault] = []
    for layer in layers:
        if layer.config is not None:
            _LayerShapes(layer, keys, env, faults).run()
    return keys, faults


class _LayerShapes:
    """Unifies one layer's declared shapes with what its keys hold."""

    def __init__(self, layer: DraftLayer, keys: dict[str, KeyInfo], env: EnvSpec | None, faults: list[Fault]) -> None:
        self.layer, self.keys, self.env, self.faults = layer, keys, env, faults
        self.bound: dict[str, tuple[Dim, ...]] = {}
        self.inferred: dict[str, int] = {}
        self.widths: dict[str, tuple[int, ...]] = {}  # inferred from a field that names several keys
        self.position = 0  # of the key that is being checked, in such a field
        self.lost: set[str] = set()  # dims that a fault leaves unknown
        self.strange: tuple[str, str] | None = None  # a field that takes what this environment does not have
        self.pending = False  # some dim is unknown, so what cannot be computed is no fault yet
        # With a field at fault already, what cannot be computed is no fault of its own.
        self.failed = any(getattr(layer.config, name) is UNKNOWN for name in _field_names(layer.config))

    def run(self) -> None:
        specs = declared_keys(type(self.layer.config))
        if not specs:
            for key in self.layer.config.out_keys:
                self.keys[key] = KeyInfo(None, SHAPELESS, self.layer.name)
            return
        reads = [(f, s, k) for f, s in specs.items() if s.direction == "read" for k in self._keys(f, s)]
        self._take_from_env()
        for field, spec, key in reads:
            self._infer(field, spec, key)
        self._complete()
        for field, spec in specs.items():
            if getattr(self.layer.config, field) is UNKNOWN:
                self._lose(spec.shape.split())
        for field, group in groupby(reads, key=itemgetter(0)):
            for self.position, (_, spec, key) in enumerate(group):
                self._check_read(field, spec, key)
        self._require_complete(specs)
        for field, spec in specs.items():
            if spec.direction == "write":
                self._write(field, spec)

    def _keys(self, field: str, spec: KeySpec) -> tuple[str, ...]:
        value = getattr(self.layer.config, field)
        if value is None or value is UNKNOWN:
            return ()
        return tuple(value) if spec.many else (value,)

    def _fault(self, code: str, message: str, remedy: str, *field: str) -> None:
        self.failed = True
        self.faults.append(self.layer.fault(code, message, remedy, *field))

    # --- completing the config

    def _take_from_env(self) -> None:
        for field in attrs.fields(type(self.layer.config)):
            dim = field.metadata.get(FROM_ENV)
            if dim is None or getattr(self.layer.config, field.name) is not None:
                continue
            try:
                found = env_dim(f"env.{dim}", self.env)
            except GlulamError as error:
                self.strange, found = (field.name, str(error)), "?"
            if isinstance(found, int):
                self.inferred[field.name] = found
            self.pending = self.pending or not isinstance(found, int)

    def _infer(self, field: str, spec: KeySpec, key: str) -> None:
        info = self.keys.get(key)
        if info is None or info.dims is None or not is_same_dtype(spec.dtype, info.dtype):
            shapeless = info is not None and info.dtype == SHAPELESS and self.env is not None
            self.pending = self.pending or not shapeless  # nothing will ever tell: let the author write it
            return
        tokens = spec.shape.split()
        rest = tokens[:1] == [REST]
        tokens = tokens[1:] if rest else tokens
        if len(tokens) > len(info.dims) or (not rest and len(tokens) < len(info.dims)):
            return
        for token, dim in zip(tokens, info.dims[len(info.dims) - len(tokens) :], strict=True):
            if self._is_open(token):
                self._take(field, key, token, dim, many=spec.many)

    def _is_open(self, token: str) -> bool:
        config = self.layer.config
        return token in _field_names(config) and getattr(config, token) is None

    def _take(self, field: str, key: str, token: str, dim: Dim, *, many: bool) -> None:
        if isinstance(dim, int) and many:
            self.widths[token] = (*self.widths.get(token, ()), dim)
        elif isinstance(dim, int):
            if self.inferred.setdefault(token, dim) != dim:
                found = f"{token} would be {self.inferred[token]} by one key and {dim} by {key!r}"
                self._fault("GL401", found, "let both keys have the same width", field)
        elif dim.startswith(("?", "env.")):
            self.pending = True
        else:
            found = f"{token} cannot be inferred from {key!r}: its dim {dim} varies at run time"
            self._fault("GL403", found, f"set {token}, or pool the tokens first", field)

    def _complete(self) -> None:
        widths = {} if self.pending else self.widths  # while one key is unknown, a tuple would be too short
        if not self.inferred and not widths:
            return
        try:
            with attrs.validators.disabled():
                aliases = {field.name: field.alias or field.name for field in attrs.fields(type(self.layer.config))}
                found = {aliases[name]: value for name, value in (self.inferred | widths).items()}
                self.layer.config = attrs.evolve(self.layer.config, **found)
        except PLUGIN_ERRORS as error:
            self._fault("GL403", told(error), "change the fields that it names")
            return
        for invalid in invalid_fields(self.layer.config):
            self._fault("GL403", invalid.message, invalid.remedy, *invalid.place(self.layer.raw))

    def _require_complete(self, specs: dict[str, KeySpec]) -> None:
        if self.strange is not None and not self.failed:
            found = ": ".join(self.strange)
            self._fault("GL403", found, "use another observation shaper, or another environment")
        if self.pending or self.failed:
            return
        tokens = {token for spec in specs.values() for token in spec.shape.split()}
        for token in sorted(tokens):
            if self._is_open(token):
                self._fault("GL403", f"{token} cannot be inferred", f"add '{token}: ...'")

    # --- checking and writing

    def _check_read(self, field: str, spec: KeySpec, key: str) -> None:
        info = self.keys.get(key)
        if info is None:
            self._lose(spec.shape.split())
            return
        if not is_same_dtype(spec.dtype, info.dtype):
            found = f"reads {key!r} as {spec.dtype}, but {info.writer} writes {info.dtype}"
            self._fault("GL402", found, "read another key, or convert it first", field)
            self._lose(spec.shape.split())
            return
        if spec.batched != info.batched:
            kinds = {True: "one row each", False: "one tensor for all rows"}
            found = f"reads {key!r} as {kinds[spec.batched]}, but {info.writer} writes {kinds[info.batched]}"
            self._fault("GL401", found, "read another key", field)
            self._lose(spec.shape.split())
            return
        tokens = self._tokens(field, spec)
        if info.dims is None or tokens is None:
            return
        if not self._unify(tokens, info.dims):
            expected = self._show([self._value(token) if token[0] != "." else token for token in tokens])
            found = f"reads {key!r} as {expected}, but {info.writer} writes {self._show(info.dims)}"
            width = self._written_width(tokens, info.dims)
            if width is None or width not in self.lost:
                self._fault("GL401", found, "change the width of one of them, or put a layer between", width or field)
            if width is not None:
                object.__setattr__(self.layer.config, width, UNKNOWN)
            self._lose(tokens)

    def _lose(self, tokens: Iterable[str]) -> None:
        """Leave dims unknown that a read at fault would tell, so that what follows from them is no fault."""
        self.lost |= set(tokens)

    def _written_width(self, tokens: list[str], dims: tuple[Dim, ...]) -> str | None:
        """Return the field whose width, written in the policy, is what does not fit."""
        pairs = zip(reversed(tokens), reversed(dims), strict=False)
        return next((t for t, dim in pairs if t in self.layer.raw and not is_compatible(self._value(t), dim)), None)

    def _tokens(self, field: str, spec: KeySpec) -> list[str] | None:
        """Return the dims of a declared shape, or None where they cannot be known."""
        if spec.shape in _field_names(self.layer.config) or not hasattr(type(self.layer.config), spec.shape):
            return spec.shape.split()
        value = self._value(spec.shape, field)
        return [str(value)] if isinstance(value, int) else None if value.startswith("?") else value.split()

    def _unify(self, tokens: list[str], dims: tuple[Dim, ...]) -> bool:
        if tokens[:1] == [REST]:
            tokens = tokens[1:]
            if len(dims) < len(tokens):
                return False
            lead = dims[: len(dims) - len(tokens)]
            known = self.bound.setdefault(REST, lead)
            if len(known) != len(lead) or not all(map(is_compatible, known, lead)):
                return False
            dims = dims[len(lead) :]
        if len(tokens) != len(dims):
            return False
        return all(self._unify_dim(token, dim) for token, dim in zip(tokens, dims, strict=True))

    def _unify_dim(self, token: str, dim: Dim) -> bool:
        if token in self.lost:
            return True
        if self._is_free(token):
            return is_compatible(self.bound.setdefault(token, (dim,))[0], dim)
        return is_compatible(self._value(token), dim)

    def _is_free(self, token: str) -> bool:
        config = self.layer.config  # its class is asked: a property that raises would raise here
        known = token in _field_names(config) or hasattr(type(config), token)
        return not token.isdigit() and not token.startswith("env.") and not known

    def _value(self, token: str, field: str | None = None) -> Dim:
        """Return what a declared dim stands for."""
        unknown = f"?{self.layer.name}.{token}"
        if token in self.lost:
            return unknown
        try:
            value = self._look_up(token)
        except UnknownError:
            return unknown
        except PLUGIN_ERRORS as error:
            if not self.pending and not self.failed:
                found = f"{token}: {told(error).partition(': ')[2]}"
                self._fault("GL403", found, "change the fields that it names", *([field] if field else []))
            return unknown
        if isinstance(value, tuple) and self.position < len(value):
            value = value[self.position]
        return value if isinstance(value, (int, str)) else unknown

    def _look_up(self, token: str) -> Any:  # noqa: ANN401 - a field or property of any type
        if token.isdigit():
            return int(token)
        if token.startswith("env."):
            return env_dim(token, self.env)
        if self._is_free(token):
            return self.bound.get(token, (token,))[0]
        return getattr(self.layer.config, token)

    def _write(self, field: str, spec: KeySpec) -> None:
        key = getattr(self.layer.config, field)
        if key is None or key is UNKNOWN or (key in self.keys and self.keys[key].writer != self.layer.name):
            return  # reported already, the second as GL302
        tokens = self._tokens(field, spec)
        dims: tuple[Dim, ...] | None = None
        if tokens is not None:
            dims = ()
            for token in tokens:
                if token == REST:
                    dims += ("?...",) if REST in self.lost else self.bound.get(REST, ("?...",))
                elif self._is_free(token) and token not in self.lost:
                    dims += self.bound.get(token, (f"{self.layer.name}.{token}",))
                else:
                    dims += (self._value(token, field),)
            dims = None if "?..." in dims else dims
        self.keys[key] = KeyInfo(dims, spec.dtype, self.layer.name, spec.batched)

    @staticmethod
    def _show(dims: Any) -> str:  # noqa: ANN401 - a sequence of dims
        """Return dims as people write them: `[N, 3]`; whose dim a name is matters inside only."""
        names = (str(dim) if str(dim).startswith(("env.", "...")) else str(dim).rpartition(".")[2] for dim in dims)
        return "[" + ", ".join(names) + "]"


def _field_names(config: object) -> frozenset[str]:
    return _fields_of(type(config)) if attrs.has(type(config)) else frozenset()


@per_class
def _fields_of(cls: type) -> frozenset[str]:
    return frozenset(field.name for field in attrs.fields(cls))
