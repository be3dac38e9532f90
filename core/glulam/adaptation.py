"""What becomes of a policy that is moved to another world: which of its names map, which are new, which are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import attrs

from glulam.checkpoint import load, read_checkpoint
from glulam.differences import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from glulam.differences import Kind
    from glulam.environment import EnvSpec
    from glulam.names import NameReport
    from glulam.policy import Policy

__all__ = ["Adaptation", "Moved", "adapt"]


Fate = Literal["mapped", "learned", "masked", "ignored", "absent"]


class Moved(NamedTuple):
    """A feature, tag or action of either world, by the policy's name: its id or place there and here, and its fate.

    `mapped`: known and there; `learned`: new, with a row of its own from now on; `masked`: new, never seen or done;
    `ignored`: new, and no layer reads or does such things; `absent`: known, and not in this world.
    """

    kind: Kind
    name: str
    before: int | None
    after: int | None
    fate: Fate


@attrs.frozen(kw_only=True)
class Adaptation:
    """A policy in its new world, and how it got there."""

    policy: Policy
    saved: EnvSpec
    aliases: dict[str, str]
    layers: dict[str, NameReport]
    names: tuple[Moved, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the policy itself."""
        world = self.policy.env
        return {
            "policy": self.policy.resolved.name,
            "from": self.saved.name,
            "to": world.name,
            "view": {"from": _view(self.saved), "to": _view(world)},
            "aliases": self.aliases,
            "names": [moved._asdict() for moved in self.names],
            "layers": {name: attrs.asdict(report) for name, report in self.layers.items()},
        }


def adapt(
    path: str | Path,
    env: EnvSpec | str,
    *,
    aliases: Mapping[str, str] | None = None,
    learn_names: bool = False,
    allow_version_drift: bool = False,
) -> Adaptation:
    """Move the policy of a checkpoint to a world, and tell what became of its names.

    Args:
        path: the checkpoint.
        env: the world, or its URI.
        aliases: names of the world that the policy knows by another name; as in `load`.
        learn_names: whether what is new gets rows to be learned; masked when False.
        allow_version_drift: as in `load`.

    Raises:
        GlulamError: as `load` does.
    """
    saved = read_checkpoint(path)
    policy = load(
        path, env, aliases=aliases, learn_names=learn_names, allow_version_drift=allow_version_drift
    )  # fmt: skip
    layers = {_layer_of(where): report for where, report in policy.each("name_report").items()}
    before = saved.env.renamed(saved.header["aliases"])
    names = tuple(_moved(before, policy.env.renamed(policy.aliases), layers))
    used = {alias: name for alias, name in policy.aliases.items() if alias in policy.env.names}
    return Adaptation(policy=policy, saved=saved.env, aliases=used, layers=layers, names=names)


def _layer_of(where: str) -> str:
    """Return the name of a layer from the path of its module."""
    return where.removeprefix("layers.").removesuffix(".module")


def _moved(saved: EnvSpec, world: EnvSpec, layers: Mapping[str, NameReport]) -> Iterator[Moved]:
    reports = [(_goes_by_actions(report, world), report) for report in layers.values()]
    known = {_Entry(acts, name) for acts, report in reports for name in report.mapped}
    masked = {_Entry(acts, name) for acts, report in reports for name in report.masked}
    tables = numbers(saved)
    for kind, after in numbers(world).items():
        before = tables[kind]
        for name in dict.fromkeys([*after, *before]):
            entries = {*_entries(world, kind, name)}
            fate: Fate = "absent"
            if name in after:
                fate = "mapped" if name in before else "learned" if known & entries else "ignored"
                fate = "masked" if masked & entries and not known & entries else fate
            yield Moved(kind, name, before.get(name), after.get(name), fate)


class _Entry(NamedTuple):
    """A name in a layer's table, which may be that of an action and of a feature in two of them."""

    of_action: bool
    name: str


def _goes_by_actions(report: NameReport, world: EnvSpec) -> bool:
    """Whether a layer's table holds actions; any other holds what tokens mean."""
    return {*report.mapped, *report.masked} <= {*world.actions.names}


def _entries(world: EnvSpec, kind: str, name: str) -> Iterator[_Entry]:
    """Yield what tables call a thing; tags, and actions too, go by the features whose values they are."""
    if kind != "tag":
        yield _Entry(kind == "action", name)
    for feature in world.features:
        if kind == feature.values:
            yield _Entry(of_action=False, name=f"{feature.name}:{name}")
        if kind == "feature" and name == feature.name and feature.values != "number":
            values = world.tags if feature.values == "tag" else world.actions.names
            yield from (_Entry(of_action=False, name=f"{name}:{value}") for value in values)


def _view(env: EnvSpec) -> list[int]:
    return [env.view_height, env.view_width]
