"""What blocks of pages are good for, beyond that they run (test_blocks.py)."""

import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam_train.settings import read_settings
from glulam_train.sweep.plan import make_plan
from glulam_train.sweep.sweep_file import read_sweep
from tests.evidence.record import ROOT

# Every address outside that a page links to; nothing here may ask whether it answers, so look when you add one.
ADDRESSES = {"https://hypothesis.readthedocs.io"}


def test_links_that_leave_the_site_are_known_and_well_formed():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    found = {link for page in pages for link in re.findall(r"https?://[^\s)>`\"']+", page.read_text(encoding="utf-8"))}
    assert found == ADDRESSES
    assert all(urlsplit(link).scheme == "https" and "." in urlsplit(link).hostname for link in found)


def test_links_of_the_readme_lead_to_files():
    """Sphinx follows the links of the site; the front door stands outside."""
    links = re.findall(r"\]\(([^)#]+)(?:#[\w-]*)?\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_on_variants_changes_what_it_says(tmp_path):
    (text,) = [text for text in blocks(ROOT / "docs" / "policy_file.md", "yaml") if "extends" in text]
    (tmp_path / "wide.yaml").write_text(text, encoding="utf-8")
    layers = {layer.name: layer.config for layer in glulam.resolve(tmp_path / "wide.yaml").layers}
    assert list(layers) == ["tokenizer", "encoder", "layer_norm", "memory", "activation", "critic", "actor"]
    assert (layers["tokenizer"].num_freqs, layers["memory"].hidden_size) == (8, 256)


def test_the_hook_that_the_page_shows_gives_advice():
    (code,) = [text for text in blocks(ROOT / "docs" / "plugins.md", "python") if "hookimpl" in text]
    names = {}
    exec(code, names)  # noqa: S102 - the page's own code
    config = SimpleNamespace(num_freqs=32)
    resolved = SimpleNamespace(layers=[SimpleNamespace(name="tokenizer", config=config)])
    (advice,) = names["glulam_lints"](resolved)
    assert (advice.code, advice.message) == ("GL690", "positions of 32 frequencies")
    config.num_freqs = 16
    assert list(names["glulam_lints"](resolved)) == []


def test_the_memory_layer_that_the_page_shows_is_a_mean():
    """Oracle: the mean of each episode's inputs, by hand."""
    (code,) = [text for text in blocks(ROOT / "docs" / "memory.md", "python") if "RunningMean" in text]
    names = {}
    exec(code, names)  # noqa: S102 - the page's own code
    layer = names["RunningMeanConfig"](in_dim=2).instantiate().module
    x = torch.arange(8.0).view(1, 4, 2)
    reset = torch.tensor([[False, False, True, False]])
    y, state = layer.sequence(x, reset, layer.initial_state(1))
    assert y.tolist() == [[[0, 1], [1, 2], [4, 5], [5, 6]]]
    assert state["count"].tolist() == [2]


def test_the_python_config_that_the_page_shows_is_built():
    (code,) = [text for text in blocks(ROOT / "docs" / "policies.md", "python") if "MineConfig" in text]
    names = {"__name__": "page"}
    exec(code, names)  # noqa: S102 - the page's own code
    assert list(names["policy"].layers) == ["obs_shaper", "cnn", "actor", "critic", "action_head"]
    assert names["policy"].layers["cnn"].module.convolutions[0].out_channels == 32


def test_the_loss_that_the_page_shows_keeps_a_tensor_where_it_was():
    (code,) = [text for text in blocks(ROOT / "docs" / "training.md", "python") if "DriftConfig" in text]
    names = {"__name__": "page"}
    exec(code, names)  # noqa: S102 - the page's own code
    loss = names["DriftConfig"]().build()
    current = TensorDict({"core": torch.tensor([[[3.0], [5.0]]], requires_grad=True)}, batch_size=[1, 2])
    stored = TensorDict(
        {"core": torch.tensor([[[1.0], [1.0]]]), "valid": torch.tensor([[True, False]])}, batch_size=[1]
    )
    value, metrics = loss(current, stored)
    assert metrics["drift"] == 4
    value.backward()
    assert current["core"].grad.flatten().tolist() == [4, 0]


def test_the_settings_that_the_page_shows_are_settings(tmp_path):
    shown = blocks(ROOT / "docs" / "training.md", "yaml")
    (tmp_path / "settings.yaml").write_text("policy: fast\nenv: mettagrid:forage\n" + "".join(shown), encoding="utf-8")
    settings = read_settings(tmp_path / "settings.yaml")
    assert settings.loss_names == ["ppo", "kickstart", "prediction"]
    assert settings.groups[0] == {"layers": ["critic"], "learning_rate": 3e-4}


def test_the_sweep_that_the_page_shows_can_be_run(tmp_path):
    pytest.importorskip("glulam_mettagrid")
    (text,) = blocks(ROOT / "docs" / "sweeps.md", "yaml")
    (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
    plan = make_plan(read_sweep(tmp_path / "sweep.yaml"), tmp_path / "out")
    cells = {cell.key: cell.settings for cell in plan.cells}
    assert len(cells) == 20
    assert cells["curious", 4].losses == ({"loss": "ppo", "entropy_coef": 0.03},)
    assert cells["grown", 3].init_from == str(tmp_path / "out" / "fourier_4" / "seed_3" / "checkpoint.safetensors")
    assert plan.policies["fourier_8"]["layers"][0]["num_freqs"] == 8
