"""What an entry point of each group must be; a plugin that registers something else is told so."""

from __future__ import annotations

from typing import Any

import attrs

from glulam._guard import told
from glulam.config import LayerConfig, LossConfig, ObsShaperConfig, PolicyConfig
from glulam.faults import shorten

__all__ = ["is_layer", "mistake"]

PROTOCOL = ("instantiate", "in_keys", "out_keys")
RESERVED = ("layer", "name", "share")  # what every entry of a policy may say beside its fields


def mistake(group: str, loaded: Any) -> str | None:  # noqa: ANN401 - whatever the plugin registered
    """Return what is wrong with a loaded object, as the end of a sentence; None if it is what its group asks for."""
    check = _CHECKS.get(group)
    return check(loaded) if check else None


def is_layer(value: object) -> bool:
    """Whether a value is a layer's config, by its base class or by having what the protocol asks for."""
    if isinstance(value, type):
        return False
    return isinstance(value, (LayerConfig, ObsShaperConfig)) or all(hasattr(value, name) for name in PROTOCOL)


def _layer(loaded: Any) -> str | None:  # noqa: ANN401
    if not isinstance(loaded, type):
        return f"{_describe(loaded)}, no layer config class"
    if issubclass(loaded, (LayerConfig, ObsShaperConfig)):
        return _config(loaded, RESERVED)
    return None if hasattr(loaded, "instantiate") else f"{loaded.__name__}, no layer config class: no instantiate()"


def _loss(loaded: Any) -> str | None:  # noqa: ANN401
    if not (isinstance(loaded, type) and issubclass(loaded, LossConfig)):
        return f"{_describe(loaded)}, no loss config class"
    return _config(loaded, ("loss",))


def _config(cls: type, reserved: tuple[str, ...]) -> str | None:
    if not attrs.has(cls):
        return f"{cls.__name__}, which lacks the decorator @glulam.layer"
    try:
        attrs.resolve_types(cls)
    except Exception as error:  # noqa: BLE001 - evaluating a stranger's annotations may raise anything
        return f"{cls.__name__}, whose annotations cannot be evaluated when it runs ({told(error)})"
    taken = [field.alias or field.name for field in attrs.fields(cls) if (field.alias or field.name) in reserved]
    return f"{cls.__name__}, whose field {taken[0]!r} has a name that an entry uses itself" if taken else None


def _policy(loaded: Any) -> str | None:  # noqa: ANN401
    if not (isinstance(loaded, type) and issubclass(loaded, PolicyConfig)):
        return f"{_describe(loaded)}, neither a YAML file nor a PolicyConfig class"
    return _config(loaded, ()) if attrs.has(loaded) else None


def _environment(loaded: Any) -> str | None:  # noqa: ANN401
    missing = [name for name in ("spec", "make") if not callable(getattr(loaded, name, None))]
    return f"{_describe(loaded)}, no environment family: it lacks {', '.join(missing)}" if missing else None


def _command(loaded: Any) -> str | None:  # noqa: ANN401
    return None if hasattr(loaded, "make_context") else f"{_describe(loaded)}, no click command"


def _exporter(loaded: Any) -> str | None:  # noqa: ANN401
    return None if callable(loaded) else f"{_describe(loaded)}, no function that exports"


def _describe(loaded: object) -> str:
    return shorten(repr(loaded))


_CHECKS = {
    "layers": _layer,
    "losses": _loss,
    "policies": _policy,
    "environments": _environment,
    "commands": _command,
    "exporters": _exporter,
}
