"""Looking into one law of one layer: cases are drawn, the smallest that breaks it is told."""

from __future__ import annotations

import contextlib
import json
import time
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import attrs
import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

import glulam.testing.laws  # noqa: F401 - registers the laws
from glulam._errors import GlulamError
from glulam.config import ObsShaperConfig
from glulam.structure import plain_fields
from glulam.testing._case import Case
from glulam.testing._fit import NoFitError
from glulam.testing._laws import LAWS, BrokenLawError, Law
from glulam.testing.strategies import env_specs, layer_configs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from hypothesis.strategies import SearchStrategy

    from glulam.environment import EnvSpec

__all__ = ["EXAMPLES", "Level", "Subject", "Verdict", "Widths", "examine", "search"]

Level = Literal["quick", "full"]
MOST_LOOKS, MOST_SECONDS = 40, 20  # after which what was found is small enough
EXAMPLES: dict[Level, int] = {"quick": 5, "full": 40}
WORLDS: tuple[dict[str, Any], ...] = tuple(
    {"shows": shows, "actions": actions}
    for shows in ("tokens", "box")
    for actions in ("discrete", "multi-discrete", "continuous")
)


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of one law of one layer.

    Attributes:
        layer: `distribution:name`.
        law: its name.
        outcome: whether it was kept or broken, does not apply, or is exempt.
        told: what was found, or why it does not apply.
        reproduction: code that shows it again.
        seconds: how long it took.
    """

    layer: str
    law: str
    outcome: Literal["kept", "broken", "not applicable", "exempt"]
    told: str = ""
    reproduction: str = ""
    seconds: float = 0.0


@attrs.frozen(eq=False, kw_only=True)
class Subject:
    """A layer under test.

    Attributes:
        name: `distribution:layer`.
        cls: its config class.
        fixed: one config to look into, in place of drawn ones.
        draws: what some keys hold, by the name that they have by default.
    """

    name: str
    cls: type
    fixed: Any = None
    draws: Mapping[str, Callable[[EnvSpec, tuple[int, ...], torch.Generator], torch.Tensor]] = attrs.field(factory=dict)
    samples: dict[tuple[str, int | None], tuple[list[Case], str]] = attrs.field(factory=dict, init=False)

    @cached_property
    def worlds(self) -> tuple[dict[str, Any], ...]:
        """The kinds of worlds that the layer takes; all where nobody can tell."""
        return self._suited() or WORLDS

    def _suited(self) -> tuple[dict[str, Any], ...]:
        found: list[dict[str, Any]] = []
        for kinds in WORLDS:
            if issubclass(self.cls, ObsShaperConfig) or kinds["shows"] == "tokens" or not found:
                try:
                    _first(self, kinds).bound()
                except (NoFitError, GlulamError):
                    continue
                except Exception:  # noqa: BLE001, S110 - the laws will tell what is wrong with it
                    pass
                found.append(kinds)
        return tuple(found)

    def sample(self, level: Level, seed: int | None = None) -> tuple[list[Case], str]:
        """Return the cases that all laws look into, and why others were left out."""
        if (level, seed) not in self.samples:
            _ = self.worlds  # found out before anything is drawn
            cases: list[Case] = []
            refusals: list[str] = []

            def collect(case: Case) -> None:
                if _is_refused(case, refusals):
                    hypothesis.reject()
                cases.append(case)

            with contextlib.suppress(hypothesis.errors.Unsatisfiable):
                _hypothesis(collect, EXAMPLES[level], seed, case=_guarded(self, refusals))()
            self.samples[level, seed] = (cases[: EXAMPLES[level]], refusals[-1] if refusals else "")
        return self.samples[level, seed]


@st.composite
def _cases(draw: Any, subject: Subject, kinds: dict[str, Any] | None = None) -> Case:  # noqa: ANN401
    env = draw(env_specs(**(kinds or draw(st.sampled_from(subject.worlds)))))
    raw = subject.fixed if subject.fixed is not None else draw(layer_configs(subject.cls))
    widths = Widths(
        N=draw(st.integers(3, 6)),
        other=draw(st.sampled_from([4, 8, 12, 6])),
        height=12,
        width=12,  # for kernels
    )
    sizes = {"rows": draw(st.integers(3, 5)), "steps": draw(st.integers(2, 5)), "seed": draw(st.integers(0, 9))}
    return Case(raw=raw, env=env, widths=widths, draws=subject.draws, **sizes)


class Widths(dict):  # type: ignore[type-arg]
    """Sizes of dims by name, and one for all others."""

    OTHER = "other"

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        """Return the size of a dim, whatever its name."""
        return super().get(name, super().get(self.OTHER, default))


def _first(subject: Subject, kinds: dict[str, Any]) -> Case:
    """Return the simplest case in a kind of world.

    Raises:
        NoFitError: if no config fits there.
    """
    found: list[Case] = []
    settings = hypothesis.settings(
        max_examples=1, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip

    def look(case: Case) -> None:
        found.append(case)

    settings(hypothesis.given(case=_cases(subject, kinds))(look))()
    return found[0]


def search(law: str, case: Case) -> str | None:
    """Return how a case breaks a law, None if it does not."""
    found = _Search(LAWS[law]).broken(case, examples=20)
    return None if found is None else found[0]


def examine(
    subject: Subject, law: Law, *, level: Level = "quick", seed: int | None = None, shrinks: bool = True
) -> Verdict:
    """Look into one law of one layer: into the cases that all laws share, then for a smaller one that breaks it.

    Args:
        subject: the layer.
        law: the law.
        level: how many cases are looked into.
        seed: of what is drawn; the same each time when None.
        shrinks: whether a smaller case is looked for.
    """
    start = time.perf_counter()
    search = _Search(law)
    cases, refusal = subject.sample(level, seed)
    broken = None
    for case in cases[: law.examples]:
        broken = search.broken(case, seed)
        if broken is not None:
            break
    common = {"layer": subject.name, "law": law.name}
    if broken is not None:
        told, smallest = search.smallest(subject, broken) if shrinks else (broken[0].split("\n")[0], broken[1])
        again = _reproduction(subject, law, smallest)
        return Verdict(**common, outcome="broken", told=told, reproduction=again, seconds=time.perf_counter() - start)
    taken = time.perf_counter() - start
    if search.looked:
        return Verdict(**common, outcome="kept", seconds=taken)
    if search.excuse:
        return Verdict(**common, outcome="not applicable", told=search.excuse, seconds=taken)
    return Verdict(
        **common, outcome="broken", told=f"no case could be made: {refusal or 'nothing fits'}", seconds=taken
    )


class _Enough(BaseException):
    """Ends a search; Hypothesis would take an `Exception` for something that was found."""


class _Search:
    """What is looked for in cases; it remembers what it saw."""

    def __init__(self, law: Law) -> None:
        self.law, self.looked, self.excuse = law, 0, ""

    def broken(self, case: Case, seed: int | None = None, examples: int = 3) -> tuple[str, Case] | None:
        """Return how a case breaks the law, and the case; None if it does not."""
        try:
            excuse = self.law.excuse(case)
            if excuse:
                self.excuse = excuse
                return None
            self.looked += 1
            if not self.law.draws:
                self.law.check(case, None)  # type: ignore[arg-type]
                return None

            def look(data: Any) -> None:  # noqa: ANN401 - Hypothesis' data object
                self.law.check(case, data)

            _hypothesis(look, examples, seed, data=st.data())()
        except BrokenLawError as error:
            return str(error), case
        except Exception as error:  # noqa: BLE001 - whatever a stranger's layer raises breaks the law
            lines = str(error).strip().splitlines()
            return f"{type(error).__name__}: {lines[0] if lines else ''}", case
        return None

    def smallest(self, subject: Subject, found: tuple[str, Case]) -> tuple[str, Case]:
        """Return the smallest case that Hypothesis comes upon which breaks the law, and how."""
        best, looks, end = [found], count(), time.perf_counter() + MOST_SECONDS

        def look(case: Case) -> None:
            if next(looks) >= MOST_LOOKS or time.perf_counter() > end:
                raise _Enough
            again = None if _is_refused(case, []) else self.broken(case)
            if again is not None:
                best.append(again)
                raise BrokenLawError(again[0])

        with contextlib.suppress(BrokenLawError, hypothesis.errors.HypothesisException, _Enough):
            _hypothesis(look, 10, None, case=_guarded(subject, []))()
        told, case = best[-1]
        return told.split("\n")[0], case


def _hypothesis(test: Any, examples: int, seed: int | None, **given: Any) -> Callable[[], None]:  # noqa: ANN401
    settings = hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=seed is None, verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
        print_blob=False,
    )  # fmt: skip
    made = settings(hypothesis.given(**given)(test))
    return made if seed is None else hypothesis.seed(seed)(made)


def _guarded(subject: Subject, refusals: list[str]) -> SearchStrategy[Case]:
    """Draw cases, leaving out those whose sizes do not go together; note why."""

    @st.composite
    def guarded(draw: Any) -> Case:  # noqa: ANN401
        try:
            return draw(_cases(subject))  # type: ignore[no-any-return]
        except NoFitError as error:
            refusals.append(str(error))
            hypothesis.reject()

    return guarded()


def _is_refused(case: Case, refusals: list[str]) -> bool:
    """Whether a layer refuses a case in its own words; whatever else it raises the laws will tell."""
    try:
        _ = case.module
    except GlulamError as error:
        refusals.append(str(error))
        return True
    except Exception:  # noqa: BLE001
        return False
    return False


def _reproduction(subject: Subject, law: Law, case: Case | None) -> str:
    if case is None:
        return ""
    config = {name: value for name, value in plain_fields(case.raw).items() if attrs.has(type(case.raw))}
    return (
        "import glulam.testing\n\n"
        f"glulam.testing.look_again(\n    {subject.name!r}, {law.name!r}, config={config!r},\n"
        f"    env={json.dumps(case.env.obs_meta())!r},\n    widths={dict(case.widths)!r}, "
        f"rows={case.rows}, steps={case.steps}, seed={case.seed},\n)"
    )
