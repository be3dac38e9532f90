"""Modules of torch and TorchRL, wrapped as layers, keep the laws but for what `explained` gives a reason for."""

import sys

import pytest

from glulam import registry
from glulam.testing import contract_tests, examine_distribution
from tests.downstream.explained import EXPLAINED
from tests.downstream.look import DRAWS, WRAPPED, package_of

NAME = "wrapped-torch"


def _tests():
    sys.path.insert(0, str(WRAPPED))
    try:
        return contract_tests(NAME, draws=DRAWS, exemptions=EXPLAINED[NAME])
    finally:
        sys.path.remove(str(WRAPPED))


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    monkeypatch.syspath_prepend(WRAPPED)  # for as long as a test runs: no other test is to see these layers


test_layer = _tests()


def broken(layer, law):
    """Return what is told of a broken law."""
    [verdict] = examine_distribution(NAME, layers=[layer], laws=[law])
    assert verdict.outcome == "broken", verdict
    return verdict.told


def upside_down(self, x, mask):
    """Give torch a mask as glulam has it."""
    return self.layer(x, x, x, key_padding_mask=mask, need_weights=False)[0]


def through_resets(self, x, reset, state):
    """Forget nothing inside a segment."""
    return self._call(x, state)


@pytest.mark.parametrize(
    ("place", "fault", "layer", "law", "told"),
    [
        ("attention.SelfAttention.forward", upside_down, "torch_self_attention", "padding_is_ignored", "other padding"),
        ("recurrent._Stack.sequence", through_resets, "torch_lstm", "time_folding", "with resets"),
        ("recurrent._Stack.sequence", through_resets, "torch_gru", "time_folding", "with resets"),
    ],
)
def test_control_a_wrapper_with_a_fault_is_caught(monkeypatch, place, fault, layer, law, told):
    monkeypatch.setattr(f"wrapped_torch.{place}", fault)
    assert told in broken(layer, law)


def test_what_is_explained_is_of_a_layer_that_is_there():
    for distribution, exemptions in EXPLAINED.items():
        layers = {entry.name for entry in registry().layers.values() if entry.distribution == distribution}
        assert {exemption.layer for exemption in exemptions} <= layers


def test_a_wrapper_tells_whose_module_it_holds():
    names = ["torch_lstm", "torchrl_lstm", "x_encoder", "vit_pytorch_vit", "timm_eca", "einops_reduce", "batch_norm"]
    packages = ["torch", "torchrl", "x-transformers", "vit-pytorch", "timm", "einops", "torch"]
    assert [package_of(name) for name in names] == packages
