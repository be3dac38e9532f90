"""What a sweep's file says: variants, each with a policy, changes of it, settings and seeds. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs

from glulam import GlulamError
from glulam_train.settings import MAX_SEED
from glulam_train.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["After", "Sweep", "Variant", "read_sweep"]

FORMAT = 1
TOP = ("glulam_sweep", "policy", "env", "steps", "seeds", "settings", "threshold", "variants")
CHANGES = ("set", "replace", "remove", "insert")
OWN = ("policy", "env", "steps", "seeds", "settings", "after", *CHANGES)
BESIDE = ("policy", "env", "steps", "seed", "seeds")  # have a place of their own beside `settings`
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
TAKEN = ("results.json", "curves.png")
SEEDS = f"a number of seeds such as 5, or a list such as [0, 1, 7] of whole numbers from 0 to {MAX_SEED}, each once"


@attrs.frozen
class After:
    """The variant whose run is to be finished first: that of the same seed, unless one is named."""

    variant: str
    seed: int | None = None


@attrs.frozen
class Variant:
    """One variant; `settings` are plain and whole but for policy, seed and what stands for `{after}`.

    Attributes:
        name: the variant's.
        changes: what `set`, `replace`, `remove` and `insert` say.
        seeds: one run each.
    """

    name: str
    policy: str
    changes: dict[str, Any]
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    after: After | None = None


@attrs.frozen
class Sweep:
    """A sweep: its file, what that holds, and its variants in the order of the file.

    Attributes:
        path: the file.
        content: what it holds, as plain values.
        variants: in the order of the file.
        threshold: a return to reach, if one is asked for.
    """

    path: Path
    content: dict[str, Any]
    variants: tuple[Variant, ...]
    threshold: float | None = None

    def __getitem__(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)

    def with_those_before(self, names: Iterable[str]) -> tuple[Variant, ...]:
        """Return the variants named, and those that they come after, in the order of the file.

        Raises:
            GlulamError: if one is not in the file.
        """
        wanted: set[str] = set()
        known = [variant.name for variant in self.variants]
        for asked in names:
            if asked not in known:
                msg = f"{self.path}: there is no variant {asked!r}: {_suggest(asked, known, 'the variants are')}"
                raise GlulamError(msg)
            name: str | None = asked
            while name is not None:
                wanted.add(name)
                after = self[name].after
                name = after.variant if after else None
        return tuple(variant for variant in self.variants if variant.name in wanted)


def read_sweep(path: Path) -> Sweep:
    """Return the sweep that a file describes.

    Raises:
        GlulamError: naming everything that is wrong with it, where, and what to write.
    """
    data = read_yaml(path, "sweep")
    problems: list[str] = []
    sweep = _Reader(path, data, problems).sweep()
    if problems:
        raise GlulamError("\n".join(f"{path}: {problem}" for problem in problems))
    return sweep


class _Reader:
    """Collects what is wrong; what it returns is whole only if nothing is."""

    def __init__(self, path: Path, data: dict[str, Any], problems: list[str]) -> None:
        self.path, self.data, self.problems = path, data, problems

    def sweep(self) -> Sweep:
        data = self.data
        self._check_fields(data, TOP, "")
        if data.get("glulam_sweep") != FORMAT or isinstance(data.get("glulam_sweep"), bool):
            found = repr(data["glulam_sweep"]) if "glulam_sweep" in data else "missing"
            self._note(f"glulam_sweep is {found}: write {FORMAT}, the version of the format")
        threshold = data.get("threshold")
        if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, (int, float))):
            self._note(f"threshold is {threshold!r}: write a return, or leave it out")
        variants = self._mapping(data, "variants", "", "{NAME: {}, ...}")
        if not variants:
            self._note("variants is empty or missing: write {NAME: {}, ...}")
        made = tuple(self._variant(str(name), raw) for name, raw in variants.items())
        folded = [variant.name.casefold() for variant in made]
        for variant in made:
            if folded.count(variant.name.casefold()) > 1:
                self._note(f"variants.{variant.name}: two names differ in capitals only: rename one")
        self._check_order(made)
        return Sweep(self.path, data, made, threshold)

    def _variant(self, name: str, raw: Any) -> Variant:  # noqa: ANN401 - any YAML value
        where = f"variants.{name}: "
        if not NAME.fullmatch(name) or name in TAKEN:
            found = f"{where}a variant's name is a folder's: write letters, digits, '_', '-' and '.' only"
            self._note(found + (f", and not {name}" if name in TAKEN else ""))
        if raw is None:
            raw = {}
        if not isinstance(raw, dict):
            self._note(f"{where}is {raw!r}: write a mapping, {{}} for the policy as it is")
            raw = {}
        self._check_fields(raw, OWN, where)
        settings = self._settings(raw, where)
        policy = self._text(raw, "policy", where)
        if policy.endswith((".yaml", ".yml")):
            policy = str((self.path.parent / policy).resolve())
        changes = {key: raw[key] for key in CHANGES if key in raw}
        return Variant(name, policy, changes, settings, self._seeds(raw, where), self._after(raw, settings, where))

    def _settings(self, raw: dict[str, Any], where: str) -> dict[str, Any]:
        """Return all settings in the order in which the last word counts; `LOSS.FIELD` comes after plain ones."""
        settings: dict[str, Any] = {"threads": 1}
        for holder, place in ((self.data, ""), (raw, where)):
            source = self._mapping(holder, "settings", place, "{FIELD: VALUE}")
            for key in (key for key in BESIDE if key in source):
                beside = "seeds" if key == "seed" else key
                self._note(f"{place}settings: {key} does not stand here: write {beside} beside settings")
            settings |= {key: value for key, value in source.items() if key not in BESIDE}
        settings |= {"env": self._text(raw, "env", where)}
        steps = raw.get("steps", self.data.get("steps"))
        return settings | ({} if steps is None else {"steps": steps})

    def _text(self, raw: dict[str, Any], key: str, where: str) -> str:
        value = raw.get(key, self.data.get(key))
        if isinstance(value, str) and value.strip():
            return value
        found = "missing" if value is None else repr(value)
        example = "latent_attn_tiny" if key == "policy" else "mettagrid:forage"
        self._note(f"{where}{key} is {found}: write '{key}: {example}', say, in the variant or at the top")
        return "?"

    def _seeds(self, raw: dict[str, Any], where: str) -> tuple[int, ...]:
        value = raw.get("seeds", self.data.get("seeds"))
        told = where if "seeds" in raw or "seeds" not in self.data else ""
        if _is_whole(value) and 1 <= value <= MAX_SEED:
            return tuple(range(value))
        if isinstance(value, list) and value and all(_is_whole(seed) and 0 <= seed <= MAX_SEED for seed in value):
            found = tuple(dict.fromkeys(value))
            if len(found) == len(value):
                return found
        self._note(f"{told}seeds is {'missing' if value is None else repr(value)}: write {SEEDS}")
        return ()

    def _after(self, raw: dict[str, Any], settings: dict[str, Any], where: str) -> After | None:
        value = raw.get("after")
        if value is None:
            if _holds_after(settings):
                self._note(f"{where}settings hold {{after}}: write 'after: VARIANT' beside them")
            return None
        if isinstance(value, str):
            return After(value)
        if isinstance(value, dict) and {*value} == {"variant", "seed"}:
            name, seed = value["variant"], value["seed"]
            if isinstance(name, str) and _is_whole(seed):
                return After(name, seed)
        self._note(f"{where}after is {value!r}: write a variant's name, or {{variant: NAME, seed: 0}}")
        return None

    def _check_order(self, variants: tuple[Variant, ...]) -> None:
        known = {variant.name: variant for variant in variants}
        for variant in variants:
            after, where = variant.after, f"variants.{variant.name}: "
            if after is None:
                continue
            if after.variant not in known:
                remedy = _suggest(after.variant, list(known), "the variants are")
                self._note(f"{where}after names {after.variant!r}, which is no variant: {remedy}")
                continue
            chain = [variant.name]
            while (before := known[chain[-1]].after) and before.variant in known and before.variant not in chain:
                chain.append(before.variant)
            if before and before.variant == variant.name:
                circle = " after ".join([*chain, variant.name])
                self._note(f"{where}variants wait for each other ({circle}): let one of them begin")
            needed = variant.seeds if after.seed is None else (after.seed,)
            missing = [seed for seed in needed if seed not in known[after.variant].seeds]
            if missing:
                seeds = list(known[after.variant].seeds)
                remedy = f"add it there, or write {{variant: {after.variant}, seed: {seeds[0] if seeds else 0}}}"
                self._note(f"{where}after needs seed {missing[0]} of {after.variant}, which has {seeds}: {remedy}")

    def _mapping(self, raw: dict[str, Any], key: str, where: str, example: str) -> dict[str, Any]:
        value = raw.get(key)
        if value is None or isinstance(value, dict):
            return value or {}
        self._note(f"{where}{key} is {value!r}: write {example}")
        return {}

    def _note(self, problem: str) -> None:
        if problem not in self.problems:  # what stands at the top is looked at once a variant
            self.problems.append(problem)

    def _check_fields(self, raw: dict[str, Any], known: tuple[str, ...], where: str) -> None:
        for name in raw:
            if name not in known:
                self._note(f"{where}unknown field {name!r}: {_suggest(str(name), known, 'the fields are')}")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _holds_after(value: object) -> bool:
    if isinstance(value, str):
        return "{after}" in value
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(_holds_after, parts))


def _suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"write {near[0]!r}" if near else f"{otherwise} {', '.join(known)}"
