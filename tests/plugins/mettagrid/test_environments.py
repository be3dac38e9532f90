"""The entry point `glulam_mettagrid:environments`: names, messages, and what it imports."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

import pytest

from glulam import GlulamError
from glulam_mettagrid import TASKS, environments

needs_mettagrid = pytest.mark.skipif(find_spec("mettagrid") is None, reason="mettagrid has no wheel for this machine")


def _run(code: str) -> str:
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


class TestImports:
    """Oracle: `sys.modules` and the root logger of a fresh process."""

    def test_the_family_needs_neither_torch_nor_mettagrid(self):
        code = (
            "import sys, glulam_mettagrid as g; g.environments.tasks;"
            "print(sorted({'torch', 'tensordict', 'numpy', 'mettagrid'} & set(sys.modules)))"
        )
        assert _run(code) == "[]"

    @needs_mettagrid
    def test_a_spec_needs_no_torch(self):
        code = (
            "import sys, glulam_mettagrid as g; g.environments.spec('forage');"
            "print(sorted({'torch', 'tensordict', 'mettagrid'} & set(sys.modules)))"
        )
        assert _run(code) == "['mettagrid']"

    @needs_mettagrid
    def test_logging_stays_as_it_was(self):
        code = (
            "import logging, glulam_mettagrid as g; g.environments.spec('forage');"
            "print(logging.root.level, logging.root.handlers)"
        )
        assert _run(code) == "30 []"


class TestMessages:
    """Oracle: the text, as a user reads it."""

    def _message(self, task: str, **settings: int) -> str:
        with pytest.raises(GlulamError) as caught:
            environments.make(task, **({"num_envs": 1, "seed": 0} | settings))
        return str(caught.value)

    def test_names_are_known_at_once(self):
        assert environments.tasks == TASKS == ("forage", "forage_hearts", "tmaze")

    def test_an_unknown_task(self):
        assert self._message("forrage") == (
            "unknown mettagrid task 'forrage'; there are: forage, forage_hearts, tmaze; did you mean 'forage'?"
        )
        with pytest.raises(
            GlulamError, match=r"^unknown mettagrid task 'xyz'; there are: forage, forage_hearts, tmaze$"
        ):
            environments.spec("xyz")

    @pytest.mark.parametrize("option", ["", "views=9", "view=", "view=-1", "view=9.0", "view=9&view=9"])
    def test_an_unknown_option(self, option):
        assert self._message(f"forage?{option}") == (
            f"mettagrid task 'forage?{option}': {option!r} is no option; the only one is a view size, forage?view=9"
        )

    @needs_mettagrid
    @pytest.mark.parametrize(
        ("size", "remedy"),
        [(10, "9 or 11"), (2, "3"), (4, "3 or 5"), (0, "3"), (1, "3"), (16, "15"), (17, "15"), (255, "15")],
    )
    def test_a_view_that_would_crash_mettagrid(self, size, remedy):
        assert self._message(f"forage?view={size}") == (
            f"forage: a view height of {size} crashes mettagrid; it must be odd and from 3 to 15, so take {remedy}"
        )

    @needs_mettagrid
    def test_arguments_out_of_range(self):
        assert self._message("forage", num_envs=0) == "mettagrid:forage: num_envs is 0; it must be at least 1"
        assert self._message("forage", first=-1) == "mettagrid:forage: first is -1; it must not be negative"
        assert self._message("tmaze", seed=-1) == "mettagrid:tmaze: seed is -1; it must not be negative"


class TestMettagridItself:
    """A mettagrid that is missing, of another version or broken; oracle: the text."""

    def _message(self) -> str:
        with pytest.raises(GlulamError) as of_spec:
            environments.spec("forage")
        with pytest.raises(GlulamError) as of_make:
            environments.make("forage", num_envs=1, seed=0)
        assert str(of_spec.value) == str(of_make.value)
        return str(of_spec.value)

    def test_missing(self, monkeypatch):
        def missing(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "version", missing)
        assert self._message() == (
            'mettagrid is not installed: pip install "mettagrid==0.26.22" (it has wheels for Python 3.11 and '
            "3.12, on Linux with glibc 2.34 or later and on Apple silicon)"
        )

    def test_of_another_version(self, monkeypatch):
        monkeypatch.setattr(metadata, "version", lambda _: "0.30.1")
        assert self._message() == (
            'mettagrid 0.30.1 is installed, and glulam-mettagrid drives 0.26.22: pip install "mettagrid==0.26.22"'
        )

    def test_that_cannot_be_imported(self, monkeypatch):
        def broken(name):
            msg = f"no glibc for {name}"
            raise ImportError(msg)

        monkeypatch.setattr(metadata, "version", lambda _: "0.26.22")
        monkeypatch.setattr(importlib, "import_module", broken)
        assert self._message() == (
            "mettagrid 0.26.22 cannot be imported here (no glibc for mettagrid.config.mettagrid_config); it "
            "has wheels for Python 3.11 and 3.12, on Linux with glibc 2.34 or later and on Apple silicon"
        )
