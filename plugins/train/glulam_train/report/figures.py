"""Numbers as people read them."""

from __future__ import annotations

__all__ = ["count", "margin", "number", "span", "steps"]

THOUSAND, MILLION, BILLION = 1e3, 1e6, 1e9
MINUTE, HOUR = 60, 3600
DIGITS = 6  # at most, after the point


def number(value: float | None) -> str:
    """Return a value to four digits: `12.34`, `1,234`, `1.2e-06`; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.4g}"


def margin(value: float | None, spread: float | None) -> str:
    """Return `12.34 ± 0.42`, to the second digit of the spread; the value alone where there is none."""
    if value is None or spread is None:
        return number(value)
    digits = next((digits for digits in range(DIGITS) if spread * 10**digits >= 10), 2)  # noqa: PLR2004 - two digits
    return f"{value:,.{digits}f} ± {spread:,.{digits}f}"


def count(value: float) -> str:
    """Return a whole number: `1,234,567`."""
    return f"{value:,.0f}"


def steps(value: float) -> str:
    """Return a number for an axis: `250k`, `1.5M`."""
    for size, letter in ((BILLION, "G"), (MILLION, "M"), (THOUSAND, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def span(seconds: float) -> str:
    """Return a time: `41 s`, `2 min 5 s`, `3 h 12 min`."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR:,} h {whole % HOUR // MINUTE} min"
