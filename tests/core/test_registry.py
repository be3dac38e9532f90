"""Discovery reads metadata alone; nothing is imported to learn a name."""

import subprocess
import sys

import pytest

from glulam import Registry
from glulam.catalog import PluginError


def test_names_and_owners_are_known_without_importing(plugins):
    module = plugins.add("boards", {"glulam.layers": {"scale": "Scale"}}, "raise SystemExit")
    entry = plugins.registry.layers["scale"]
    assert (entry.distribution, entry.version, entry.qualified) == ("boards", "1.0", "boards:scale")
    assert list(plugins.registry.layers) == ["scale"]
    assert module not in sys.modules


def test_the_same_distribution_seen_twice_is_no_conflict(plugins, tmp_path):
    plugins.add("boards", {"glulam.layers": {"scale": "Scale"}})
    link = tmp_path / "link"
    link.symlink_to(plugins.folder)
    registry = Registry([str(plugins.folder), str(link), str(plugins.folder)])
    assert registry.layers["scale"].distribution == "boards"


def test_the_first_on_the_path_wins_as_for_imports(plugins, tmp_path):
    plugins.add("boards", {"glulam.layers": {"scale": "Scale"}}, version="2.0")
    older = tmp_path / "older"
    (older / "boards-1.0.dist-info").mkdir(parents=True)
    (older / "boards-1.0.dist-info" / "entry_points.txt").write_text("[glulam.layers]\nscale = m:X\n")
    assert Registry([str(plugins.folder), str(older)]).layers["scale"].version == "2.0"
    assert Registry([str(older), str(plugins.folder)]).layers["scale"].version == "1.0"


def test_other_groups_and_broken_metadata_are_passed_over(plugins, tmp_path):
    plugins.add("tools", {"console_scripts": {"tool": "main"}})
    bad = plugins.folder / "bad-1.0.dist-info"
    bad.mkdir()
    (bad / "entry_points.txt").write_bytes(b"[glulam.layers]\n\xff = x")
    assert plugins.registry.distributions == []
    assert Registry([str(tmp_path / "nowhere")]).distributions == []


def test_a_policy_file_inside_a_package_is_found_without_importing_it(plugins):
    package = plugins.folder / "shelf"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    (package / "oak.yaml").write_text("glulam: 1")
    info = plugins.folder / "shelf-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[glulam.policies]\noak = shelf:oak.yaml\n")
    assert plugins.registry.policies["oak"].resource == package / "oak.yaml"
    assert "shelf" not in sys.modules


def test_an_unknown_name_raises_and_suggests(plugins):
    plugins.add("boards", {"glulam.environments": {"maze": "M"}})
    with pytest.raises(PluginError, match="GL201 unknown environment 'mazee'; write 'maze'"):
        plugins.registry.environments.find("mazee")
    with pytest.raises(KeyError):
        plugins.registry.environments["mazee"]


@pytest.mark.parametrize("command", [["list"], ["check", "fast"], ["check", "fst"], ["--help"]])
def test_commands_that_run_no_network_import_no_torch(command):
    code = (
        "import sys, glulam.cli\n"
        f"sys.argv = ['glulam', *{command!r}]\n"
        "try:\n    glulam.cli.main()\nexcept SystemExit as end:\n    print('exit', end.code)\n"
        "print([name for name in ('torch', 'tensordict', 'mettagrid', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
