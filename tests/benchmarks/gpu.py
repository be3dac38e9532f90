"""The five policies on a GPU, and trainings with policy and experience there.

Steps of rollout, and forward and backward of a PPO loss over segments, as in `tests.benchmarks.whole`: the ways of a
round take turns on the same observations, CUDA events around each. Beside ours and the plain policies:
`compiled` is `policy.compile(mode="reduce-overhead")`, `captured` a step recorded as a CUDA graph and replayed, `bf16`
ours under autocast. cuDNN may round products to TF32, as torch lets it, and others are float32. A way that fails is
told, with its error.

`roofline` is what the card could do at best over what was taken: all products at the rate of a large one, or weights,
observations, memory and what comes out moved once at the rate of a large copy, whichever takes longer.
"""

import json
import os
import sys
from statistics import median

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import glulam
from glulam_train.bench import bench
from glulam_train.settings import TrainSettings
from tests.benchmarks.plain import NAMES
from tests.benchmarks.plain_weights import plain_twin
from tests.benchmarks.timing import answer, line_of
from tests.benchmarks.whole import Rollout, Training
from tests.evidence.record import commit, write_result

__all__ = ["run"]

BATCHES = (("rollout", (1024,)), ("rollout", (4096,)), ("training", (256, 64)))
COMPILED = (1024,)  # rows; a minute's work for each
TRAINED = ("fast", "latent_attn_small")
COPIES = (32, 256)  # environments of four agents
GPU = {"device": "cuda"}
WAYS = {
    "CPU": {"device": "cpu", "threads": 8},
    "GPU": GPU,
    "GPU, experience on the host": GPU | {"buffer_device": "cpu"},
    "GPU, 4 workers and 2 groups": GPU | {"env_workers": 4, "env_groups": 2},
}
LARGE = 8192  # rows and columns of a product that fills the card
COPIED = 2**31  # bytes


def run():
    """Measure and write docs/results/gpu.json, where there is a GPU."""
    if not torch.cuda.is_available():
        print("there is no GPU: docs/results/gpu.json stays as it is")
        return None
    started = commit()
    runs, training = [], []

    def keep():
        return write_result(
            "gpu", "python -m tests.benchmarks.gpu", started, device=torch.cuda.get_device_name(),
            cuda=torch.version.cuda, unit="ms between CUDA events", runs=runs, training=training,
        )  # fmt: skip

    for name in NAMES:
        # A process each: graphs of one policy have been seen to spoil the card for the next.
        runs += answer([sys.executable, "-m", "tests.benchmarks.gpu", name], os.environ)
        print(*runs[-len(BATCHES) :], sep="\n", flush=True)
        keep()
    for name in TRAINED:
        for copies in COPIES:
            for way, settings in WAYS.items():
                training.append({"way": way} | trains(name, copies, settings))
                print(training[-1], flush=True)
                keep()
    return keep()


def of_policy(name, rounds=9):
    """Return what one policy takes in each phase and batch."""
    torch.set_num_threads(1)
    best = ceilings()
    return [measured(name, phase, batch, rounds, best) for phase, batch in BATCHES]


def ceilings():
    """Return the rates of a large copy, read and written, and of large products."""
    source = torch.rand(COPIED // 4, device="cuda")
    target = torch.empty_like(source)
    found = {"copy_bytes_per_second": 2 * COPIED / best_of(lambda: target.copy_(source))}
    for dtype in (torch.float32, torch.bfloat16):
        one, two = torch.randn(2, LARGE, LARGE, device="cuda", dtype=dtype)
        found[f"{str(dtype).removeprefix('torch.')}_flops"] = 2 * LARGE**3 / best_of(lambda a=one, b=two: a @ b)
    return {name: float(f"{rate:.4g}") for name, rate in found.items()}


def best_of(call, times=10):
    """Return the median of what a call takes, in seconds."""
    for _ in range(3):
        call()
    return median(between_events(call) for _ in range(times)) / 1e3


def between_events(call):
    """Return what the GPU takes for a call, in ms, from when it is told of it."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def measured(name, phase, batch, rounds, best):
    """Return what one policy takes in each way, and how near that is to what the card could do."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    with torch.device("cuda"):
        case = {"rollout": OnGpu, "training": Training}[phase](*pair(name), *batch)
        case.redraw()
        work = case_work(case, batch)
        cases = {
            "ours": case.ours,
            "plain": case.theirs,
            "bf16": autocast(case.ours),
        }
        if phase == "rollout":
            cases["captured"] = case.captured
        if batch == COMPILED:
            other = OnGpu(*pair(name), *batch)
            other.policy.compile(mode="reduce-overhead")
            cases["compiled"] = compiled(case, other)
        cases, failed = those_that_run(cases)
        taken = {way: [] for way in cases}
        torch.cuda.reset_peak_memory_stats()
        for _ in range(rounds):
            case.redraw()
            for way, call in cases.items():
                taken[way].append(between_events(call) / case.calls)
    lines = {way: line_of(way, taken, None if way == "ours" else "ours") for way in cases}
    floor = max(work["flops"] / best["float32_flops"], work["bytes"] / best["copy_bytes_per_second"]) * 1e3
    agent_steps = case.seen.numel() / case.calls
    for line in lines.values():
        line |= {"roofline": round(floor / line["median"], 4), "per_second": round(agent_steps / line["median"] * 1e3)}
    return {
        "policy": name, "phase": phase, "batch": list(batch), "rounds": rounds, "ceilings": best, **work,
        "floor": round(floor, 5), "peak_bytes": torch.cuda.max_memory_allocated(), "ways": list(lines.values()),
        "failed": failed,
    }  # fmt: skip


def pair(name):
    """Return a policy and its plain twin, on the GPU."""
    policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"), losses=["ppo"], device="cuda")
    return policy, plain_twin(policy).cuda()


class OnGpu(Rollout):
    """A rollout that can be captured as well."""

    graph = None

    @torch.no_grad()
    def captured(self):
        """Replay a step that was recorded once, on each step's observations."""
        if self.graph is None:
            self.static = self.steps[0].clone()
            self.policy(self.static.clone(recurse=False))  # looks at the ids of the rows
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.policy(self.static.clone(recurse=False))
        for step in self.steps:
            for key in ("env_obs", "dones", "truncateds"):
                self.static[key].copy_(step[key])
            self.graph.replay()


def compiled(case, other):
    """Return a call of the compiled policy on what the case sees."""

    def call():
        other.steps = case.steps
        return other.ours()

    return call


def autocast(call):
    """Return a call with products in bf16."""
    return torch.autocast("cuda", dtype=torch.bfloat16)(call)


def case_work(case, batch):
    """Return the products of one call of the plain policy, and the bytes that cannot but move."""
    with Products() as counted:
        case.theirs()
    lstm, steps = case.plain.memory.lstm, case.seen.numel()
    products = sum(weight.numel() for name, weight in lstm.named_parameters() if name.startswith("weight"))
    passes = 1 if case.calls > 1 else 3  # backward has two products for each of forward
    flops = counted.flops + 2 * products * steps * passes
    weights = 4 * sum(weight.numel() for weight in case.plain.parameters())
    state = 4 * 2 * 2 * lstm.num_layers * lstm.hidden_size * batch[0]  # h and c, read and written
    seen = case.seen["env_obs"].numel() + 4 * case.plain.world.num_actions * steps
    return {
        "flops": round(flops / case.calls),
        "bytes": round(weights * passes + state + seen / case.calls),
    }


class Products(TorchDispatchMode):
    """Counts the operations of products, but for an LSTM's."""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **kwargs, out_val=out)
        return out


def those_that_run(cases, warm_up=3):
    """Return the ways that run, after a few calls of each, and the errors of the others."""
    working, failed = {}, {}
    for way, call in cases.items():
        try:
            for _ in range(warm_up):
                call()
            torch.cuda.synchronize()
        except Exception as error:  # noqa: BLE001 - one way's failure is a result like the others
            failed[way] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        else:
            working[way] = call
    return working, failed


def trains(name, copies, settings, updates=3):
    """Return what `glulam bench` tells of a training on `mettagrid:forage`."""
    told = bench(TrainSettings(policy=name, env="mettagrid:forage", num_envs=copies, **settings), updates)
    told.pop("gradient_norms")
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in told.items()}


if __name__ == "__main__":
    print(json.dumps(of_policy(sys.argv[1])) if sys.argv[1:] else run())
