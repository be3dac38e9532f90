"""What each lesson's sweep says: words, and claims that are held against its figures before they are told."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

from glulam_train.sweep import statistics
from tests.evidence.lesson_curves import return_at, runs_of, steps_to, told
from tests.evidence.record import read_result

__all__ = ["VERDICTS", "Claim", "Verdict"]

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
class Verdict:
    """A lesson's title, whether it holds in words without figures, the claims behind them, and what more is to tell."""

    title: str
    words: str = ""
    claims: tuple[Claim, ...] = ()
    more: Callable | None = None

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
    for name, speed in sorted(speeds.items(), key=lambda item: -item[1]):
        values = [return_at(run, speed * seconds) for run in runs_of(result, name)]
        lines.append(f"* `{name}`: {told(values)}, after {speed * seconds / 1e3:,.0f}k agent-steps.")
    return "\n".join(lines)


VERDICTS = {
    "positions": Verdict("How positions are told"),
    "positions_hearts": Verdict(
        "How positions are told, where only hearts pay",
        "**Handed down: Fourier features beat learned positions and rotations, and eight frequencies four. That\n"
        "learned positions lose holds; the rest does not show.**\n"
        "Each seed with learned positions ends below each seed with any of the others but `none`, and without positions\n"
        "nothing is learned at all: returns stay those of random play.\n"
        "Rotations cannot be told from four frequencies.\n"
        "Nor can eight, nor four with an embedding that makes their tokens as wide as those of eight.\n"
        "Hence the advice GL603, on learned positions.",
        (
            Claim("learned", "below", "fourier_4"),
            Claim("learned", "below", "rope"),
            Claim("learned", "above", "none"),
            Claim("rope", "like", "fourier_4"),
            Claim("rope", "like", "fourier_8"),
            Claim("fourier_8", "like", "fourier_4"),
            Claim("fourier_8", "like", "fourier_4_wide"),
            Claim("fourier_8", "like", "fourier_4", "area"),
            Claim("fourier_4_wide", "like", "fourier_4"),
            Claim("none", "below", "fourier_4"),
        ),
    ),
    "width_hearts": Verdict(
        "The width of tokens, where only hearts pay",
        "**Handed down: tokens wider than 48 struggle. That does not hold as it stands.**\n"
        "From scratch 64 ends highest; 96 ends below it, by an interval that hardly leaves out zero, and cannot be\n"
        "told from 32.\n"
        "Taught by one `fast` policy, whose own 600,000 agent-steps are not counted, 96 ends above all that were\n"
        "trained; 64 was not taught.\n"
        "`staged`, which reads with 32 and attends with 128, cannot be told from 32.\n"
        "Hence the advice GL602, which is cautious: over 64, train with a teacher.",
        (
            Claim("width_16", "below", "width_32"),
            Claim("width_48", "like", "width_32"),
            Claim("width_64", "above", "width_48"),
            Claim("width_96", "like", "width_32"),
            Claim("width_96", "below", "width_64"),
            Claim("staged", "like", "width_32"),
            Claim("taught_32", "above", "width_32"),
            Claim("taught_96", "above", "width_96"),
            Claim("taught_96", "above", "taught_32"),
            Claim("taught_96", "above", "width_64"),
        ),
        how_soon(("taught_32", "width_32"), ("taught_96", "width_96")),
    ),
    "sizes": Verdict("The size of the policy", more=sizes),
    "sizes_hearts": Verdict("The size of the policy, where only hearts pay", more=sizes),
    "kickstart": Verdict(
        "A teacher at first",
        "**It depends on the student.** A `latent_attn_tiny` that is taught on `mettagrid:forage` cannot be told from\n"
        "one that is not, and needs more than half of the steps to be where that one ends.\n"
        "Its policy stays nearly as far from its teacher's as it began, so what it is taught does not arrive.\n"
        "A student that can follow needs less than half: see\n"
        "[the width of tokens](#the-width-of-tokens-where-only-hearts-pay).",
        (
            Claim("taught_by_fast", "like", "scratch"),
            Claim("taught_by_small", "like", "scratch"),
            Claim("taught_by_small", "like", "taught_by_fast"),
        ),
        how_soon(("taught_by_fast", "scratch"), ("taught_by_small", "scratch")),
    ),
    "initialisation": Verdict("First weights, and a way around the memory"),
    "memory": Verdict(
        "Kinds of memory",
        "**Which memory matters little, how it begins matters much.**\n"
        "Each kind solves the maze with at least four seeds of five; one GRU never did, and two LSTMs lost it again,\n"
        "at a learning rate that stays high.\n"
        "Attention, whose window is as long as an episode, does so soonest; the gates cannot be told from each other.\n"
        "Handed down are LSTM biases that are all 1. With them and a skip around the memory none of five seeds solved\n"
        "the maze, without the skip two did.\n"
        "Forget gates that start at 1 cannot be told from biases of 0.\n"
        "Hence the advice GL601.",
        (
            Claim("none", "below", "gru"),
            Claim("lstm", "like", "gru"),
            Claim("min_gru", "like", "gru"),
            Claim("sliding", "like", "gru"),
            Claim("sliding", "above", "gru", "area"),
            Claim("min_gru", "like", "lstm"),
            Claim("sliding", "above", "lstm", "area"),
            Claim("sliding", "above", "min_gru", "area"),
            Claim("sliding", "above", "lstm_no_skip", "area"),
            Claim("sliding", "above", "lstm_forget_1", "area"),
            Claim("lstm_no_skip", "like", "lstm"),
            Claim("lstm_forget_1", "like", "lstm"),
            Claim("lstm_ones", "below", "lstm"),
            Claim("lstm_ones", "like", "none"),
            Claim("lstm_ones_no_skip", "below", "lstm_no_skip"),
        ),
    ),
    "resets": Verdict(
        "Resets inside a segment",
        "**That deafness to resets costs returns is not shown.** An LSTM that hears of no reset but the first of a\n"
        "segment, as in four of the original's policies, cannot be told from one that hears of all.\n"
        "That training then computes another function than the rollout is proven, whatever it costs, and stays a\n"
        "breach of [the contract](../contract.md).",
        (Claim("deaf", "like", "hears"), Claim("deaf", "like", "hears", "area")),
    ),
}
