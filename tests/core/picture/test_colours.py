"""WCAG 2 contrast of the picture's own colours, which axe does not measure in SVG, in light and in dark."""

import re
from importlib.resources import files

import pytest

CSS = (files("glulam.picture") / "templates" / "picture.css").read_text(encoding="utf-8")


def colours(selector, what="fill"):
    """Return the light and the dark colour of a rule."""
    for line in CSS.splitlines():
        if re.match(rf"\.glulam-picture (.*, )?(\.glulam-picture )?{re.escape(selector)}[ ,]", line):
            found = re.search(rf"{what}: light-dark\((#\w+), (#\w+)\)", line)
            if found:
                return found.groups()
    raise AssertionError(selector)


def luminance(colour):
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


FACES = [f".hue{number} .face" for number in range(8)] + [".world .face", ".plain .face", ".chip rect", ".sheet"]


def test_the_measure_is_wcags():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("text", ["text", ".soft"])
def test_text_is_legible_on_every_board(face, text):
    for ink, paper in zip(colours(text), colours(face), strict=True):
        assert contrast(ink, paper) >= 4.5


def test_faults_are_legible():
    for paper in (".fault-strip", ".sheet"):
        assert all(contrast(*pair) >= 4.5 for pair in zip(colours("text.fault"), colours(paper), strict=True))


@pytest.mark.parametrize("number", range(8))
def test_edges_stand_out(number):
    """Graphical objects: 3 to 1."""
    edges, sheet = colours(f".hue{number} .face", "stroke"), colours(".sheet")
    assert all(contrast(*pair) >= 3 for pair in zip(edges, sheet, strict=True))


def test_wires_stand_out():
    assert all(contrast(*pair) >= 3 for pair in zip(colours(".wire", "stroke"), colours(".sheet"), strict=True))


def test_each_colour_has_a_plain_form_for_programs_without_light_dark():
    """The light one, just before it."""
    for found in re.finditer(r"(fill|stroke): light-dark\((#\w+), #\w+\)", CSS):
        before = CSS[: found.start()].rstrip()
        assert before.endswith(f"{found[1]}: {found[2]};"), found[0]
