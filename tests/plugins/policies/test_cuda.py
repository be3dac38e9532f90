"""On a GPU: the CPU's numbers, no step that waits, and steps that a CUDA graph replays. Skipped where there is none."""

import copy

import pytest
import torch

import glulam
from tests.plugins.policies.conftest import step_of
from tests.plugins.policies.test_compiled import NAMES, segments_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
every_policy = pytest.mark.parametrize("name", NAMES)
ROWS = 6
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    """Products are not rounded to TF32, as cuDNN's are unless it is told."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def pair(village):
    """Return a function: a policy's name to it on the CPU and on the GPU, greedy, with the same weights."""

    def make(name):
        torch.manual_seed(0)
        host, device = (glulam.build(name, village, losses=["ppo"], device=place) for place in ("cpu", "cuda"))
        device.load_state_dict(host.state_dict())
        for policy in (host, device):
            policy.each("set_greedy", True)
        return host, device

    return make


def steps_of(env, count, rows=ROWS):
    generator = torch.Generator().manual_seed(1)
    return [step_of(env, rows, generator, end=0.2) for _ in range(count)]


@every_policy
class TestNumbers:
    def test_a_rollout_is_that_of_the_cpu(self, name, pair, village):
        host, device = pair(name)
        with torch.no_grad():
            for step in steps_of(village, 5):
                wanted, got = host(step.clone()), device(step.to("cuda"))
                for key in ("logits", "values", "act_log_prob"):
                    torch.testing.assert_close(got[key].cpu(), wanted[key], **CLOSE)
                assert torch.equal(got["actions"].cpu(), wanted["actions"])

    def test_gradients_are_those_of_the_cpu(self, name, pair, village):
        td, found = segments_of(village, 3, 4), []
        for policy in pair(name):
            scored = policy.evaluate(td.to(policy.device))
            loss = (scored["act_log_prob"] * scored["values"]).sum() + scored["entropy"].sum()
            found.append(torch.autograd.grad(loss, list(policy.parameters())))
        for wanted, got in zip(*found, strict=True):
            torch.testing.assert_close(got.cpu(), wanted, rtol=1e-3, atol=1e-4)


@every_policy
class TestSteps:
    @pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
    def test_no_host_sync_in_a_step(self, name, village):
        policy = glulam.build(name, village, device="cuda")
        policy.reserve(64)
        td = step_of(village, 64, torch.Generator().manual_seed(0), end=0.1).to("cuda")
        with torch.no_grad():
            policy(td)  # the first step looks at the ids of the rows
            torch.cuda.synchronize()
            try:
                torch.cuda.set_sync_debug_mode("error")
                found = policy(td)  # raises where it waits
            finally:
                torch.cuda.set_sync_debug_mode("default")
        assert found["values"].is_cuda
        assert found["values"].isfinite().all()

    def test_a_graph_replays_a_step(self, name, pair, village):
        _, eager = pair(name)
        captured = copy.deepcopy(eager)
        steps = [step.to("cuda") for step in steps_of(village, 6)]
        seen = steps[0].clone()
        with torch.no_grad():
            for policy in (eager, captured):
                policy(seen.clone(recurse=False))  # the first step looks at the ids of the rows
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                got = captured(seen.clone(recurse=False))
            for policy in (eager, captured):
                policy.reset_memory()
            for step in steps:
                wanted = eager(step.clone())
                for key in ("env_obs", "dones", "truncateds"):
                    seen[key].copy_(step[key])
                graph.replay()
                torch.testing.assert_close(got["values"], wanted["values"], **CLOSE)
                assert torch.equal(got["actions"], wanted["actions"])
