"""The lock of a checkpoint: what is missing, blocked, or there in another version."""

import pytest

from glulam import GlulamError, Registry, load
from glulam.index import Index, Row


def test_another_version_of_a_plugin_is_named_and_can_be_accepted(saved, plugins, registry):
    (plugins.folder / "boards-1.0.dist-info").rename(plugins.folder / "boards-1.1.dist-info")
    with pytest.raises(GlulamError) as caught:
        load(saved, registry=plugins.registry)
    assert str(caught.value) == (
        f"{saved} was saved with boards 1.0, here is 1.1 "
        "(allow_version_drift, or --allow-version-drift of commands that have it, loads it all the same)"
    )
    again = load(saved, registry=plugins.registry, allow_version_drift=True)
    assert again.layers["logit_table"].module.weight.item() == 3.5


def test_a_missing_plugin_is_named(saved, plugins, registry):
    (plugins.folder / "boards-1.0.dist-info").rename(plugins.folder / "elsewhere")
    with pytest.raises(GlulamError) as caught:
        load(saved, registry=plugins.registry)
    assert str(caught.value) == f"{saved} was saved with boards 1.0, which is not installed"
    registry = plugins.registry
    registry.index = Index({"boards": Row(summary="boards", source="./plugins/boards")})
    with pytest.raises(GlulamError, match=r"not installed: pip install \./plugins/boards \(in a checkout of glulam\)$"):
        load(saved, registry=registry)
    registry.index = Index({"boards": Row(summary="boards", source="boards")})
    with pytest.raises(GlulamError, match="was saved with boards 1.0, which is not installed: pip install boards$"):
        load(saved, registry=registry)


def test_a_blocked_plugin_is_named_and_so_is_each_that_is_missing(named):
    """Where a plugin is not there no drift of versions helps, and none is told of."""
    registry = Registry(block=["glulam-memory"])
    with pytest.raises(GlulamError) as caught:
        load(named, registry=registry)
    assert str(caught.value) == (
        f"{named} was saved with glulam-memory 0.1.0, which is blocked: take glulam-memory out of GLULAM_BLOCK"
    )
    with pytest.raises(GlulamError) as caught:
        load(named, registry=Registry(allow=["glulam-heads", "glulam-memory", "glulam-tokens"]))
    assert str(caught.value) == (
        f"{named} was saved with glulam-attention 0.1.0, which is blocked: add glulam-attention to GLULAM_PLUGINS"
    )
