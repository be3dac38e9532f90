"""The metrics of a run as charts, in groups; what each of them is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam_train.report.chart import Chart, binned, points_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glulam_train.report.chart import Line

__all__ = ["GROUPS", "charts_of", "smoothing"]

GROUPS = {
    "returns": "Returns and speed",
    "learning": "Policy and values",
    "losses": "Losses",
    "gradients": "Gradients and learning rate",
    "others": "Other metrics",
}
"""Groups of charts on the page, in order, and their headings."""

# The last part of a metric's name: its group, its title, and what it is.
KNOWN = {
    "return_mean": (
        "returns",
        "Return",
        "Of one agent over one episode: the mean of those that ended last, 100 or more, so that it lags behind.",
    ),
    "length_mean": ("returns", "Length", "Steps of those episodes."),
    "steps_per_second": ("returns", "Agent-steps a second", "Of the whole update: environment, network and learning."),
    "episodes": ("returns", "Episodes", "Agent-episodes that have ended since the start."),
    "entropy": ("learning", "Entropy", "Of the policy's distribution over actions, in nats: how much it still tries."),
    "approx_kl": (
        "learning",
        "KL divergence",
        "Of the policy that acted from the one that learns: how far one update moves.",
    ),
    "clip_fraction": ("learning", "Clipped", "Share of the steps at which the policy ratio was clipped."),
    "explained_variance": (
        "learning",
        "Explained variance",
        "Share of the variance of returns that the values foresaw: 1 is all, 0 no more than a constant.",
    ),
    "ratio_error": (
        "learning",
        "Ratio error",
        "Largest |ratio - 1| between training and rollout before an update learns: rounding, unless memory differs.",
    ),
    "policy_loss": ("losses", "Policy loss", "The clipped surrogate of PPO, negated: lower is better."),
    "value_loss": ("losses", "Value loss", "Half the squared error of the values: it grows with the returns."),
    "grad_norm": ("gradients", "Gradient norm", "Of all weights that are trained, before clipping."),
    "learning_rate": ("gradients", "Learning rate", "Of the optimiser, in each update."),
    "reward_scale": ("gradients", "Reward scale", "What rewards are divided by."),
}
AXES = {"agent_steps", "seconds", "return_ci95"}


def charts_of(rows: Sequence[Mapping[str, Any]], limits: Mapping[str, tuple[float, str]]) -> dict[str, list[Chart]]:
    """Return the charts of each group that has any.

    Args:
        rows: of `metrics.jsonl`.
        limits: horizontal lines to draw, by metric.
    """
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in AXES]
    x = [row["agent_steps"] for row in rows]
    found: dict[str, list[Chart]] = {group: [] for group in GROUPS}
    for place, name in enumerate(sorted(names, key=_order)):
        group, title, told = _about(name)
        values = [row.get(name) for row in rows]
        line = binned(title, x, values, [row.get("return_ci95") for row in rows] if name == "return_mean" else None)
        chart = Chart(
            name=f"chart-{place}",
            title=title,
            told=f"{told} {_interval(line)}" if name == "return_mean" else told,
            lines=[line],
            limit=limits.get(name),
            tall=name == "return_mean",
        )
        if not chart.is_empty:
            found[group].append(chart)
    return {group: charts for group, charts in found.items() if charts}


def _about(name: str) -> tuple[str, str, str]:
    owner, _, short = name.rpartition("/")
    if short in KNOWN:
        return KNOWN[short]
    if name == "loss":
        return "losses", "Loss", "The sum of all losses, which gradients are taken of."
    words = short.replace("_", " ")
    title = f"{owner}: {words}" if owner else words[:1].upper() + words[1:]
    return "losses" if short.endswith("loss") else "others", title, f"As the loss {owner} told." if owner else ""


def _order(name: str) -> int:
    short = name.rpartition("/")[2]
    return [*KNOWN].index(short) if short in KNOWN else len(KNOWN)


def smoothing(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what each point of the charts stands for, where it is more than one update."""
    each = points_of(len(rows))
    if each == 1:
        return None
    return (
        f"In all charts each point is the mean of {each} updates. A band goes from the lowest of them to the highest, "
        "but that of the return is their mean interval."
    )


def _interval(line: Line) -> str:
    if line.low is None or not any(edge is not None for edge in line.low):
        return "No interval: this run stored none."
    return "The band is the 95 % interval of that mean over episodes, those of one world as one observation."
