"""Mutants of our layers, made by cosmic-ray with all its operators: does the contract notice them, do their tests?

Each mutant is looked into by the contract suite at its quick level first, by the layer's own tests if the suite keeps
silent, and by mypy if they do too: cosmic-ray also edits annotations, which nothing evaluates when a layer runs. A
server that has torch loaded forks for each of them, since loading takes longer than looking.
"""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path

from tests.evidence.record import ROOT, commit, write_result

__all__ = ["run"]

LIMIT = 120  # seconds for one mutant
SOCKET = "GLULAM_MUTANTS"
MODULES = {
    "memory/glulam_memory/lstm.py": (
        ["lstm"],
        ["memory/test_lstm.py", "memory/test_layers.py", "-k", "lstm and not compiles"],
    ),
    "memory/glulam_memory/gru.py": (
        ["gru"],
        ["memory/test_gru.py", "memory/test_layers.py", "-k", "gru and not min_gru and not compiles"],
    ),
    "memory/glulam_memory/min_gru.py": (
        ["min_gru"],
        ["memory/test_min_gru.py", "memory/test_layers.py", "-k", "min_gru and not compiles"],
    ),
    "heads/glulam_heads/bilinear.py": (["bilinear_actor"], ["heads/test_bilinear.py"]),
    "heads/glulam_heads/categorical.py": (["action_distribution"], ["heads/test_distribution.py"]),
    "heads/glulam_heads/value.py": (["value_head"], ["heads/test_value.py"]),
    "heads/glulam_heads/linear_actor.py": (["linear_actor"], ["heads/test_linear_actor.py"]),
    "attention/glulam_attention/self_attention.py": (["self_attention"], ["attention/test_self_attention.py"]),
    "tokens/glulam_tokens/_fourier_positions.py": (["fourier_tokens"], ["tokens/test_fourier.py"]),
    "tokens/glulam_tokens/fourier.py": (["fourier_tokens"], ["tokens/test_fourier.py"]),
    "tokens/glulam_tokens/shaper.py": (["token_shaper"], ["tokens/test_shaper.py", "tokens/test_shaper_rules.py"]),
    "tokens/glulam_tokens/_shaper.py": (
        ["token_shaper", "box_shaper"],
        ["tokens/test_shaper.py", "tokens/test_shaper_rules.py", "tokens/test_box.py"],
    ),
    "basics/glulam_basics/linear.py": (["linear"], ["basics/test_linear.py"]),
    "basics/glulam_basics/mlp.py": (["mlp"], ["basics/test_mlp.py"]),
    "basics/glulam_basics/residual_mlp.py": (["residual_mlp"], ["basics/test_residual_mlp.py"]),
    "basics/glulam_basics/concat.py": (["concat"], ["basics/test_concat.py"]),
    "vision/glulam_vision/cnn.py": (["cnn"], ["vision/test_cnn.py"]),
    "vision/glulam_vision/cell_embedding.py": (["cell_embedding"], ["vision/test_cell_embedding.py"]),
}


def run():
    """Make and look into every mutant of the modules, in a clone."""
    start = commit()
    with tempfile.TemporaryDirectory() as folder:
        clone, tool = Path(folder, "clone"), Path(folder, "tool")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        venv.create(tool, with_pip=True)
        subprocess.run([tool / "bin/python", "-m", "pip", "install", "-qqq", "cosmic-ray"], check=True)
        paths = [clone, clone / "core", *sorted((clone / "plugins").iterdir())]
        environment = os.environ | {
            SOCKET: str(Path(folder, "socket")),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one second and size would share their bytecode
            "OMP_NUM_THREADS": "1",
        }
        server = subprocess.Popen([sys.executable, "-m", "tests.evidence.mutants"], cwd=clone, env=environment)
        while not Path(environment[SOCKET]).exists():
            time.sleep(0.1)
        try:
            runs = [mutant for module in MODULES for mutant in _mutants(module, clone, tool, environment)]
        finally:
            server.kill()
            server.wait()
        found = subprocess.run([tool / "bin/cosmic-ray", "--version"], capture_output=True, text=True, check=True)
    print(write_result(
        "mutants", "python -m tests.evidence mutants", start, tool=found.stdout.strip(),
        glulam_testing=version("glulam"), runs=runs,
    ))  # fmt: skip


def _mutants(module, clone, tool, environment):
    """Yield what became of each mutant of a module."""
    config, session = clone / "mutants.toml", clone / "mutants.sqlite"
    session.unlink(missing_ok=True)
    asking = f"{sys.executable} -S -m tests.evidence.mutants {module}"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "plugins/{module}"\ntimeout = {LIMIT + 30}.0\nexcluded-modules = []\n'
        f'test-command = {json.dumps(asking)}\n[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    subprocess.run(asking.split(), cwd=clone, env=environment, check=True)  # unchanged, all is well
    for step in ("init", "exec"):
        command = [tool / "bin/cosmic-ray", step, config, session]
        subprocess.run(command, cwd=clone, env=environment, check=True)
    command = [tool / "bin/cosmic-ray", "dump", session]
    dumped = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout
    rows = [_row(module, *json.loads(line)) for line in dumped.splitlines()]
    print(f"{module}: {sum(row['killed_by'] != '' for row in rows)} of {len(rows)} noticed", flush=True)
    yield from rows


def _row(module, item, result):
    mutation = item["mutations"][0]
    diff = [line for line in result["diff"].splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    told = result["output"].strip().splitlines()
    killed = result["test_outcome"] != "survived"
    return {
        "module": f"plugins/{module}",
        "operator": mutation["operator_name"].removeprefix("core/"),
        "line": mutation["start_pos"][0],
        "diff": [line.rstrip() for line in diff],
        "killed_by": (told[-1] if told else result["worker_outcome"]) if killed else "",
    }


# The rest runs in the clone.


def ask(module):
    """Ask the server to look into a module as it is now; exit with 1 if something is broken."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ[SOCKET])
        line.sendall(module.encode() + b"\n")
        told = line.makefile().read()
    print(told)
    sys.exit(1 if told else 0)


def serve():
    """Fork for each module that is asked about."""
    import pytest  # noqa: F401 - loaded before the forks, by the server only

    import glulam.testing._examine  # noqa: F401

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(os.environ[SOCKET])
        door.listen()
        while True:
            line, _ = door.accept()
            with line:
                module = line.makefile().readline().strip()
                layers, tests = MODULES[module]
                told = _in_a_fork(_broken_law, module.partition("/")[0], layers) or _in_a_fork(_failed_test, tests)
                line.sendall((told or _in_a_fork(_wrong_type, module)).encode())


def _in_a_fork(look, *args):
    """Return what a look tells; it gets a process of its own, since a mutant may leave anything behind."""
    forks = multiprocessing.get_context("fork")
    told, tell = forks.Pipe(duplex=False)

    def child():
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - not a file
            sys.stdout = sys.stderr = nowhere
            tell.send(look(*args))

    process = forks.Process(target=child)
    process.start()
    tell.close()
    answer = "timeout"
    if told.poll(LIMIT):
        try:
            answer = told.recv()
        except EOFError:
            answer = "crash"
    process.kill()
    process.join()
    return answer


def _broken_law(plugin, layers):
    from glulam import registry
    from glulam.testing._examine import Subject, examine
    from glulam.testing._laws import LAWS
    from glulam.testing._names import LAW_NAMES

    for layer in layers:
        name = f"glulam-{plugin}:{layer}"
        try:
            subject = Subject(name=name, cls=registry().layers.find(name).load())
            for law in LAW_NAMES:
                if not LAWS[law].slow and examine(subject, LAWS[law], shrinks=False).outcome == "broken":
                    return f"contract: {law}"
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return f"contract: {type(error).__name__}"
    return ""


def _failed_test(tests):
    import pytest

    failed = []

    class Listener:
        def pytest_runtest_logreport(self, report):
            if report.failed:
                failed.append(report.nodeid)

        def pytest_collectreport(self, report):
            if report.failed:
                failed.append(report.nodeid)

    paths = [f"tests/plugins/{test}" if test.endswith(".py") else test for test in tests]
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    code = pytest.main([*options, *paths], plugins=[Listener()])
    return f"test: {failed[0] if failed else code!r}" if code else ""


def _wrong_type(module):
    from mypy import api

    told, *_ = api.run([f"plugins/{module}"])
    found = [line for line in told.splitlines() if ": error:" in line]
    return f"types: {found[0]}" if found else ""


if __name__ == "__main__":
    ask(sys.argv[1]) if len(sys.argv) > 1 else serve()
