"""What configs, losses and the environment want stored: two who share a key must agree on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam._errors import GlulamError
from glulam._guard import PLUGIN_ERRORS, told
from glulam.experience import TensorSpec, describe, written_by_loss
from glulam.faults import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glulam.config import LossConfig
    from glulam.environment import EnvSpec
    from glulam.experience import Key
    from glulam.resolver._dims import KeyInfo
    from glulam.resolver._draft import DraftLayer

__all__ = ["check_experience"]

Owned = tuple[str, "Mapping[Key, TensorSpec]", "Callable[[str, str], Fault]"]


def check_experience(
    layers: list[DraftLayer], losses: tuple[LossConfig, ...], keys: Mapping[str, KeyInfo], env: EnvSpec | None
) -> Iterator[Fault]:
    """Yield GL502 for each key that two owners want stored in different ways."""
    wanted = {key: ("the environment", spec) for key, spec in _inputs(env).items()}
    owned: list[Owned] = []
    for layer in layers:
        if layer.is_broken or layer.config is None or not hasattr(layer.config, "experience_spec"):
            continue
        asked = _ask(layer.config)
        if isinstance(asked, str):
            yield layer.fault("GL502", asked, "change the fields that it names, or tell its authors")
        else:
            owned.append((f"layer {layer.name!r}", asked, _at_layer(layer)))
    for number, loss in enumerate(losses):
        asked = _ask(loss, env)
        if isinstance(asked, str):
            yield _at_loss(number)(f"loss {type(loss).__name__}: {asked}", "tell its authors")
        else:
            owned.append((f"loss {type(loss).__name__}", _stored(loss, keys) | asked, _at_loss(number)))
    for owner, specs, fault in owned:
        for key, spec in specs.items():
            first, other = wanted.setdefault(key, (owner, spec))
            if not _agree(other, spec):
                found = f"{owner} wants {key!r} stored as {describe(spec)}, {first} as {describe(other)}"
                yield fault(found, "rename the key of one of them")


def _inputs(env: EnvSpec | None) -> dict[Key, TensorSpec]:
    """Return how the environment's own keys are stored."""
    if env is None:
        return {}
    return {
        key: TensorSpec(tuple(env.dim(dim.removeprefix("env.")) for dim in shape.split()), dtype)
        for key, (shape, dtype) in env.inputs.items()
    }


def _stored(loss: LossConfig, keys: Mapping[str, KeyInfo]) -> dict[Key, TensorSpec]:
    """Return what a loss wants stored: the keys that it names, as far as their shapes are known, and its own."""
    found: dict[Key, TensorSpec] = {}
    for key in loss.stored_keys:
        info = keys.get(key)
        dims = tuple(dim for dim in info.dims or () if isinstance(dim, int)) if info else ()
        if info is not None and info.dims is not None and len(dims) == len(info.dims) and "any" not in info.dtype:
            found[key] = TensorSpec(dims, info.dtype)
    return found


def _agree(one: TensorSpec, other: TensorSpec) -> bool:
    """Whether two specs can be equal; `float`, the policy's own dtype, is known only when it is built."""
    floats = "float" in (one.dtype, other.dtype) and all("float" in spec.dtype for spec in (one, other))
    return (one.shape, one.per) == (other.shape, other.per) and (floats or one.dtype == other.dtype)


def _ask(config: Any, env: EnvSpec | None = None) -> dict[Key, TensorSpec] | str:  # noqa: ANN401 - the protocol is structural
    """Return what a config wants stored, or what is wrong with its answer."""
    try:
        specs = written_by_loss(config, env) | dict(config.experience_spec())
    except GlulamError as error:
        return str(error)
    except PLUGIN_ERRORS as error:
        return f"its experience_spec() raised {told(error)}"
    wrong = next((key for key, spec in specs.items() if not isinstance(spec, TensorSpec)), None)
    return specs if wrong is None else f"its experience_spec() gives no TensorSpec for {wrong!r}"


def _at_layer(layer: DraftLayer) -> Callable[[str, str], Fault]:
    return lambda message, remedy: layer.fault("GL502", message, remedy)


def _at_loss(number: int) -> Callable[[str, str], Fault]:
    place = Place(path=f"losses[{number}]")
    return lambda message, remedy: Fault(code="GL502", message=message, remedy=remedy, place=place)
