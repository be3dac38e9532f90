"""What each lesson's sweep says, in words that follow from its figures."""

from statistics import mean

from tests.evidence.lesson_curves import return_at, runs_of, steps_to, told
from tests.evidence.record import read_result

__all__ = ["VERDICTS"]


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


def kickstart(result):
    """Return what the intervals say, and how soon each taught student is where the others end."""
    lines = [by_interval(result), ""]
    base, steps = result["variants"][0]["variant"], result["sweep"]["steps"]
    level = mean(run["final_return"] for run in runs_of(result, base))
    lines.append(f"Those without a teacher end at {level:.2f} on average. How soon is a run there?")
    for variant in (base, *(row["variant"] for row in result["variants"] if row["variant"].startswith("taught"))):
        reached = [steps_to(run, level) for run in runs_of(result, variant)]
        parts = [1.0 if at is None else at / steps for at in reached]
        never = sum(at is None for at in reached)
        ended = f", {never} of {len(reached)} not at all, which count as 1" if never else ""
        lines.append(f"* `{variant}`: after {told(parts)} of the agent-steps{ended}.")
    return "\n".join(lines)


def sizes(result):
    """Return what the intervals say, and returns at the time that the quickest policy's training takes."""
    bench = read_result("scaling")["policies"]
    speeds = {}
    for variant in result["variants"]:
        name = variant["variant"]
        found = bench[result["sweep"]["variants"][name]["policy"]]["bench"]
        speeds[name] = found["agent_steps"] / (found["rollout"] + found["training"])
    quickest = max(speeds, key=speeds.get)
    seconds = result["sweep"]["steps"] / speeds[quickest]
    lines = [
        by_interval(result),
        "",
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
    "positions": ("How positions are told", by_interval),
    "positions_hearts": ("How positions are told, where only hearts pay", by_interval),
    "width_hearts": ("The width of tokens, where only hearts pay", by_interval),
    "sizes": ("The size of the policy", sizes),
    "sizes_hearts": ("The size of the policy, where only hearts pay", sizes),
    "kickstart": ("A teacher at first", kickstart),
    "initialisation": ("First weights, and a way around the memory", by_interval),
    "memory": ("Kinds of memory", by_interval),
    "resets": ("Resets inside a segment", by_interval),
}
