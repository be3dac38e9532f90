"""The suite for whole distributions: as a test module of one line, and for `glulam test`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam.catalog import PluginError, Registry
from glulam.faults import suggestion
from glulam.testing._names import LAW_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import torch

    from glulam.environment import EnvSpec
    from glulam.testing._examine import Level, Subject, Verdict

    Draw = Callable[[EnvSpec, tuple[int, ...], torch.Generator], torch.Tensor]

__all__ = ["Exemption", "contract_tests", "examine_distribution", "look_again"]


@attrs.frozen(kw_only=True)
class Exemption:
    """A law that a layer may break, and why; it fails once the layer keeps the law.

    Attributes:
        law: the law's name.
        reason: why the layer is right to break it.
        witness: where that can be seen: a test, an issue, a paper.
        layer: whose exemption it is; every layer's of the distribution when None.
    """

    law: str = attrs.field()
    reason: str
    witness: str
    layer: str | None = None

    @law.validator
    def _is_law(self, _: object, value: str) -> None:
        if value not in LAW_NAMES:
            msg = f"exemption: there is no law {value!r}; "
            raise GlulamError(msg + suggestion(value, LAW_NAMES, f"there are: {', '.join(LAW_NAMES)}"))


def contract_tests(  # noqa: PLR0913 - each is an independent, named choice
    distribution: str,
    *,
    layers: Iterable[str] | None = None,
    laws: Iterable[str] | None = None,
    draws: Mapping[str, Draw] | None = None,
    exemptions: Iterable[Exemption] = (),
    level: Level | None = None,
) -> Callable[..., None]:
    """Return a test function for pytest: one test a layer of a distribution and law.

    Level and seed are pytest's options `--glulam-level` (quick or full) and `--glulam-seed`.

    Args:
        distribution: the installed distribution, such as `my-layers`.
        layers: names of some of its layers; all when None.
        laws: names of some of the laws; all when None.
        draws: what keys hold whose shape and dtype do not tell, by their usual name: `draw(env, size, generator)`.
        exemptions: laws that some layers may break.
        level: the level, whatever pytest's option says.

    Raises:
        GlulamError: if there is no such distribution, law or layer, or it has no layers, saying what to change.
    """
    import pytest

    names = _layers(distribution, layers, Registry.installed())
    excused = tuple(exemptions)
    cases = [(layer, law) for layer in names for law in _laws(laws)]
    subjects: dict[str, Subject] = {}

    @pytest.mark.parametrize(("layer", "law"), cases, ids=[f"{layer}-{law}" for layer, law in cases])
    def test_contract(layer: str, law: str, request: Any) -> None:  # noqa: ANN401 - pytest's own type
        wanted: Level = level or request.config.getoption("--glulam-level", "quick")
        seed = request.config.getoption("--glulam-seed", None)
        if layer not in subjects:
            subjects[layer] = _subject(distribution, layer, draws or {}, Registry.installed())
        verdict = _verdict(subjects[layer], law, excused, wanted, seed)
        if verdict is None or verdict.outcome == "not applicable":
            pytest.skip(verdict.told if verdict else "slow: --glulam-level full looks into it")
        if verdict.outcome == "exempt":
            pytest.xfail(verdict.told)
        if verdict.outcome == "broken":
            pytest.fail(_told(verdict), pytrace=False)

    return test_contract  # type: ignore[no-any-return]


def examine_distribution(  # noqa: PLR0913 - each is an independent, named choice
    distribution: str,
    *,
    layers: Iterable[str] | None = None,
    laws: Iterable[str] | None = None,
    draws: Mapping[str, Draw] | None = None,
    exemptions: Iterable[Exemption] = (),
    level: Level = "quick",
    seed: int | None = None,
) -> Iterator[Verdict]:
    """Look into the laws of a distribution's layers, and yield a verdict each as it is found.

    Raises:
        GlulamError: as `contract_tests` does, and if there is no such law.
    """
    wanted = _laws(laws)
    registry = Registry.installed()
    excused = tuple(exemptions)
    for layer in _layers(distribution, layers, registry):
        subject = _subject(distribution, layer, draws or {}, registry)
        for law in wanted:
            verdict = _verdict(subject, law, excused, level, seed)
            if verdict is not None:
                yield verdict
                if law == "runs" and verdict.outcome == "broken":
                    break  # nothing else can be said of it


def look_again(  # noqa: PLR0913 - a case, told by numbers
    layer: str,
    law: str,
    *,
    config: Mapping[str, Any],
    env: str,
    widths: Mapping[str, int],
    rows: int,
    steps: int,
    seed: int,
) -> None:
    """Look into one case again, as a report tells it.

    Raises:
        AssertionError: if the layer breaks the law in this case.
    """
    from glulam.environment import EnvSpec
    from glulam.structure import structure_fields
    from glulam.testing._case import Case
    from glulam.testing._examine import Widths, search

    cls = Registry.installed().layers.find(layer).load()
    raw, _ = structure_fields(cls, config)
    world = EnvSpec.from_dict(json.loads(env))
    case = Case(raw=raw, env=world, widths=Widths(widths), rows=rows, steps=steps, seed=seed)
    broken = search(law, case)
    if broken is not None:
        raise AssertionError(broken)


def _laws(laws: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of the laws that are wanted."""
    wanted = LAW_NAMES if laws is None else tuple(laws)
    for law in wanted:
        if law not in LAW_NAMES:
            msg = f"there is no law {law!r}; "
            raise GlulamError(msg + suggestion(law, LAW_NAMES, f"there are: {', '.join(LAW_NAMES)}"))
    return wanted


def _layers(distribution: str, layers: Iterable[str] | None, registry: Registry) -> list[str]:
    """Return the names of a distribution's layers."""
    installed = [item.name for item in registry.distributions]
    if distribution not in installed:
        msg = f"no distribution {distribution!r} is installed; "
        raise GlulamError(msg + suggestion(distribution, installed, f"run: pip install -e {distribution}"))
    names = sorted(entry.name for entry in registry.layers.values() if entry.distribution == distribution)
    if not names:
        msg = (
            f"{distribution} registers no layer: give its pyproject.toml a table "
            '[project.entry-points."glulam.layers"] with NAME = "package.configs:NameConfig", and install it again'
        )
        raise GlulamError(msg)
    unknown = [name for name in layers or () if name not in names]
    if unknown:
        msg = f"{distribution} has no layer {unknown[0]!r}; "
        raise GlulamError(msg + suggestion(unknown[0], names, f"there are: {', '.join(names)}"))
    return names if layers is None else list(layers)


def _subject(distribution: str, layer: str, draws: Mapping[str, Draw], registry: Registry) -> Subject:
    """Return a layer to be looked into.

    Raises:
        GlulamError: if its entry point leads nowhere, or to no layer config.
    """
    from glulam.testing._examine import Subject

    qualified = f"{distribution}:{layer}"
    try:
        cls = registry.layers.find(qualified).load()
    except PluginError as error:
        msg = f"{error.message}\n  try: {error.remedy}"
        raise GlulamError(msg) from error
    return Subject(name=qualified, cls=cls, draws=draws)


def _verdict(
    subject: Subject, law: str, exemptions: Iterable[Exemption], level: Level, seed: int | None
) -> Verdict | None:
    """Return what became of a law; None if it is too slow for the level."""
    from glulam.testing._examine import examine
    from glulam.testing._laws import LAWS

    if LAWS[law].slow and level == "quick":
        return None
    verdict = examine(subject, LAWS[law], level=level, seed=seed)
    name = subject.name.rpartition(":")[2]
    excuse = next((item for item in exemptions if item.law == law and item.layer in {None, name}), None)
    if excuse is None or verdict.outcome == "not applicable":
        return verdict
    if verdict.outcome == "broken":
        return attrs.evolve(verdict, outcome="exempt", told=f"{excuse.reason} ({excuse.witness}): {verdict.told}")
    told = f"it keeps the law, and is exempt from it ({excuse.reason}): remove the exemption"
    return attrs.evolve(verdict, outcome="broken", told=told)


def _told(verdict: Verdict) -> str:
    from glulam.testing._laws import LAWS

    parts = [f"{verdict.layer} breaks the law {verdict.law}: {LAWS[verdict.law].says}", f"  {verdict.told}"]
    if verdict.reproduction:
        parts += ["", "To see it again:", "", verdict.reproduction]
    return "\n".join(parts)
