"""On a GPU a step of rollout waits for nothing; skipped where there is none."""

import pytest
import torch

import glulam
from tests.plugins.policies.conftest import step_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("name", ["fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm"])
def test_no_host_sync_in_a_step(name, village):
    policy = glulam.build(name, village, device="cuda")
    policy.reserve(64)
    td = step_of(village, 64, torch.Generator().manual_seed(0), end=0.1).to("cuda")
    with torch.no_grad():
        policy(td)  # the first step looks at the ids of the rows
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = policy(td)  # raises where it waits
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert found["values"].is_cuda
    assert found["values"].isfinite().all()
