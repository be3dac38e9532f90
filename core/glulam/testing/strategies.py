"""Hypothesis strategies: worlds, sizes, configs of layers, episodes, schedules of ids, policy files.

They are the contract's words: what a layer must bear is what is drawn here.
"""

from __future__ import annotations

import math
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import attrs
from hypothesis import strategies as st

from glulam.environment import EnvSpec
from glulam.inputs import OPTIONAL_INPUTS
from glulam.keys import FROM_ENV, KEY
from glulam.layouts import ActionSpec, BoxLayout, Feature, TokenLayout

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["env_ids", "env_specs", "episodes", "layer_configs", "policy_mappings"]

NAMES = ("noop", "north", "south", "east", "west", "take", "give")
THINGS = ("wall", "mine", "altar", "lamp", "door")
AMOUNTS = ("ore", "heart", "energy", "coin")
SMALL = 6  # what numbers without an upper bound stay below
WIDE = 8  # what a number with such a default is at least: a norm over one or two units is a constant or a sign
LEAST = 1e-3  # the smallest float, and how far one stays from a bound that is left out


@st.composite
def action_specs(draw: DrawFn, kind: Literal["discrete", "multi-discrete", "continuous"] | None = None) -> ActionSpec:
    """Draw the actions of a world, of one kind or of any."""
    kind = kind or draw(st.sampled_from(["discrete", "discrete", "multi-discrete", "continuous"]))
    if kind == "multi-discrete":
        sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        names = [f"choice_{n}:{option}" for n, size in enumerate(sizes) for option in range(size)]
        return ActionSpec(names=names, choices=sizes)
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    if kind == "discrete":
        return ActionSpec(names=names)
    low = [draw(st.sampled_from([None, -2.0, 0.0])) for _ in names]
    return ActionSpec(names=names, low=low, high=[draw(st.sampled_from([None, 1.0, 3.0])) for _ in names])


@st.composite
def env_specs(
    draw: DrawFn,
    *,
    shows: Literal["tokens", "box"] | None = None,
    actions: Literal["discrete", "multi-discrete", "continuous"] | None = None,
) -> EnvSpec:
    """Draw a world: tokens with gaps in their ids, tags and last actions, or a box of numbers; every optional input.

    Args:
        draw: Hypothesis' own.
        shows: `tokens` or `box`; either when None.
        actions: the kind of actions; any when None.
    """
    common: dict[str, Any] = {
        "name": "drawn",
        "actions": draw(action_specs(actions)),
        "num_agents": draw(st.integers(1, 2)),
        "optional_inputs": tuple(OPTIONAL_INPUTS),
    }
    if (shows or draw(st.sampled_from(["tokens", "tokens", "box"]))) == "box":
        shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        return EnvSpec(box=BoxLayout(shape=shape, dtype=draw(st.sampled_from(["float32", "uint8", "int64"]))), **common)
    ids = draw(st.lists(st.integers(0, 255), min_size=3, max_size=6, unique=True))
    scale = st.sampled_from([1.0, 10.0, 255.0])
    features = [
        Feature(name=name, id=number, normalization=draw(scale)) for name, number in zip(AMOUNTS, ids[2:], strict=False)
    ]
    features += [Feature(name="tag", id=ids[0], values="tag"), Feature(name="last_action", id=ids[1], values="action")]
    return EnvSpec(
        tokens=TokenLayout(count=draw(st.integers(2, 12)), columns=draw(st.integers(3, 4))),
        view_height=draw(st.integers(1, 9)),
        view_width=draw(st.integers(1, 9)),
        features=tuple(features),
        tags=tuple(draw(st.lists(st.sampled_from(THINGS), min_size=1, max_size=4, unique=True))),
        **common,
    )


def episodes(rows: int, steps: int) -> SearchStrategy[tuple[list[list[bool]], list[list[bool]]]]:
    """Draw which episodes end before which steps: `dones` and `truncateds`, `[rows][steps]`."""
    flags = st.lists(st.lists(st.booleans(), min_size=steps, max_size=steps), min_size=rows, max_size=rows)
    return st.tuples(flags, flags)


def env_ids(rows: int, calls: int) -> SearchStrategy[list[list[int]]]:
    """Draw a schedule: which rows take part in each of some calls, and in which order."""
    one = st.lists(st.integers(0, rows - 1), min_size=1, max_size=rows, unique=True)
    return st.lists(one, min_size=calls, max_size=calls)


@st.composite
def layer_configs(draw: DrawFn, cls: type) -> Any:  # noqa: ANN401 - any config class
    """Draw configs of a class from its fields' types and validators; keys keep their names.

    Widths that a policy would infer are left out, and so is what comes from a world.
    """
    fields = attrs.fields(attrs.resolve_types(cls))
    values: dict[str, Any] = {}
    for field in fields:
        if not field.init:
            continue
        found = _field(draw, field)
        if found is not _LEAVE_OUT:
            values[field.alias or field.name] = found
    try:
        return cls(**values)
    except (ValueError, TypeError):  # fields that do not go together, such as heads that do not divide a width
        required = {name: value for name, value in values.items() if _is_required(cls, name)}
        return cls(**required)


def policy_mappings() -> SearchStrategy[dict[str, Any]]:
    """Draw policy files, as mappings: chains of a shaper, linear layers and heads, each with the keys of the last."""
    return _policies()


@st.composite
def _policies(draw: DrawFn) -> dict[str, Any]:
    widths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    layers: list[dict[str, Any]] = []
    key = "vector"
    for number, width in enumerate(widths):
        layers.append(
            {"layer": "linear", "name": f"linear_{number}", "in_key": key, "out_key": f"x_{number}", "out_dim": width}
        )
        key = f"x_{number}"
    layers += [{"layer": "linear_actor", "in_key": key}, {"layer": "value_head", "in_key": key}]
    return {
        "glulam": 1, "name": "drawn", "obs_shaper": {"layer": "vector_shaper"}, "layers": layers,
        "action_head": {"layer": "action_distribution"},
    }  # fmt: skip


_LEAVE_OUT = object()


def _is_required(cls: type, name: str) -> bool:
    return any((field.alias or field.name) == name and field.default is attrs.NOTHING for field in attrs.fields(cls))


def _field(draw: DrawFn, field: attrs.Attribute[Any]) -> Any:  # noqa: ANN401 - a value of the field
    if KEY in field.metadata:
        return _key(draw, field)
    if field.metadata.get(FROM_ENV) is not None or field.default is None:
        return _LEAVE_OUT  # taken from the world, or inferred from what is read
    if field.default is not attrs.NOTHING and draw(st.sampled_from([True, False, False])):
        return _LEAVE_OUT  # the simplest case has the defaults
    if field.type is int and isinstance(field.default, int) and field.validator is None:
        return draw(st.integers(field.default, field.default + 3))  # how small it may be nobody says
    if field.type is int and isinstance(field.default, int) and field.default >= WIDE:
        low, high = _bounds(field.validator, 1)
        return draw(st.integers(int(max(low, WIDE)), int(min(high, max(low, WIDE) + SMALL))))
    strategy = _of_type(field.type, field.validator)
    return _LEAVE_OUT if strategy is None else draw(strategy)


def _key(draw: DrawFn, field: attrs.Attribute[Any]) -> Any:  # noqa: ANN401 - a key, keys, or nothing
    spec = field.metadata[KEY]
    if spec.many and not field.default:
        return tuple(f"{field.name}_{n}" for n in range(draw(st.integers(2, 3))))
    if field.default is attrs.NOTHING:
        return field.name
    return draw(st.sampled_from([None, field.name])) if field.default is None and spec.optional else _LEAVE_OUT


def _of_type(kind: Any, validator: Any) -> SearchStrategy[Any] | None:  # noqa: ANN401 - any annotation, any validator
    """Return values of a type that a validator may accept; None for a type that nobody can guess."""
    if kind is bool:
        return st.booleans()
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    low, high = _bounds(validator, 1 if kind is int else LEAST)
    if kind is int:
        return st.integers(int(max(low, 1)), int(min(high, max(low, 1) + SMALL)))
    if kind is float:
        return st.floats(max(low, LEAST), min(high, 2.0), allow_nan=False)
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        options = [_of_type(option, validator) for option in typing.get_args(kind) if option is not type(None)]
        known = [option for option in options if option is not None]
        return st.none() | known[0] if known else None
    return None


@cache
def _bound_names() -> dict[str, tuple[str, int]]:
    return {"<": ("high", 0), "<=": ("high", 1), ">": ("low", 0), ">=": ("low", 1)}


def _bounds(validator: Any, step: float) -> tuple[float, float]:  # noqa: ANN401 - any validator
    """Return the least and the largest number that attrs' own validators accept, `step` beside a bound left out."""
    low, high = -math.inf, math.inf
    for part in getattr(validator, "_validators", None) or [getattr(validator, "validator", None) or validator]:
        bound, operator = getattr(part, "bound", None), getattr(part, "compare_op", None)
        if bound is None or operator not in _bound_names():
            continue
        side, closed = _bound_names()[operator]
        if side == "low":
            low = max(low, bound if closed else bound + step)
        else:
            high = min(high, bound if closed else bound - step)
    return low, high
