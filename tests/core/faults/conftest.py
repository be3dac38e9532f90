"""The good policies that the corpus breaks, and everything installed that it needs."""

import sys

import pytest

import glulam
from glulam import Registry, resolve
from tests.core.conftest import plugin_folder
from tests.core.faults.mutators import Policy
from tests.core.faults.strange import STRANGE, install_strangers

POLICIES = ("fast", "latent_attn_tiny", "strange")
STYLES = {"fast": "flow", "latent_attn_tiny": "block", "strange": "flow"}


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A folder of strange distributions, importable."""
    with plugin_folder(tmp_path_factory.mktemp("corpus") / "site") as plugins:
        install_strangers(plugins)
        yield plugins


@pytest.fixture(scope="package")
def corpus_registry(site):
    """Our own plug-ins and the strange ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLULAM_IMPORT_SECONDS", "0.2")  # one of them never ends
        yield Registry([str(site.folder), *sys.path], block=["cursed-blocked"])


@pytest.fixture(scope="package")
def corpus_env():
    """A world that offers no optional input."""
    return glulam.EnvSpec(
        name="corpus",
        tokens=glulam.TokenLayout(count=40),
        view_height=11,
        view_width=11,
        features=(glulam.Feature(name="ore", id=0), glulam.Feature(name="tag", id=1, values="tag")),
        tags=("altar", "mine"),
        actions=glulam.ActionSpec(names=("stay", "north", "south")),
    )


@pytest.fixture(scope="package")
def good(corpus_registry):
    """The good policies, every field written out."""

    def complete(name):
        resolved = resolve(STRANGE if name == "strange" else name, registry=corpus_registry)
        mapping = resolved.to_mapping()
        for entry in (mapping["obs_shaper"], *mapping["layers"], mapping["action_head"]):
            entry["layer"] = entry["layer"].rpartition(":")[2]
        return Policy(mapping, [type(layer.config) for layer in resolved.all_layers], STYLES[name])

    return {name: complete(name) for name in POLICIES}
