"""A policy that nobody holds any more frees its weights at once."""

import gc
import weakref

import pytest
import torch

import glulam

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_is_dropped_goes_at_once(name):
    """Else the memory of a process that loads policies fills up until the garbage collector comes."""
    environment = glulam.make_environment("mettagrid:forage", num_envs=1, seed=0)
    policy = glulam.build(name, environment.spec)
    with torch.no_grad():
        policy(environment.reset())
    environment.close()
    kept = [weakref.ref(weight) for weight in policy.parameters()]
    gc.disable()
    try:
        del policy
        assert kept
        assert not any(weight() is not None for weight in kept)
    finally:
        gc.enable()
