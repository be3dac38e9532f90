"""What is in the wheels: built with the hatchling of this environment, without an index."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def _build(folder, target, out):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return zipfile.ZipFile(_build(ROOT, "wheel", tmp_path_factory.mktemp("core")))


def test_the_core_wheel_ships_the_index(core):
    assert core.read("glulam/registry.toml") == (ROOT / "registry.toml").read_bytes()


def test_the_core_wheel_holds_core_and_nothing_else(core):
    names = core.namelist()
    assert {"glulam/__init__.py", "glulam/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"glulam", "glulam-0.1.0.dist-info"}


def test_the_core_wheel_holds_the_page_of_every_code(core):
    from glulam.explain import RULES

    assert {f"glulam/explain/{code}.md" for code in RULES} <= set(core.namelist())


def test_the_core_wheel_holds_the_templates_of_pictures(core):
    folder = ROOT / "core" / "glulam" / "picture" / "templates"
    assert {f"glulam/picture/templates/{path.name}" for path in folder.iterdir()} <= set(core.namelist())


def test_what_a_shipped_policy_extends_is_in_its_wheel(tmp_path):
    names = zipfile.ZipFile(_build(ROOT / "plugins" / "policies", "wheel", tmp_path)).namelist()
    assert "glulam_policies/actor_critic.yaml" in names


def test_core_builds_from_its_source_distribution_too(tmp_path, core):
    packed = _build(ROOT, "sdist", tmp_path / "sdist")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "xzf", str(packed), "-C", str(unpacked), "--strip-components", "1"], check=True)
    wheel = zipfile.ZipFile(_build(unpacked, "wheel", tmp_path / "wheel"))
    assert sorted(wheel.namelist()) == sorted(core.namelist())


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_licensed_as_core_is(folder):
    """Hatchling packs the LICENSE beside a pyproject.toml, and none above it."""
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_wheel_holds_every_file_that_its_entry_points_name(folder, tmp_path):
    names = set(zipfile.ZipFile(_build(folder, "wheel", tmp_path)).namelist())
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for points in project["entry-points"].values():
        for target in points.values():
            module, _, attribute = target.partition(":")
            path = module.replace(".", "/")
            if attribute.endswith(".yaml"):
                assert f"{path}/{attribute}" in names
            else:
                assert {f"{path}.py", f"{path}/__init__.py"} & names
