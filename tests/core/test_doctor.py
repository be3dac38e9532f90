"""500 distributions, 50 of them broken in seven ways: every command works, and the doctor names each broken one."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from glulam import Registry
from glulam.doctor import claimed_twice, examine
from glulam.index import KINDS
from tests.benchmarks.discovery import make_site
from tests.core.faults.strange import SOURCES

WAYS = (
    "import_error", "syntax_error", "system_exit", "endless", "wrong_object", "no_attribute", "old_protocol",
)  # fmt: skip
GOOD = '''
import glulam

@glulam.layer
class Layer{number}(glulam.LayerConfig):
    """Does nothing, number {number}."""
    in_key: str = glulam.reads("core", shape="D")
    out_key: str = glulam.writes("out_{number}", shape="D")
'''


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A folder of 500 distributions; every tenth is broken, in turn in each of the seven ways."""
    folder = tmp_path_factory.mktemp("crowd")
    make_site(folder, 500)
    broken = {}
    for number in range(500):
        package = folder / f"synth_{number}"
        package.mkdir()
        (package / "__init__.py").touch()
        if number % 10:
            source = "".join(GOOD.format(number=n) for n in range(3))
        else:
            way = WAYS[number // 10 % len(WAYS)]
            source = SOURCES[way]
            broken[f"synth-{number}"] = way
            points = folder / f"synth_{number}-1.0.dist-info" / "entry_points.txt"
            points.write_text(f"[glulam.layers]\nbroken_{number} = synth_{number}.configs:Thing\n", encoding="utf-8")
        (package / "configs.py").write_text(source, encoding="utf-8")
    return folder, broken


@pytest.fixture
def glulam(crowd, tmp_path):
    """Run `glulam ...` with the crowd installed beside the real plug-ins."""

    def run(*arguments, **variables):
        env = os.environ | {"PYTHONPATH": str(crowd[0]), "COLUMNS": "200", "GLULAM_IMPORT_SECONDS": "1", **variables}
        command = [sys.executable, "-c", "from glulam.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)

    return run


def test_the_doctor_names_every_broken_one_and_no_other(glulam, crowd):
    broken = crowd[1]
    assert len(broken) == 50
    done = glulam("doctor", "--format", "json", "--limit", "1")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (1, False)
    found = {row["name"]: row for row in report["distributions"]}
    assert {name for name, row in found.items() if row["status"] == "broken"} == set(broken)
    ours = {name for name in found if name.startswith("glulam-")}
    assert ours >= {"glulam-basics", "glulam-train"}
    assert len(found) == 500 + len(ours)
    words = {
        "import_error": "No module named 'no_such_module_anywhere'",
        "syntax_error": "SyntaxError",
        "system_exit": "SystemExit: 3",
        "endless": "did not finish in 1 s",
        "wrong_object": "is 3, no layer config class",
        "no_attribute": "has no attribute 'Thing'",
        "old_protocol": "speaks layer protocol 0",
    }
    for name, way in broken.items():
        (problem,) = found[name]["problems"]
        assert words[way] in problem["message"], name
        assert problem["code"] == ("GL204" if way == "old_protocol" else "GL203")
    assert all(row["seconds"] < 1 for row in found.values() if row["status"] == "ok")


def test_every_other_command_works_among_them(glulam, crowd):
    broken = crowd[1]
    rows = json.loads(glulam("list", "--format", "json").stdout)["layers"]
    assert {row["distribution"] for row in rows} >= set(broken)
    assert glulam("check", "fast").returncode == 0
    assert glulam("resolve", "fast").stdout == glulam("resolve", "fast", GLULAM_PLUGINS=OURS).stdout
    assert glulam("registry", "check").returncode == 0
    assert glulam("explain", "GL203").stdout.startswith("# GL203")
    schema = glulam("schema", GLULAM_IMPORT_SECONDS="0.1")
    assert schema.returncode == 0
    left_out = {line.split()[3].partition(":")[0] for line in schema.stderr.splitlines()}
    assert left_out == set(broken)
    assert len(json.loads(schema.stdout)["definitions"]) == 2 + len(rows) - len(broken)


OURS = "glulam-basics,glulam-heads,glulam-memory,glulam-policies,glulam-tokens,glulam-vision,glulam-attention"


@pytest.mark.parametrize("way", WAYS)
def test_whoever_names_a_broken_one_is_told(glulam, crowd, tmp_path, way):
    name = next(name for name, found in crowd[1].items() if found == way)
    layer = f"broken_{name.partition('-')[2]}"
    info = glulam("info", layer)
    assert (info.returncode, info.stdout) == (1, "")
    assert f"{name}:{layer}" in info.stderr
    assert "Traceback" not in info.stderr
    path = tmp_path / "policy.yaml"
    path.write_text(
        f"glulam: 1\nextends: fast\nreplace: {{encoder: {{layer: {layer}, in_key: view, out_key: encoded}}}}\n"
    )
    report = json.loads(glulam("check", path, "--format", "json").stdout)
    assert [(fault["code"], fault["layer"], fault["line"]) for fault in report["faults"]] == [
        ("GL204" if way == "old_protocol" else "GL203", "encoder", 3)
    ]


def test_a_plugin_that_ends_the_process_or_takes_no_notice_is_ended(plugins):
    plugins.add("gone", {"glulam.layers": {"gone": "X"}}, "import os\nos._exit(7)")
    source = "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    plugins.add("deaf", {"glulam.layers": {"deaf": "X"}}, source)
    start = time.monotonic()
    found = {item.distribution.name: item for item in examine(plugins.registry, 0.5)}
    assert time.monotonic() - start < 30
    assert found["gone"].problems[0]["message"] == "importing it ended the process (exit code 7)"
    assert found["deaf"].problems[0]["message"] == "its import did not finish in 0.5 s and had to be ended"


def test_blocked_shadowed_and_claimed_twice(plugins, tmp_path):
    plugins.add("good", {"glulam.layers": {"layer": "X"}, "glulam.losses": {"own": "X"}}, "raise ImportError")
    plugins.add("other", {"glulam.layers": {"layer": "X"}})
    older = tmp_path / "older"
    (older / "good-0.9.dist-info").mkdir(parents=True)
    (older / "good-0.9.dist-info" / "entry_points.txt").write_text("[glulam.layers]\nlayer = m:X\n")
    path = [str(plugins.folder), str(older)]
    assert list(claimed_twice(Registry(path))) == [{"kind": "layers", "name": "layer", "owners": ["good", "other"]}]
    registry = Registry(path, block=["other"])
    assert list(claimed_twice(registry)) == []
    good, other = examine(registry, 5)
    assert (good.status, other.status) == ("broken", "blocked")
    assert [problem["kind"] for problem in good.problems] == ["layers", "losses"]
    assert good.to_json()["shadowed"] == [str(older / "good-0.9.dist-info")]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"hooks"}))
def test_a_name_of_any_kind_that_two_claim_is_told_of(plugins, kind):
    """All kinds but modules of hooks, whose names nobody writes."""
    for name in ("one", "two"):
        plugins.add(name, {f"glulam.{kind}": {"same": "X"}})
    assert list(claimed_twice(plugins.registry)) == [{"kind": kind, "name": "same", "owners": ["one", "two"]}]


def test_the_text_for_people(glulam):
    done = glulam("doctor", GLULAM_BLOCK="glulam-vision,nobody", GLULAM_PLUGINS=f"{OURS},synth-0,synth-7")
    assert done.returncode == 1
    assert re.search(r"glulam-vision +0.1.0 +blocked", done.stdout)
    assert "GL203 synth-0:broken_0 (version 1.0) does not import: ModuleNotFoundError" in done.stdout
    assert "try: mend or reinstall synth-0" in done.stdout
    assert "GLULAM_PLUGINS or GLULAM_BLOCK names nobody, which is not installed" in done.stdout
