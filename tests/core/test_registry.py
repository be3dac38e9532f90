"""Discovery reads metadata alone; nothing is imported to learn a name."""

import itertools
import json
import os
import random
import subprocess
import sys

import pytest

import glulam
from glulam import PolicyError, Registry
from glulam.catalog import PluginError
from tests.core.faults.strange import STRANGE


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
    assert registry.distributions[0].shadowed == ()


def test_the_first_on_the_path_wins_as_for_imports_and_the_other_is_shadowed(plugins, tmp_path):
    plugins.add("boards", {"glulam.layers": {"scale": "Scale"}}, version="2.0")
    older = tmp_path / "older"
    (older / "boards-1.0.dist-info").mkdir(parents=True)
    (older / "boards-1.0.dist-info" / "entry_points.txt").write_text("[glulam.layers]\nscale = m:X\n")
    newer_first = Registry([str(plugins.folder), str(older)])
    assert newer_first.layers["scale"].version == "2.0"
    assert newer_first.distributions[0].shadowed == (str(older / "boards-1.0.dist-info"),)
    assert Registry([str(older), str(plugins.folder)]).layers["scale"].version == "1.0"


def test_other_groups_and_broken_metadata_are_passed_over(plugins, tmp_path):
    plugins.add("tools", {"console_scripts": {"tool": "main"}})
    bad = plugins.folder / "bad-1.0.dist-info"
    bad.mkdir()
    (bad / "entry_points.txt").write_bytes(b"[glulam.layers]\n\xff = x")
    assert plugins.registry.distributions == []
    assert Registry([str(tmp_path / "nowhere")]).distributions == []


def test_entry_points_are_read_as_installers_write_them(plugins):
    info = plugins.folder / "Odd_Name-1.0.dist-info"
    info.mkdir()
    text = "[console_scripts]\nx = y:z\n\n[glulam.layers]\n# a comment\n a=m:A\nb = m.n:B.C [extra]\n\n"
    text += "[ glulam.losses ]\nc = m:C\n"
    (info / "entry_points.txt").write_text(text)
    (found,) = plugins.registry.distributions
    points = [(point.group, point.name, point.value) for point in found.entry_points]
    assert found.name == "odd-name"
    assert points == [("layers", "a", "m:A"), ("layers", "b", "m.n:B.C"), ("losses", "c", "m:C")]


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


class TestAllowAndBlock:
    """`GLULAM_PLUGINS` allows only what it names, `GLULAM_BLOCK` leaves out what it names."""

    @pytest.fixture
    def three(self, plugins):
        for name in ("one", "Two_Boards", "three"):
            plugins.add(name, {"glulam.layers": {name.lower(): "X"}}, "raise AssertionError('imported')")

    @pytest.mark.parametrize(
        ("variables", "there"),
        [
            ({}, {"one", "two-boards", "three"}),
            ({"GLULAM_BLOCK": "two.boards,nobody"}, {"one", "three"}),
            ({"GLULAM_PLUGINS": "one, two-boards"}, {"one", "two-boards"}),
            ({"GLULAM_PLUGINS": "one,three", "GLULAM_BLOCK": "three"}, {"one"}),
            ({"GLULAM_PLUGINS": "", "GLULAM_BLOCK": " "}, {"one", "two-boards", "three"}),
        ],
    )
    def test_variables_decide(self, three, plugins, monkeypatch, variables, there):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found = glulam.registry()
        ours = {"one", "two-boards", "three"}
        assert {item.name for item in found.distributions} & ours == there
        assert {item.name for item in found.blocked} & ours == ours - there

    def test_what_is_blocked_says_so_and_how_to_have_it(self, three, plugins):
        path = [str(plugins.folder)]
        with pytest.raises(
            PluginError, match="GL205 layer 'one' comes from one 1.0, which is blocked; take one out of"
        ):
            Registry(path, block=["one"]).layers.find("one")
        with pytest.raises(PluginError, match="GL205 layer 'one:one' comes from .*; add one to GLULAM_PLUGINS"):
            Registry(path, allow=["three"]).layers.find("one:one")

    def test_a_blocked_claim_is_no_conflict(self, plugins):
        for name in ("one", "two"):
            plugins.add(name, {"glulam.layers": {"scale": "X"}}, "X = 1")
        with pytest.raises(PluginError, match="GL202"):
            plugins.registry.layers.find("scale")
        assert Registry([str(plugins.folder)], block=["two"]).layers.find("scale").distribution == "one"

    def test_registries_are_plain_objects(self, three, plugins):
        one, other = Registry([str(plugins.folder)]), Registry([str(plugins.folder)], block=["one"])
        assert len(one.layers) == 3
        assert len(other.layers) == 2


RESOLVE = """
import json, random, sys
sys.path[:0] = {paths!r}
import glulam
try:
    glulam.resolve({policy!r}, registry=glulam.registry())
except glulam.PolicyError as error:
    print(json.dumps([fault.to_json() for fault in error.faults]))
registry = glulam.registry()
print([(name, [e.qualified for e in registry.layers.claims(name)]) for name in sorted(registry.layers)])
"""


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_the_same_faults_over_hash_seeds_and_orders_of_the_path(tmp_path, start):
    """25 hash seeds each, every one with another order of 6 folders, two of which claim the same name."""
    from tests.core.conftest import Plugins
    from tests.core.faults.strange import LAYERS, POINTS

    folders = []
    for number in range(6):
        folder = tmp_path / f"site{number}"
        folder.mkdir()
        folders.append(str(folder))
        site = Plugins(folder)
        if number == 0:
            site.add("wyvern-labs", POINTS, LAYERS)
        site.add(f"ghost-{number}", {"glulam.layers": {"twice": "X", f"own_{number}": "X"}})
    policy = json.loads(json.dumps(STRANGE))
    policy["layers"][0]["layer"] = "zorpp"
    policy["layers"][1]["layer"] = "twice"
    policy["layers"][2]["unheard_of"] = 1
    policy["layers"][3]["left"] = "plumbumm"
    outputs = set()
    for seed in range(start, start + 25):
        shuffled = random.Random(seed).sample(folders, len(folders))  # noqa: S311 - no secret
        code = RESOLVE.format(paths=shuffled, policy=policy)
        env = os.environ | {"PYTHONHASHSEED": str(seed)}
        outputs.add(
            subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        )
    assert len(outputs) == 1
    faults = json.loads(outputs.pop().splitlines()[0])
    assert [fault["code"] for fault in faults] == ["GL102", "GL201", "GL202", "GL304"]
    assert "claimed by ghost-0 1.0 and ghost-1 1.0" in faults[2]["message"]


COMMANDS = ["list", "check fast", "check fst", "--help", "info lstm", "schema", "explain GL303", "resolve fast"]
COMMANDS = [command.split() for command in [*COMMANDS, "registry check"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_that_run_no_network_import_no_torch_and_no_plugin_that_is_not_named(command, plugins):
    """A plug-in that nobody names raises when it is imported; `schema` names them all, so it has none here."""
    if command != ["schema"]:
        plugins.add("bystander", {"glulam.layers": {"bystander": "X"}}, "raise AssertionError")
    code = (
        "import sys, glulam.cli\n"
        f"sys.argv = ['glulam', *{command!r}]\n"
        "try:\n    glulam.cli.main()\nexcept SystemExit as end:\n    print('exit', end.code)\n"
        "heavy = ('torch', 'tensordict', 'mettagrid', 'numpy')\n"
        "print([name for name in sys.modules if name in heavy or name.startswith('fake_plugin')])\n"
        "print(sorted(name for name in sys.modules if name.startswith('glulam_') and '.' not in name))\n"
    )
    env = os.environ | {"PYTHONPATH": str(plugins.folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    *_, heavy, named = done.stdout.splitlines()
    assert heavy == "[]"
    expected = {
        "check fast": ["glulam_basics", "glulam_heads", "glulam_memory", "glulam_tokens", "glulam_vision"],
        "resolve fast": ["glulam_basics", "glulam_heads", "glulam_memory", "glulam_tokens", "glulam_vision"],
        "info lstm": ["glulam_memory"],
        "schema": [
            "glulam_attention",
            "glulam_basics",
            "glulam_heads",
            "glulam_memory",
            "glulam_tokens",
            "glulam_vision",
        ],
    }
    assert named == str(expected.get(" ".join(command), []))


def test_discovery_among_500_distributions_imports_none(tmp_path):
    """1,500 layers: every name is found, the cost is measured in tests/benchmarks/discovery.py."""
    from tests.benchmarks.discovery import make_site

    make_site(tmp_path, 500)
    registry = Registry([str(tmp_path)])
    assert (len(registry.distributions), len(registry.layers)) == (500, 1500)
    assert registry.layers["layer_499_2"].distribution == "synth-499"
    assert not any(name.startswith("synth_") for name in sys.modules)
    (tmp_path / "synth_7-1.0.dist-info" / "entry_points.txt").write_text("[glulam.layers]\nfresh = m:X\n")
    assert "fresh" in Registry([str(tmp_path)]).layers  # nothing is cached that could be stale
    assert "layer_7_0" not in Registry([str(tmp_path)]).layers


def test_a_fault_never_names_an_install_source_that_no_row_has(plugins):
    from glulam.index import Index, Row

    row = Row(summary="far", source="https://far.example/away.whl", offers={"layers": ("teleport",)})
    registry = Registry([str(plugins.folder)], index=Index({"far-away": row}))
    with pytest.raises(PluginError, match="pip install https://far.example/away.whl  # it comes with far-away"):
        registry.layers.find("teleport")
    for name in itertools.chain(["lstm", "nothing_like_it"]):
        with pytest.raises(PluginError) as caught:
            registry.layers.find(name)
        assert "pip install" not in str(caught.value)
    policy = {**STRANGE, "layers": [{"layer": "teleport"}]}
    with pytest.raises(PolicyError, match="pip install https://far.example/away.whl"):
        glulam.resolve(policy, registry=registry)
