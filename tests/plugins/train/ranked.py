"""Ranks as real processes over gloo on this machine, and what they do in `test_ranks.py`.

The processes are forked from a server that has imported torch once.
"""

import errno
import json
import multiprocessing
import os
import pickle
import signal
import socket
import time
import traceback

import torch
from rich.console import Console

import glulam
from glulam_train import resume
from glulam_train.equality import _checksum, check_equal
from glulam_train.ranks import Ranks
from glulam_train.run import Run
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer

SECONDS = 60
SMALL = {"policy": "toy", "env": "toy:cues", "steps": 640, "num_envs": 2, "horizon": 8, "minibatches": 2}
SMALL |= {"tensorboard": False, "checkpoint_interval": 256, "rank_timeout": 20.0}
CLOCKS = {"seconds", "steps_per_second"}


def play(function, *arguments, size=2):
    """Call a function in each of `size` ranks; return what each returned, or the exception's name and text."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "tensordict", "glulam_train.run"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Pickled here: multiprocessing would share the memory of tensors, and that with a process that ends.
    task = pickle.dumps((function, arguments))
    pipes, processes = [], []
    for rank in range(size):
        ours, theirs = context.Pipe(duplex=False)
        job = context.Process(target=_rank, args=(theirs, port, rank, size, task), daemon=True)
        job.start()
        theirs.close()
        pipes.append(ours)
        processes.append(job)
    deadline = time.monotonic() + SECONDS
    try:
        return [_received(pipe, deadline) for pipe in pipes]
    finally:
        for job in processes:
            job.kill()
            job.join()


def _received(pipe, deadline):
    assert pipe.poll(max(0.0, deadline - time.monotonic())), "a rank hangs"
    try:
        return pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own child's
    except EOFError:
        return "died"


def _rank(pipe, port, rank, size, job):
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        ranks = Ranks.from_environment()
        function, arguments = pickle.loads(job)  # noqa: S301 - our own parent's
        result = function(ranks, *arguments)
        ranks.close()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        traceback.print_exc()
        result = (type(error).__name__, str(error))
    pipe.send_bytes(pickle.dumps(result))


def make_trainer(ranks=None, **changes):
    """Make a trainer of the toy policy; the same weights each time."""
    settings = TrainSettings(**(SMALL | changes))
    torch.manual_seed(settings.seed)
    environment = glulam.make_environment(settings.env, num_envs=settings.num_envs, seed=ranks.rank if ranks else 0)
    policy = glulam.build(settings.policy, environment.spec, losses=settings.losses)
    return Trainer(policy, environment, settings, ranks)


def gradients_of(trainer):
    """Learn once from all that a trainer's buffer holds; return the gradients by name."""
    metrics, _ = trainer._epochs()
    weights = dict(trainer.policy.named_parameters()) | trainer._own_weights()
    return {name: weight.grad.clone() for name, weight in weights.items()}, metrics


def gradients(ranks, weights, buffer, rows, changes, sabotage):
    """Learn from some rows of another trainer's buffer."""
    trainer = make_trainer(ranks, **changes)
    for name, tensor in trainer.shared().items():
        tensor.copy_(weights[name])
    for kind, tensors in buffer.items():
        for key, tensor in getattr(trainer.buffer, kind).items():
            tensor.copy_(tensors[key][rows[ranks.rank]])
    if sabotage == "plain means":
        ranks.shares = lambda counts: [1 / ranks.size for _ in counts]
    if sabotage == "own advantages":
        trainer.terms["ppo"].across_ranks = lambda stored, ranks: None
    return gradients_of(trainer)


def numbers(folder):
    """Return the metrics of a run but for the clocks."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def make_run(ranks, out, **changes):
    """Make a run of the toy policy."""
    return Run.begin(TrainSettings(**(SMALL | changes)), out, ranks=ranks)


def finish(run):
    """Train to the end; return the checksums of all that ranks share."""
    run.train(console=Console(quiet=True))
    run.close()
    return {name: _checksum(tensor) for name, tensor in run.trainer.shared().items()}


class Killed(BaseException):
    """As far as files go, the end of a process."""


def stop_after(run, agent_steps):
    """Train until an update past `agent_steps`."""
    update = run.trainer.update

    def killed():
        if run.trainer.agent_steps >= agent_steps:
            raise Killed
        return update()

    run.trainer.update = killed
    try:
        finish(run)
    except Killed:
        run.close()


def three_runs(ranks, folder, changes):
    """Train twice without a break and once with one; return the checksums of each."""
    whole, again = (finish(make_run(ranks, folder / name, **changes)) for name in ("whole", "again"))
    stop_after(make_run(ranks, folder / "cut", **changes), 384)
    return whole, again, finish(Run.resume(folder / "cut", ranks=ranks))


def faulty(ranks, out, fault):
    """Train until something goes wrong in one rank."""
    run = make_run(ranks, out, losses=("ppo", "toy_l2"))
    if ranks.rank == (fault != "disk"):
        FAULTS[fault](run)
    return finish(run)


def _spoil(owner, name, after, spoil):
    """Have a method's result spoilt after some calls."""
    whole, calls = getattr(owner, name), []

    def spoilt(*arguments):
        calls.append(None)
        result = whole(*arguments)
        return spoil(result) if len(calls) > after else result

    setattr(owner, name, spoilt)


def _nan_loss(run):
    term, calls = run.trainer.terms["toy_l2"], []

    def loss(current, stored):
        calls.append(None)
        value, details = term(current, stored)
        return value * (float("nan") if len(calls) > 20 else 1.0), details

    run.trainer.terms["toy_l2"] = loss


def _nan_reward(td):
    td["rewards"][0] = float("nan")
    return td


def _raise(_):
    msg = "the goal is gone"
    raise ValueError(msg)


def _full(run):
    def sync(folder):
        if run.trainer.agent_steps:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    resume._sync = sync  # this process is the rank's own


def _drift(run):
    def drifted():
        result = update()
        with torch.no_grad():
            run.policy.layers["toy_table"].module.critic.bias.add_(1e-6)
        return result

    update, run.trainer.update = run.trainer.update, drifted


FAULTS = {
    "loss": _nan_loss,
    "reward": lambda run: _spoil(run.environment, "step", 30, _nan_reward),
    "raise": lambda run: _spoil(run.environment, "step", 30, _raise),
    "drift": _drift,
    "disk": _full,
}


def stopped(ranks, out):
    """Ask rank 1 alone to stop, while it is about to begin its second update."""
    run = make_run(ranks, out)
    update = run.trainer.update

    def interrupted():
        if ranks.rank == 1 and run.trainer.agent_steps == 64:
            os.kill(os.getpid(), signal.SIGTERM)
        return update()

    run.trainer.update = interrupted
    finish(run)
    return run.stopped, run.trainer.agent_steps


def resumed(ranks, out):
    """Resume a run."""
    return finish(Run.resume(out, ranks=ranks))


def different(ranks, out):
    """Begin a run with another seed on each rank."""
    make_run(ranks, out, seed=ranks.rank)


def primitives(ranks):
    """What the methods of `Ranks` return."""
    mine = torch.arange(3.0) + 10 * ranks.rank
    weights = [torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(3)]
    weights.append(torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)))
    for weight in weights[: 1 + ranks.rank]:  # the first on both, the second on one, the third on none
        weight.grad = torch.full_like(weight, 1.0 + ranks.rank)
    weights[3].grad = torch.ones_like(weights[3])
    finite = ranks.sum_gradients(weights)
    sums = [weight.grad for weight in weights]
    weights[0].grad = torch.full((2, 2), float("inf") if ranks.rank else 5.0)
    spoilt = ranks.sum_gradients(weights)
    values = torch.arange(10.0)[:3] if ranks.rank else torch.arange(10.0)[3:]
    given = torch.full((2,), float(ranks.rank))
    ranks.broadcast([given])
    return {
        "sum": ranks.sum(mine),
        "sums": sums,
        "finite": (finite, spoilt, weights[0].grad),
        "moments": (ranks.moments(values), ranks.moments(torch.zeros(0))),
        "shares": ranks.shares([1.0 + 2 * ranks.rank, 0.0]),
        "gathered": (ranks.gather(ranks.rank), ranks.collect(ranks.rank), torch.cat(ranks.gather_tensors(mine))),
        "dealt": ranks.deal(["zero", "one"] if ranks.is_first else []),
        "told": ranks.tell(f"rank {ranks.rank}"),
        "broadcast": given,
    }


def of_each_dtype(ranks):
    """What comes back of tensors of every dtype that observations may have, and of a lone number."""
    mine = [torch.tensor([[0, 1], [100 + ranks.rank, 3]]).to(getattr(torch, name)) for name in glulam.BoxLayout.DTYPES]
    mine.append(torch.tensor(0.5 + ranks.rank))
    gathered = [ranks.gather_tensors(tensor.t()) for tensor in mine]  # not contiguous
    ranks.broadcast(mine)
    return gathered, mine


def statistics(ranks):
    """Update a layer that keeps statistics and the reward scale; return what they saw, and what this rank had."""

    class Seen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))
            self.seen = []

        def update_statistics(self, observations):
            self.seen.append(observations.clone())

    trainer = make_trainer(ranks, normalize_returns=True)
    torch.manual_seed(ranks.rank)
    layer = Seen()
    trainer._statistics.append(layer)
    scale, scaled = trainer.reward_scale, []
    _spoil(ranks, "moments", 0, lambda result: scaled.append(result) or result)
    trainer.update()
    [seen] = layer.seen
    return seen, trainer.buffer["env_obs"].flatten(0, 1), scale.state_dict()["moments"], scaled[0]


def silent(ranks, how):
    """Rank 1 does not answer: it ends, or is busy for longer than the others wait."""
    ranks.use_timeout(1.0)
    if ranks.rank == 1:
        if how == "ends":
            os._exit(3)
        time.sleep(3)
    start = time.monotonic()
    try:
        ranks.sum(torch.ones(()))
    except glulam.GlulamError as error:
        return time.monotonic() - start, str(error)
    return None


def apart(ranks):
    """Compare a weight that differs."""
    same, other = torch.ones(3), torch.full((3,), float(ranks.rank))
    check_equal({"same": same, "other": other}, ranks)


def one_fails(ranks):
    """Meet an error on rank 1 alone."""
    with ranks.together():
        if ranks.rank == 1:
            msg = "no room"
            raise glulam.GlulamError(msg)
