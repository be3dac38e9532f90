"""Wall time of commands that run no network, over a bare `python -c pass`, warm."""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.timing import processes
from tests.evidence.record import commit, write_result

__all__ = ["run"]

COMMANDS = {
    "list": ["list"],
    "list --format json": ["list", "--format", "json"],
    "info lstm": ["info", "lstm"],
    "check fast": ["check", "fast"],
    "check BROKEN.yaml": ["check", "BROKEN"],
    "resolve fast": ["resolve", "fast"],
    "schema": ["schema"],
    "explain GL303": ["explain", "GL303"],
    "explain GL601 (a plugin's page)": ["explain", "GL601"],
    "registry check": ["registry", "check"],
}
BROKEN = """\
glulam: 1
extends: fast
set: {memory.hiden_size: 64, critic.in_key: coree}
"""


def run(rounds=21):
    """Measure and write docs/results/startup.json."""
    started = commit()
    glulam = [sys.executable, "-c", "from glulam.cli import main; main()"]
    with tempfile.TemporaryDirectory() as root:
        broken = Path(root) / "broken.yaml"
        broken.write_text(BROKEN, encoding="utf-8")
        commands = {"python -c pass": [sys.executable, "-c", "pass"]}
        commands["import glulam"] = [sys.executable, "-c", "import glulam"]
        for name, words in COMMANDS.items():
            commands[name] = [*glulam, *(str(broken) if word == "BROKEN" else word for word in words)]
        found = processes(commands, rounds)
    bare = found["python -c pass"]["median"]
    runs = [{"what": name} | times | {"over_bare": round(times["median"] - bare, 1)} for name, times in found.items()]
    return write_result("startup", "python -m tests.benchmarks.startup", started, runs=runs, unit="ms")


if __name__ == "__main__":
    print(run())
