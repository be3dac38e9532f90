"""Tables of the pages."""

__all__ = ["row", "table"]


def table(titles):
    """Return the head of a table whose titles are given with bars between them."""
    names = titles.split("|")
    return [row(names), "|" + "---|" * len(names)]


def row(cells):
    """Return a line of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"
