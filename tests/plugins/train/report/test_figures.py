"""Numbers as people read them, by hand."""

import pytest

from glulam_train.report.figures import margin, number, span, steps


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (12.3456, "12.35"),
        (-0.5, "-0.5"),
        (123456.7, "123,457"),
        (-1234.0, "-1,234"),
        (1.2e-6, "1.2e-06"),
    ],
)
def test_a_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (12.3456, 0.4321, "12.35 ± 0.43"),
        (12.3456, 43.21, "12 ± 43"),
        (-1234.5, 4.0, "-1,234.5 ± 4.0"),
        (0.5, 0.00312, "0.5000 ± 0.0031"),
        (5.0, 0.0, "5.00 ± 0.00"),
        (5.0, None, "5"),
        (None, 1.0, "-"),
    ],
)
def test_a_margin_has_two_digits(value, spread, text):
    assert margin(value, spread) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (250_000, "250k"), (1.5e6, "1.5M"), (2e9, "2G")])
def test_steps(value, text):
    assert steps(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3 * 3600 + 725, "3 h 12 min")]
)
def test_a_span(seconds, text):
    assert span(seconds) == text
