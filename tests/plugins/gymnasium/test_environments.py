"""The entry points of glulam-gymnasium: names, messages, and what they import."""

from __future__ import annotations

import os
import subprocess
import sys

import gymnasium
import pytest
from gymnasium.error import DependencyNotInstalled

import glulam
from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments, minigrid_environments


def _run(code: str) -> tuple[str, str]:
    path = os.pathsep.join(filter(None, sys.path))
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PYGAME")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=settings | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()


class TestImports:
    """Oracle: `sys.modules` of a fresh process in which a warning is an error, and what it prints."""

    HEAVY = "{'torch', 'tensordict', 'numpy', 'gymnasium', 'minigrid'}"

    def test_the_families_need_nothing(self):
        code = f"import sys, glulam_gymnasium as g; print(sorted({self.HEAVY} & set(sys.modules)))"
        assert _run(code) == ("[]", "")

    @pytest.mark.parametrize(
        ("family", "task", "imported"),
        [
            ("gymnasium", "CartPole-v1", ["gymnasium", "numpy"]),
            ("minigrid", "MiniGrid-MemoryS7-v0", ["gymnasium", "minigrid", "numpy"]),
        ],
    )
    def test_a_spec_needs_no_torch_and_prints_nothing(self, family, task, imported):
        code = (
            f"import sys, glulam_gymnasium as g; g.{family}_environments.spec({task!r});"
            f"print(sorted({self.HEAVY} & set(sys.modules)))"
        )
        assert _run(code) == (str(imported), "")

    def test_making_a_world_prints_nothing(self):
        code = (
            "import glulam_gymnasium as g;"
            "g.minigrid_environments.make('MiniGrid-DoorKey-5x5-v0', num_envs=2, seed=0).reset()"
        )
        assert _run(code) == ("", "")


class TestThroughCore:
    """Oracle: the families themselves."""

    def test_by_uri(self):
        spec = glulam.environment_spec("gymnasium:CartPole-v1?autoreset=next_step")
        assert spec == gymnasium_environments.spec("CartPole-v1?autoreset=next_step")
        world = glulam.make_environment("minigrid:MiniGrid-MemoryS7-v0", num_envs=2, seed=0)
        assert world.spec == minigrid_environments.spec("MiniGrid-MemoryS7-v0")


class TestSpecs:
    """Oracle: how many copies were made."""

    def _counted(self, monkeypatch) -> list[str]:
        made = []
        make = gymnasium.make
        monkeypatch.setattr(gymnasium, "make", lambda entry, **more: made.append(entry.id) or make(entry, **more))
        return made

    def test_one_copy_is_made_for_a_spec_and_only_once(self, monkeypatch):
        made = self._counted(monkeypatch)
        family = type(gymnasium_environments)()
        assert family.spec("Ladder-v0") is family.spec("Ladder-v0")
        assert made == ["Ladder-v0"]
        family.make("Ladder-v0", num_envs=3, seed=0)
        assert made == ["Ladder-v0"] * 4

    def test_an_id_that_is_registered_anew_is_looked_at_anew(self):
        family = type(gymnasium_environments)()
        before = family.spec("Ladder-v0")
        ladder = gymnasium.registry["Ladder-v0"]
        del gymnasium.registry["Ladder-v0"]
        gymnasium.register("Ladder-v0", ladder.entry_point, kwargs={"dtype": "int32"})
        assert (before.box.dtype, family.spec("Ladder-v0").box.dtype) == ("int16", "int32")


class TestMessages:
    """Oracle: the text, as a user reads it; `spec` and `make` say the same."""

    def _message(self, family, task: str) -> str:
        with pytest.raises(GlulamError) as of_spec:
            family.spec(task)
        with pytest.raises(GlulamError) as of_make:
            family.make(task, num_envs=1, seed=0)
        assert str(of_spec.value) == str(of_make.value)
        return str(of_spec.value)

    @pytest.mark.parametrize(
        "option", ["", "autoreset", "autoreset=", "autoreset=never", "reset=disabled", "autoreset=disabled&view=9"]
    )
    def test_an_unknown_option(self, option):
        assert self._message(gymnasium_environments, f"CartPole-v1?{option}") == (
            f"gymnasium task 'CartPole-v1?{option}': {option!r} is no option; "
            "the only one is CartPole-v1?autoreset=same_step, next_step or disabled"
        )

    def test_an_unknown_id_with_near_ones(self):
        assert self._message(gymnasium_environments, "CartPol-v1") == (
            "unknown gymnasium environment 'CartPol-v1'; "
            "did you mean 'CartPole-v1' or 'CartPole-v0' or 'phys2d/CartPole-v1'?"
        )
        assert self._message(minigrid_environments, "MiniGrid-MemoryS8-v0?autoreset=disabled") == (
            "unknown minigrid environment 'MiniGrid-MemoryS8-v0'; did you mean 'MiniGrid-MemoryS9-v0' or "
            "'MiniGrid-MemoryS7-v0' or 'MiniGrid-MemoryS13-v0'?"
        )

    def test_an_unknown_id_without(self):
        assert self._message(gymnasium_environments, "xyz") == (
            "unknown gymnasium environment 'xyz'; gymnasium:MODULE:xyz imports a module that registers it"
        )
        assert self._message(gymnasium_environments, "json:xyz") == "unknown gymnasium environment 'xyz'"

    def test_a_module_that_is_missing(self):
        assert self._message(gymnasium_environments, "no_such_module:Own-v0") == (
            "gymnasium:no_such_module:Own-v0: cannot import 'no_such_module', which should register it: "
            "No module named 'no_such_module'"
        )

    def test_an_id_that_needs_what_is_not_installed(self):
        def broken():
            msg = "Physics is not installed"
            raise DependencyNotInstalled(msg)

        gymnasium.register("Broken-v0", broken)
        try:
            assert self._message(gymnasium_environments, "Broken-v0") == (
                "gymnasium:Broken-v0 cannot be made: DependencyNotInstalled: Physics is not installed"
            )
        finally:
            del gymnasium.registry["Broken-v0"]

    def test_an_id_of_another_family(self):
        assert self._message(minigrid_environments, "LadderPlain-v0") == (
            "minigrid:LadderPlain-v0: its observations are Box(0, 99, (2,), int16); "
            "the family minigrid needs MiniGrid's image and direction"
        )


class TestModules:
    """Oracle: a module in a folder of its own that registers an id when it is imported."""

    def test_it_is_imported_first(self, tmp_path, monkeypatch):
        (tmp_path / "own_worlds.py").write_text(
            "import gymnasium\ngymnasium.register('Own-v0', 'gymnasium.envs.classic_control:CartPoleEnv')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        try:
            spec = gymnasium_environments.spec("own_worlds:Own-v0")
        finally:
            gymnasium.registry.pop("Own-v0", None)
        assert (spec.name, spec.box.shape) == ("gymnasium:own_worlds:Own-v0", (4,))
