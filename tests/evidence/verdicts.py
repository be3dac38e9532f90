"""What each lesson's sweep says, in words that follow from its figures."""

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
    for names, told in ((above, "end above"), (below, "end below")):
        if names:
            lines.append(f"{listed(names)} {told} `{first}`, by intervals that leave out zero.")
    if neither:
        lines.append(f"{listed(neither)} cannot be told from `{first}` with these seeds and steps.")
    return "\n".join(lines)


def listed(names):
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


VERDICTS = {
    "positions": ("How positions are told", by_interval),
    "positions_hearts": ("How positions are told, where only hearts pay", by_interval),
    "width_hearts": ("The width of tokens, where only hearts pay", by_interval),
    "sizes": ("The size of the policy", by_interval),
    "sizes_hearts": ("The size of the policy, where only hearts pay", by_interval),
    "kickstart": ("A teacher at first", by_interval),
    "initialisation": ("First weights, and a way around the memory", by_interval),
    "memory": ("Kinds of memory", by_interval),
    "resets": ("Resets inside a segment", by_interval),
}
