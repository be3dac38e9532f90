"""What a lesson's sweep says: words, and claims that are held against its figures before they are told."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

from glulam_train.sweep import statistics
from tests.evidence.lesson_curves import return_at, runs_of, steps_to, told
from tests.evidence.record import read_result

__all__ = ["Answer", "Claim", "Verdict", "how_soon", "sizes"]

RELATIONS = {
    "above": lambda low, high: low > 0,
    "below": lambda low, high: high < 0,
    "like": lambda low, high: low <= 0 <= high,
}
SAID = {"above": "is above", "below": "is below", "like": "cannot be told from"}
OVER = {"final_return": "at the end", "area": "over the whole training"}


@dataclass(frozen=True)
class Claim:
    """That a variant ends above or below another, or like it, by the interval of the difference of their means."""

    variant: str
    relation: str  # above, below or like
    other: str
    measure: str = "final_return"  # or area, the mean return over the whole training

    def told(self, result):
        """Return the claim with its figures.

        Raises:
            ValueError: if the figures say otherwise.
        """
        values, others = ([run[self.measure] for run in runs_of(result, name)] for name in (self.variant, self.other))
        found = statistics.difference(values, others)
        figures = f"{found['value']:+.2f} [{found['low']:.2f}, {found['high']:.2f}]"
        if not RELATIONS[self.relation](found["low"], found["high"]):
            msg = f"the results say otherwise than {self}: the difference is {figures}"
            raise ValueError(msg)
        return f"* `{self.variant}` {SAID[self.relation]} `{self.other}` {OVER[self.measure]}: {figures}."


@dataclass(frozen=True)
class Answer:
    """One line on what is handed down: whether it holds, and the advice that came of it."""

    lesson: str
    holds: str
    advice: str = ""  # the code of a lint


@dataclass(frozen=True)
class Verdict:
    """A lesson's title, whether it holds in words without figures, the claims behind them, and what more is to tell."""

    title: str
    words: str = ""
    claims: tuple[Claim, ...] = ()
    more: Callable | None = None
    answers: tuple[Answer, ...] = ()  # for the table at the top of the page

    def __call__(self, result):
        """Return the paragraphs on a sweep's result."""
        lines = [self.words or by_interval(result)]
        if self.claims:
            lines += ["", *(claim.told(result) for claim in self.claims)]
        if self.more:
            lines += ["", self.more(result)]
        return "\n".join(lines)


def separated(result):
    """Return which variants end above the first one, below it, and neither, by the interval of their difference."""
    above, below, neither = [], [], []
    for row in result["variants"][1:]:
        difference = row["difference"]
        if difference is None or difference["low"] is None:
            continue
        low, high = difference["low"], difference["high"]
        (above if low > 0 else below if high < 0 else neither).append(row["variant"])
    return above, below, neither


def by_interval(result):
    """Return a paragraph that says no more than the intervals do."""
    first = result["variants"][0]["variant"]
    above, below, neither = separated(result)
    lines = []
    for names, where in ((above, "end above"), (below, "end below")):
        if names:
            lines.append(f"{listed(names)} {where} `{first}`, by intervals that leave out zero.")
    if neither:
        lines.append(f"{listed(neither)} cannot be told from `{first}` with these seeds and steps.")
    return "\n".join(lines)


def listed(names):
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def how_soon(*pairs):
    """Return a function that tells how soon each taught student is where those without a teacher end."""

    def told_of(result):
        steps, lines = result["sweep"]["steps"], ["How soon are students where those without a teacher end?"]
        for taught, base in pairs:
            level = mean(run["final_return"] for run in runs_of(result, base))
            soon, late = (_share(result, variant, level, steps) for variant in (taught, base))
            first, last = (told([run["divergence"][end] for run in runs_of(result, taught)]) for end in (0, 1))
            lines.append(
                f"* `{taught}`, at {level:.2f}: after {soon}; `{base}` itself after {late}. "
                f"From its teacher's policy it is {first} nats away at first, and {last} at the end of the lessons."
            )
        return "\n".join(lines)

    return told_of


def _share(result, variant, level, steps):
    reached = [steps_to(run, level) for run in runs_of(result, variant)]
    never = sum(at is None for at in reached)
    ended = f", {never} of {len(reached)} not at all, which count as 1" if never else ""
    return told([1.0 if at is None else at / steps for at in reached]) + f" of the agent-steps{ended}"


def sizes(result):
    """Return the returns at the time that the quickest policy's training takes."""
    bench = read_result("scaling")["policies"]
    speeds = {}
    for variant in result["variants"]:
        name = variant["variant"]
        found = bench[result["sweep"]["variants"][name]["policy"]]["bench"]
        speeds[name] = found["agent_steps"] / (found["rollout"] + found["training"])
    quickest = max(speeds, key=speeds.get)
    seconds = result["sweep"]["steps"] / speeds[quickest]
    lines = [
        (
            f"That is by agent-steps. By the clock: one core trains `{quickest}` for {result['sweep']['steps']:,} "
            f"agent-steps in {seconds / 60:.1f} minutes (by the speeds of [what training costs](../scaling.md)); "
            "after as long the policies return"
        ),
    ]
    at_that_time = {
        name: [return_at(run, speed * seconds) for run in runs_of(result, name)] for name, speed in speeds.items()
    }
    for name in sorted(speeds, key=speeds.get, reverse=True):
        line = f"* `{name}`: {told(at_that_time[name])}, after {speeds[name] * seconds / 1e3:,.0f}k agent-steps"
        if name != quickest:
            found = statistics.difference(at_that_time[name], at_that_time[quickest])
            line += f"; to `{quickest}` {found['value']:+.2f} [{found['low']:.2f}, {found['high']:.2f}]"
        lines.append(f"{line}.")
    return "\n".join(lines)
