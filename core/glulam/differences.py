"""What two worlds do not have in common, in words and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.environment import EnvSpec

__all__ = ["Kind", "difference", "numbers"]

Kind = Literal["feature", "tag", "action"]


def numbers(env: EnvSpec) -> dict[Kind, dict[str, int]]:
    """Return the id of each feature and the place of each tag and action, by name."""
    return {
        "feature": {feature.name: feature.id for feature in env.features},
        "tag": {tag: index for index, tag in enumerate(env.tags)},
        "action": {name: index for index, name in enumerate(env.actions.names)},
    }


def difference(old: EnvSpec, new: EnvSpec) -> str:
    """Return what `new` has that `old` has not, or has in another size; empty where there is nothing."""
    return "; ".join(_differences(old, new))


def _differences(old: EnvSpec, new: EnvSpec) -> Iterator[str]:
    if old.tokens and new.tokens and _view(old) != _view(new):
        yield f"its view is {_view(new)}, it was {_view(old)}"
    if old.box != new.box:
        yield f"it shows {_box(new)}, it was {_box(old)}"
    if old.actions.kind != new.actions.kind:
        yield f"its actions are {new.actions.kind}, they were {old.actions.kind}"
    before = numbers(old)
    for kind, names in numbers(new).items():
        added = [name for name in names if name not in before[kind]]
        if added:
            named = ", ".join(map(repr, added))
            yield f"its {kind}s {named} are new" if len(added) > 1 else f"its {kind} {named} is new"


def _view(env: EnvSpec) -> str:
    return f"{env.view_height} x {env.view_width}"


def _box(env: EnvSpec) -> str:
    return f"{env.box.dtype} {list(env.box.shape)}" if env.box else "tokens"
