"""`python -m tests.downstream.torchrl_lstm`: the memory law finds an old fault of TorchRL's LSTMModule.

TorchRL cuts a batch at resets into episodes, which it pads to the longest.
Up to 0.12.0 it put the state after a row's last episode where the padding ends, and then cut it off with the padding:
the state after the sequence is zeros wherever that episode is not the longest (pytorch/rl#3711).
Its outputs are right, so the law finds it in the state, and in the outputs of a next segment that starts from there.
Each release runs in an environment of its own, with this one's torch and Hypothesis, so the draws are the same.
TorchRL's C++ part wants the torch of its day (2.11 for 0.12.0); LSTMModule is Python, and does not need it.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from tests.evidence.record import commit, write_result

__all__ = ["run"]

COMMAND = "python -m tests.downstream.torchrl_lstm"
LAW = Path(__file__).with_name("memory_law.py")
EXAMPLES = 100
RELEASES = {"0.12.0": ("torchrl",), "0.14.1": ("torchrl", "torchrl-not-zeroed")}
HOLDS = {"torchrl 0.12.0": False, "torchrl 0.14.1": True, "glulam": True}


def run():
    """Write docs/results/downstream_torchrl.json; exit with a message where a release is not as expected."""
    started = commit()
    runs = []
    for release, modules in RELEASES.items():
        with tempfile.TemporaryDirectory(prefix="glulam-torchrl-") as folder:
            python = install(Path(folder), release)
            runs += [apply_law(python, module, f"{module} {release}") for module in modules]
    runs.append(apply_law(sys.executable, "glulam", "glulam"))
    draws, *others = (one.pop("draws") for one in runs)
    padded = [is_last_episode_padded(draw) for draw in draws]
    for one in runs:
        differs = [gap > one["tolerance"] for gap in one["differences"]["state"]]
        explained = [differ and pad for differ, pad in zip(differs, padded, strict=True)]
        one["state_differs"] = {"last_episode_padded": sum(explained), "not_padded": sum(differs) - sum(explained)}
    figures = {"examples": EXAMPLES, "draws_padded": sum(padded), "draws": draws, "runs": runs}
    path = write_result("downstream_torchrl", COMMAND, started, **figures)
    faults = [text for one in runs if (text := _fault(one))]
    if any(other != draws for other in others):
        faults.append("the environments drew different episodes, so their figures cannot be compared")
    if faults:
        sys.exit("\n".join([*faults, f"All figures are in {path}."]))
    return path


def install(folder, release):
    """Return the Python of a new environment that has this release, and the tensordict that it asks for."""
    _tell(f"torchrl {release}: installing")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    # Without torch's local part (+cpu), so that pip takes the build that this machine's settings offer.
    pins = [f"torch=={version('torch').partition('+')[0]}", f"hypothesis=={version('hypothesis')}"]
    wanted = [f"torchrl=={release}", *pins, f"numpy=={version('numpy')}"]
    done = _run(python, "-m", "pip", "install", "--quiet", "--no-compile", *wanted)
    if done.returncode:
        sys.exit(f"torchrl {release} could not be installed ({' '.join(wanted)}):\n{done.stderr[-2000:]}")
    return python


def apply_law(python, module, label):
    """Return the law's figures for one module in one environment."""
    _tell(f"{label}: {EXAMPLES} draws")
    done = _run(python, "-I", LAW, "--module", module, "--examples", EXAMPLES, "--json")
    if done.returncode not in {0, 1} or not done.stdout.startswith("{"):
        sys.exit(f"{label}: the law could not be applied:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    _tell(f"{label}: {found['disagree']} of {found['examples']} disagree, {found['disagree_in']}")
    return {"label": label, "exit": done.returncode, **found}


def is_last_episode_padded(draw):
    """Whether a row's last episode is shorter than the longest of all: where TorchRL 0.12.0 loses the state."""
    words = draw.partition(",")[0].removeprefix("resets ").split()
    rows = [[len(episode) for episode in _episodes(word)] for word in words]
    return min(row[-1] for row in rows) < max(map(max, rows))


def _episodes(word):
    starts = [0, *(t for t, flag in enumerate(word) if t and flag == "1"), len(word)]
    return [word[start:stop] for start, stop in pairwise(starts)]


def _fault(one):
    holds = HOLDS.get(one["label"])
    if holds is None or (one["exit"] == 0) == holds:
        return None
    count = f"{one['disagree']} of {one['examples']} draws disagree"
    return f"{one['label']}: the memory law should {'hold' if holds else 'fail'}, but {count}."


def _tell(text):
    print(text, file=sys.stderr, flush=True)


def _run(*command):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, check=False)


if __name__ == "__main__":
    _tell(str(run()))
