"""An author's mistakes, each told by what is to be changed; the plugin is a folder on `sys.path`, as pip leaves it."""

import json
import subprocess
import sys
import textwrap

import pytest

import glulam
from glulam.testing import Exemption, examine_distribution
from tests.contract.changed import code

CONFIGS = """
import attrs
import glulam
from torch import nn


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


class Sum(nn.Module):
    def forward(self, x, mask):
        return x * mask


@glulam.layer
class HeavyConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("x", shape="...")
    out_key: str = glulam.writes("y", shape="...")

    def build(self):
        return Double()


@glulam.layer
class ShortConfig(HeavyConfig):
    def build(self):
        return Sum()


@glulam.layer
class FewConfig(HeavyConfig):
    more_key: str = glulam.writes("z", shape="...")


@glulam.layer
class SharedConfig(HeavyConfig):
    sizes: list = []


@glulam.layer
class NothingConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("x", shape="...")
    out_key: str = glulam.writes("y", shape="...")
"""

ENTRIES = """
[glulam.layers]
heavy = oops_layers.configs:HeavyConfig
short = oops_layers.configs:ShortConfig
few = oops_layers.configs:FewConfig
shared = oops_layers.configs:SharedConfig
nothing = oops_layers.configs:NothingConfig
astray = oops_layers.configs:NoSuchConfig
"""


@pytest.fixture
def oops(tmp_path, monkeypatch):
    """A distribution `oops-layers` in which each layer has one mistake."""
    package, info = tmp_path / "oops_layers", tmp_path / "oops_layers-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "configs.py").write_text(CONFIGS, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oops-layers\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(textwrap.dedent(ENTRIES), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("oops_layers")]:
        del sys.modules[name]


def broken(layer, law):
    """Return what is told of a broken law."""
    [verdict] = examine_distribution("oops-layers", layers=[layer], laws=[law])
    assert verdict.outcome == "broken", verdict
    return verdict.told


@pytest.mark.usefixtures("oops")
class TestMistakes:
    def test_an_entry_point_that_leads_nowhere(self):
        with pytest.raises(glulam.GlulamError, match=r"oops.*NoSuchConfig"):
            list(examine_distribution("oops-layers", layers=["astray"]))

    def test_a_config_that_imports_torch(self):
        assert broken("heavy", "quiet_import") == (
            "importing oops_layers.configs, which holds its config, imports torch"
        )

    def test_a_key_that_is_missing(self):
        told = broken("short", "runs")
        assert "Sum does not take what its config declares" in told
        assert "one tensor for each key field that reads, in order (x): add a glulam.reads() field" in told

    def test_too_few_outputs(self):
        assert broken("few", "output_count") == "Double returned 1 outputs; its config declares 2"

    def test_a_default_that_all_configs_share(self):
        assert broken("shared", "runs") == (
            "field 'sizes' has a list for its default, which all configs share; write a tuple, or "
            "attrs.field(factory=...)"
        )

    def test_no_build(self):
        assert "NothingConfig has no build(); return the nn.Module from it" in broken("nothing", "runs")

    def test_nothing_more_is_said_of_a_layer_that_does_not_run(self):
        assert [verdict.law for verdict in examine_distribution("oops-layers", layers=["short"])] == ["runs"]


class TestNames:
    def test_a_distribution_that_is_not_there(self):
        with pytest.raises(
            glulam.GlulamError, match="no distribution 'glulam-basic' is installed; write 'glulam-basics'"
        ):
            list(examine_distribution("glulam-basic"))

    def test_one_without_layers(self):
        with pytest.raises(
            glulam.GlulamError, match=r"glulam-train registers no layer: give its pyproject.toml a table"
        ):
            list(examine_distribution("glulam-train"))

    def test_a_layer_and_a_law_that_are_not_there(self):
        with pytest.raises(glulam.GlulamError, match="glulam-basics has no layer 'liner'; write 'linear'"):
            list(examine_distribution("glulam-basics", layers=["liner"]))
        with pytest.raises(glulam.GlulamError, match="there is no law 'row_alon'; write 'row_alone'"):
            list(examine_distribution("glulam-basics", laws=["row_alon"]))
        with pytest.raises(glulam.GlulamError, match="exemption: there is no law 'row_alon'; write 'row_alone'"):
            Exemption(law="row_alon", reason="x", witness="y")


@pytest.mark.usefixtures("oops")
class TestExemptions:
    def exempt(self, layer, law):
        excuse = Exemption(law=law, reason="it is meant so", witness="issue 7")
        [verdict] = examine_distribution("oops-layers", layers=[layer], laws=[law], exemptions=[excuse])
        return verdict

    def test_a_law_that_is_broken_is_excused_with_its_reason(self):
        verdict = self.exempt("heavy", "quiet_import")
        assert verdict.outcome == "exempt"
        assert verdict.told.startswith("it is meant so (issue 7): importing oops_layers.configs")

    def test_one_that_is_kept_needs_no_excuse(self):
        verdict = self.exempt("heavy", "output_count")
        assert verdict.outcome == "broken"
        assert verdict.told == "it keeps the law, and is exempt from it (it is meant so): remove the exemption"


def test_the_command_tells_programs_and_exits_with_1(oops):
    command = "import sys; sys.path.insert(0, sys.argv.pop(1)); from glulam.cli import main; main()"
    asked = ["test", "oops-layers", "--layer", "few", "--law", "output_count", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-c", command, str(oops), *asked], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert report["ok"] is False
    [law] = report["layers"]["oops-layers:few"]["laws"]
    assert law["told"] == "Double returned 1 outputs; its config declares 2"
    assert "glulam.testing.look_again(" in law["reproduction"]
    assert report["layers"]["oops-layers:few"]["summary"] == "1/1 ran, 1 broken"


def test_what_is_told_shows_it_again(oops):
    """The code that a report gives is run as it stands."""
    [verdict] = examine_distribution("oops-layers", layers=["few"], laws=["output_count"])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(oops)!r})\n{verdict.reproduction}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.strip().endswith("AssertionError: Double returned 1 outputs; its config declares 2")


def test_a_digest_is_of_code_and_not_of_what_is_said_about_it():
    text = 'A = 1  # one\n"""One."""\n\n\ndef f():\n    """Do it.\n\n    Twice.\n    """\n    return A\n'
    assert code(text) == "A = 1\ndef f():\n    return A"
    assert code(text.replace("Twice", "Once")) == code(text)
    assert code(text.replace("# one", "")) == code(text)
    assert code(text.replace("return A", "return -A")) != code(text)
