"""The runs of a sweep: each variant's policy, resolved and written out, and each run's settings. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

import glulam
from glulam import GlulamError
from glulam_train.settings import TrainSettings, set_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glulam_train.sweep.sweep_file import Sweep, Variant

__all__ = ["Cell", "Plan", "make_plan"]

POLICY = "policy.yaml"
Key = tuple[str, int]


@attrs.frozen
class Cell:
    """One run: a variant with a seed, in a folder of its own, after another run if need be.

    Attributes:
        settings: of the run, whole.
    """

    variant: str
    seed: int
    folder: Path
    settings: TrainSettings
    after: Key | None = None

    @property
    def key(self) -> Key:
        """Variant and seed."""
        return self.variant, self.seed

    def __str__(self) -> str:
        return f"{self.variant} seed {self.seed}"


@attrs.frozen
class Plan:
    """All runs of a sweep in the order in which they may start, and the policies written out.

    Attributes:
        folder: of the sweep.
        cells: the runs.
        policies: by variant, the policy as plain values.
    """

    sweep: Sweep
    folder: Path
    cells: tuple[Cell, ...]
    policies: dict[str, dict[str, Any]]

    def of(self, variant: str) -> list[Cell]:
        """Return the runs of a variant."""
        return [cell for cell in self.cells if cell.variant == variant]

    def trial(self, folder: Path, variants: Sequence[Variant], updates: int) -> Plan:
        """Return a plan of one short run a variant, the first seed's, in another folder."""
        cells: list[Cell] = []
        for variant in variants:
            key = (variant.name, variant.seeds[0])
            before = variant.after
            after = None if before is None else (before.variant, self.sweep[before.variant].seeds[0])
            settings = _settings(self.sweep, variant, folder, key[1], after)
            agents = glulam.environment_spec(settings.env).num_agents
            steps = updates * agents * settings.num_envs * settings.horizon
            cells.append(Cell(*key, _folder(folder, key), attrs.evolve(settings, steps=steps), after))
        return Plan(self.sweep, folder, tuple(cells), self.policies)


def make_plan(sweep: Sweep, folder: Path) -> Plan:
    """Return the runs of a sweep, every policy and all settings checked.

    Args:
        sweep: what its file says.
        folder: where its runs are or will be; nothing is written.

    Raises:
        GlulamError: naming, for every variant, what is wrong with its policy or settings.
    """
    cells: dict[Key, Cell] = {}
    policies: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for variant in sweep.variants:
        try:
            made = [_cell(sweep, variant, folder, seed) for seed in variant.seeds]
            policies[variant.name] = _policy(sweep, variant, made[0].settings)
        except GlulamError as error:
            problems.append(str(error))
        else:
            cells |= {cell.key: cell for cell in made}
    if problems:
        raise GlulamError("\n\n".join(problems))
    return Plan(sweep, folder, tuple(_in_order(cells)), policies)


def _in_order(cells: dict[Key, Cell]) -> Iterator[Cell]:
    """Yield runs in the order of the file, each after the one that it waits for."""
    waiting, done = list(cells.values()), set[Key]()
    while waiting:
        cell = next(cell for cell in waiting if cell.after is None or cell.after in done)
        waiting.remove(cell)
        done.add(cell.key)
        yield cell


def _cell(sweep: Sweep, variant: Variant, folder: Path, seed: int) -> Cell:
    before = variant.after
    after = None if before is None else (before.variant, seed if before.seed is None else before.seed)
    settings = _settings(sweep, variant, folder, seed, after)
    return Cell(variant.name, seed, _folder(folder, (variant.name, seed)), settings, after)


def _folder(root: Path, key: Key) -> Path:
    return root / key[0] / f"seed_{key[1]}"


def _settings(sweep: Sweep, variant: Variant, folder: Path, seed: int, after: Key | None) -> TrainSettings:
    """Return a run's settings; `LOSS.FIELD` is set last, in the losses that stand there then."""
    where = f"{sweep.path}: variants.{variant.name}: settings"
    given = variant.settings if after is None else _filled(variant.settings, str(_folder(folder, after)))
    data: dict[str, Any] = {"policy": str(folder / variant.name / POLICY), "seed": seed}
    for name, value in sorted(given.items(), key=lambda item: "." in item[0]):
        set_field(data, name, value, told=f"{where}: {name}")
    return TrainSettings.from_mapping(data, where=where)


def _filled(value: Any, folder: str) -> Any:  # noqa: ANN401 - any YAML value
    """Return a value with `{after}` in its texts, however deep, replaced."""
    if isinstance(value, str):
        return value.replace("{after}", folder)
    if isinstance(value, dict):
        return {key: _filled(item, folder) for key, item in value.items()}
    return [_filled(item, folder) for item in value] if isinstance(value, list) else value


def _policy(sweep: Sweep, variant: Variant, settings: TrainSettings) -> dict[str, Any]:
    """Return a variant's policy whole, so that runs to come are of it whatever becomes of its file."""
    source: str | dict[str, Any] = variant.policy
    if variant.changes:
        source = {"glulam": 1, "name": variant.name, "extends": variant.policy} | variant.changes
    if settings.env.endswith((".yaml", ".yml")):
        msg = f"{sweep.path}: variants.{variant.name}: env {settings.env!r} is a spec, in which nothing can be played: "
        msg += "write FAMILY:TASK, such as mettagrid:forage"
        raise GlulamError(msg)
    try:
        glulam.resolve(source, env=settings.env, losses=settings.losses)
        return glulam.resolve(source).to_mapping()
    except GlulamError as error:
        msg = f"{sweep.path}: variants.{variant.name}: its policy, environment or losses do not fit:\n{error}"
        raise GlulamError(msg) from error
