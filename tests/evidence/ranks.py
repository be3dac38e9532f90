"""Training on several ranks under torchrun: four on one machine, one killed, two machines, and a link cut for 10 s.

The machines are two network namespaces joined by a veth pair, made here; that wants root and iproute2, on Linux. The
second one names a folder of its own, which must never be made. An uninterrupted run is the oracle for those of which
a rank was killed or cut off.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from glulam import read_tensors
from tests.evidence.record import ROOT, commit, write_result

SITE = ROOT / "tests" / "plugins" / "train" / "site"
STEPS, INTERVAL, KILLS = 16_384, 2_048, 4
CUT = 10.0  # seconds
RANK_TIMEOUT = 5.0  # of those that the link is cut for
PATIENCE = 180.0  # what takes longer hangs
CLOCKS = ("seconds", "steps_per_second")
PORT = 29_400


def run():
    """Run all cases and write the result file."""
    start = commit()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = []
        for result in (case for cases in (four, killed, network) for case in cases(folder)):
            print(result, flush=True)
            runs.append(result)
    path = write_result("ranks", "python -m tests.evidence ranks", start, steps=STEPS, interval=INTERVAL, runs=runs)
    print(path)


def four(folder):
    """Train on four ranks."""
    out = folder / "four"
    yield {"case": "four ranks", **ended(torchrun(out, "--standalone", "--nproc-per-node", "4"), out)}


def killed(folder):
    """Kill a rank of two at some moment, and compare with a run of which none was killed."""
    whole = folder / "whole"
    yield {"case": "two ranks", **ended(torchrun(whole, "--standalone", "--nproc-per-node", "2"), whole)}
    moments = random.Random(0)  # noqa: S311 - moments, not secrets
    for number in range(KILLS):
        out = folder / f"killed-{number}"
        process = torchrun(out, "--standalone", "--nproc-per-node", "2", "--max-restarts", "3")
        at, rank = moments.uniform(0, 0.9) * STEPS, number % 2
        reached(out, at, process)
        os.kill(worker(process, rank), signal.SIGKILL)
        result = ended(process, out)
        same = result["completed"] and outcome(out) == outcome(whole)
        yield {"case": "killed rank", "rank": rank, "at_agent_steps": at, "same_numbers": same, **result}


def network(folder):
    """Train on two machines, once with the link between them cut for a while."""
    if shutil.which("ip") is None or os.geteuid():
        yield {"case": "two machines", "skipped": "wants root and iproute2"}
        return
    with machines() as hosts:
        for cut in (False, True):
            out = folder / ("cut" if cut else "joined")
            options = ("--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-backend", "c10d")
            options += ("--rdzv-endpoint", f"{hosts[0].address}:{PORT}", "--rdzv-id", out.name)
            folders = (out, folder / f"{out.name}-second")
            processes = [torchrun(path, *options, host=host) for host, path in zip(hosts, folders, strict=True)]
            if cut:
                reached(out, STEPS / 3, processes[0])
                hosts[1].link("down")
                time.sleep(CUT)
                hosts[1].link("up")
            other, result = (ended(*pair) for pair in zip(reversed(processes), reversed(folders), strict=True))
            yield {
                "case": "two machines, link cut" if cut else "two machines",
                **result,
                "second_completed": other["exit_code"] == 0,
                "second_wrote": folders[1].exists(),
                "same_numbers": result["completed"] and outcome(out) == outcome(folder / "whole"),
            }


class Machine:
    """A network namespace and its end of the pair."""

    def __init__(self, number):
        self.name, self.device = f"glulam{os.getpid()}-{number}", f"gl{os.getpid()}-{number}"
        self.address = f"10.77.0.{number}"

    def link(self, state):
        """Take the link down or up."""
        ip("-n", self.name, "link", "set", self.device, state)


@contextmanager
def machines():
    """Make two machines that see each other and nothing else."""
    hosts = [Machine(1), Machine(2)]
    try:
        for host in hosts:
            ip("netns", "add", host.name)
        ends = [("name", host.device, "netns", host.name) for host in hosts]
        ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for host in hosts:
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", host.device)
            ip("-n", host.name, "link", "set", "lo", "up")
            host.link("up")
        yield hosts
    finally:
        for host in hosts:
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", host.name)


def ip(*arguments):
    """Change the network."""
    subprocess.run(["ip", *arguments], check=True)


def torchrun(out, *options, host=None):
    """Start torchrun; its standard error goes to a file beside the run's folder."""
    fixed = ["-m", "glulam", "train", "toy", "--env", "toy:cues", "--steps", str(STEPS), "--out", str(out)]
    chosen = {"num_envs": 4, "horizon": 16, "checkpoint_interval": INTERVAL, "tensorboard": False, "threads": 1}
    chosen |= {"rank_timeout": RANK_TIMEOUT, "keep_checkpoints": 2, "normalize_returns": True}
    words = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    prefix = ["ip", "netns", "exec", host.name] if host else []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([*sys.path, str(SITE)])}
    if host:
        environment |= {"GLOO_SOCKET_IFNAME": host.device}
        # A namespace has no name of its own by which torchrun could tell that it is the first machine.
        options = (*options, "--local-addr", host.address, "--rdzv-conf", f"is_host={int(host.address.endswith('.1'))}")
    command = [*prefix, sys.executable, "-m", "torch.distributed.run", *options, *fixed, *words]
    with errors_of(out).open("w") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
    process.began = time.monotonic()
    return process


def errors_of(out):
    """Return the file for what torchrun and the ranks say."""
    return out.with_name(f"{out.name}.err")


def ended(process, out):
    """Wait for torchrun and say how the run ended."""
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        code = None  # it hung
    said = errors_of(out).read_text()
    if code:
        print(said[-4000:])
    rows = numbers(out)
    return {
        "exit_code": code,
        "completed": code == 0 and [row["agent_steps"] for row in rows] == list(steps(rows)),
        "resumed_at": [int(found.replace(",", "")) for found in re.findall(r"resumed at ([\d,]+) agent", said)],
        "seconds": time.monotonic() - process.began,
    }


def steps(rows):
    """Return what the agent-steps of a run's rows must be, none missing and none twice."""
    each = rows[0]["agent_steps"] if rows else STEPS
    return range(each, STEPS + 1, each)


def numbers(out):
    """Return a run's metrics but for the clocks."""
    file = out / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def outcome(out):
    """Return what a run came to: its metrics, and its checkpoint's checksum."""
    return numbers(out), read_tensors(out / "checkpoint.safetensors")[0]["sha256"]


def reached(out, agent_steps, process):
    """Wait until a run has trained for so long."""
    file, deadline = out / "metrics.jsonl", time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []
        with suppress(json.JSONDecodeError):
            if lines and json.loads(lines[-1])["agent_steps"] >= agent_steps:
                return
        time.sleep(0.02)
    message = f"{out} did not get as far as {agent_steps} agent-steps: {errors_of(out).read_text()[-2000:]}"
    raise RuntimeError(message)


def worker(process, rank):
    """Return the process of a rank that torchrun has started."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and f"RANK={rank}" in (path / "environ").read_text().split("\0"):
                return int(path.name)
    message = f"torchrun has no rank {rank}"
    raise RuntimeError(message)
