"""Every public name is documented: what it is, fields, errors, shapes and units; the site shows each."""

import importlib
import inspect
import sys

import attrs
import click
import pytest
import torch

import glulam
from tests.docs.public_names import faults_of
from tests.evidence.record import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import reference_pages

MODULES = reference_pages.shown_modules()


@pytest.mark.parametrize("module", MODULES)
def test_public_names_say_what_they_are(module):
    home, wrong = importlib.import_module(module), []
    for name in home.__all__:
        value = getattr(home, name)
        wrong += faults_of(f"{module}.{name}", value)
        is_constant = not (inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, click.Command))
        if is_constant and not reference_pages.data_doc(module, name):
            wrong.append(f"{module}.{name}: no docstring below it")
    assert wrong == []


def test_the_reference_has_core_and_every_plugin():
    assert {module.partition(".")[0] for module in MODULES} >= {"glulam", "glulam_train", "glulam_heads"}
    assert len(reference_pages.PACKAGES) == len(list(ROOT.glob("plugins/*/pyproject.toml")))
    pages = {page.stem for page in (ROOT / "docs" / "reference" / "api" / "plugins").glob("*.md")} - {"index"}
    assert {f"glulam_{page}" for page in pages} == set(reference_pages.PACKAGES)


def test_a_name_that_no_page_has_is_told():
    """`make docs` warns of each, and warnings are errors there."""
    shown = {f"{module}.{name}" for module in MODULES for name in reference_pages.public_names(module)}
    assert reference_pages.left_out(shown) == []
    assert reference_pages.left_out(shown - {"glulam.build", "glulam_train.ppo.PpoLoss"}) == [
        "glulam.build",
        "glulam_train.ppo.PpoLoss",
    ]


def undocumented(x):
    return x


def quiet(number: int) -> int:
    """Return a number."""
    if number < 0:
        msg = "negative"
        raise glulam.GlulamError(msg)
    return _helped(number)


def _helped(number):
    if number > 9:
        msg = "large"
        raise ValueError(msg)
    return number


def shapeless(x: torch.Tensor) -> torch.Tensor:
    """Return it."""
    return x


@attrs.frozen
class Halves:
    """One half.

    Attributes:
        first: The first.
        timeout: How long.
    """

    first: int
    second: int
    timeout: float

    def method(self):
        return self.first


@attrs.frozen
class Whole:
    """All of it.

    Attributes:
        first: The first.
        timeout: How long, in seconds.
    """

    first: int
    timeout: float

    def method(self, x: torch.Tensor) -> torch.Tensor:
        """Return `[B]`.

        Raises:
            GlulamError: always.
        """
        msg = "always"
        if x is not None:
            raise glulam.GlulamError(msg)
        return x


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        (undocumented, ["x: no docstring"]),
        (quiet, ["x: raises ValueError and does not say so", "x: raises glulam.GlulamError and does not say so"]),
        (shapeless, ["x: has tensors and says no shape"]),
        (Halves, ["x: field second is not described", "x: field timeout has no unit", "x.method: no docstring"]),
        (Whole, []),
    ],
    ids=["undocumented", "quiet", "shapeless", "Halves", "Whole"],
)
def test_what_a_docstring_leaves_out_is_told(value, faults):
    assert faults_of("x", value) == faults
