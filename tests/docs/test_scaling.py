"""The arithmetic of docs/scaling.md, by hand."""

import pytest

from tests.evidence.scaling_model import Costs, Gpu, all_reduce_seconds, gpu_update, update_seconds

SETTINGS = {"horizon": 32, "epochs": 3, "minibatches": 4}
COSTS = Costs(rollout_call=1e-3, rollout_agent_step=50e-6, training_call=2e-3, training_agent_step=70e-6)


def test_an_update_of_one_rank():
    # 32 steps of 1 ms and 128 x 50 us each; 12 minibatches of 2 ms and 1,024 x 70 us each.
    assert update_seconds(COSTS, 128, SETTINGS) == pytest.approx(32 * 0.0074 + 12 * 0.07368)


def test_ranks_wait_for_each_other():
    alone = update_seconds(COSTS, 128, SETTINGS)
    found = update_seconds(COSTS, 128, SETTINGS, slowdown=1.5, exchange=2e-3, latency=1e-4)
    assert found == pytest.approx(1.5 * alone + 12 * 2.3e-3)


def test_costs_are_found_again():
    def measured(agents):
        return {
            "agents": agents,
            "rollout": 32 * (1e-3 + 50e-6 * agents),
            "training": 12 * (2e-3 + 70e-6 * agents * 32 / 4),
        }

    found = Costs.fitted(measured(32), measured(512), SETTINGS)
    assert found.rollout_call == pytest.approx(1e-3)
    assert found.rollout_agent_step == pytest.approx(50e-6)
    assert found.training_call == pytest.approx(2e-3)
    assert found.training_agent_step == pytest.approx(70e-6)


def test_an_all_reduce_goes_over_the_narrowest_link():
    gpu = Gpu(node=8, node_link=400e9, wide_link=40e9, hop=1e-5)
    assert all_reduce_seconds(4e6, 1, gpu) == 0
    assert all_reduce_seconds(4e6, 8, gpu) == pytest.approx(2 * 7 / 8 * 1e-5 + 6e-5)
    assert all_reduce_seconds(4e6, 64, gpu) == pytest.approx(2 * 63 / 64 * 1e-4 + 12e-5)


def test_a_kernel_takes_its_start_or_its_arithmetic():
    gpu = Gpu(flops=1e12, launch=1e-5, cores=10, host_link=1e10)
    policy = {
        "parameters": 10**6,
        "acting": {"flops": 1e6, "kernels": 100},
        "learning": {"flops": 3e6, "kernels": 300},
    }
    found = gpu_update(policy, 1000, 1, {"seconds": 1e-5, "bytes": 600}, SETTINGS, gpu)
    assert found == pytest.approx(
        {
            "environment": 32 * 1000 * 1e-6,
            "upload": 32 * 1000 * 600 / 1e10,
            "acting": 32 * 1e-3,  # of a thousand rows a microsecond each, as 100 kernels of 10
            "learning": 12 * 8000 * 3e-6,
            "all-reduce": 0,
        }
    )
    assert gpu_update(policy, 10, 1, {"seconds": 1e-5, "bytes": 600}, SETTINGS, gpu)["learning"] == 12 * 300 * 1e-5
