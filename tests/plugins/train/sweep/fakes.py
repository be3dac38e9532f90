"""What tests of sweeps share: a head of a file, a process that only pretends to train, and the command."""

from click.testing import CliRunner

from glulam_train.sweep import budget
from glulam_train.sweep.command import sweep

HEAD = """\
glulam_sweep: 1
policy: toy
env: toy:cues
steps: 512
seeds: 2
settings: {num_envs: 4, horizon: 8, minibatches: 2, tensorboard: false, checkpoint_interval: 128}
"""

# Trains in no time: 64 agent-steps a row, up to what the settings say; it is its variant's name that lets it fail.
# It lists its beginning and end in a file beside the variants' folders.
FAKE = """
import json, pathlib, signal, sys, threading, time, yaml
threading.Thread(target=lambda: (sys.stdin.read(), sys.exit()), daemon=True).start()
folder = pathlib.Path(sys.argv[-1])
name = folder.parent.name
def note(what):
    with (folder.parents[1] / "log").open("a") as file:
        file.write(f"{what} {name} {folder.name}\\n")
note("begin")
(folder.parents[1] / "place").write_text(str(pathlib.Path.cwd()))
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
settings = yaml.safe_load((folder / "settings.yaml").read_text())
metrics = folder / "metrics.jsonl"
done = 64 * len(metrics.read_text().splitlines()) if metrics.exists() else 0
with metrics.open("a") as file:
    for steps in range(done + 64, settings["steps"] + 64, 64):
        if name.startswith("bad") and steps > 128:
            print("error: the loss is nan", file=sys.stderr)
            note("end")
            sys.exit(1)
        row = {"agent_steps": steps, "seconds": steps / 1000, "return_mean": settings["seed"] + steps / 512}
        file.write(json.dumps(row) + "\\n")
        file.flush()
        time.sleep(0.3 if name.startswith("slow") else 0)
        if asked:
            break
note("end")
"""


def measured(plan, cells, jobs):
    """Return a budget in which each variant trains 100 agent-steps a second after 2 seconds."""
    return budget.Budget(tuple(cells), {cell.variant: budget.Pace(100.0, 2.0) for cell in cells}, jobs)


def call(*arguments):
    """Run the command; what a user's mistake raises is what the command line's `main` prints."""
    return CliRunner().invoke(sweep, [str(argument) for argument in arguments])
