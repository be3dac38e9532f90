"""How long it takes to resolve: a policy of 12 layers among 500 distributions, and chains of up to 10,000 layers."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from glulam import Registry, resolve
from tests.benchmarks.discovery import make_site
from tests.benchmarks.timing import exponent, interleaved
from tests.core.conftest import plugin_folder
from tests.core.faults.strange import install_strangers
from tests.evidence.record import commit, write_result

__all__ = ["chain", "run"]

LENGTHS = (1000, 2500, 5000, 10_000)
COLD = """
import json, sys, time
sys.path.insert(0, {site!r})
from glulam import Registry, resolve
registry = Registry()
len(registry.layers)
start = time.perf_counter()
resolve({policy!r}, registry=registry)
first = time.perf_counter()
resolve({policy!r}, registry=registry)
print(json.dumps([(first - start) * 1e3, (time.perf_counter() - first) * 1e3]))
"""


def chain(length):
    """Return the text of a policy whose layers each read the one before."""
    lines = [f"  - {{layer: quell, name: q{n}, inlet: k{n}, outlet: k{n + 1}}}" for n in range(length - 4)]
    head = "glulam: 1\nobs_shaper: {layer: gaze}\nlayers:\n  - {layer: zorp, outlet: k0}\n"
    tail = f"  - {{layer: yarrow, inlet: k{length - 4}}}\naction_head: {{layer: verdict}}\n"
    return head + "\n".join(lines) + "\n" + tail


def run(rounds=9):
    """Measure and write docs/results/resolver.json."""
    started = commit()
    with tempfile.TemporaryDirectory() as root, plugin_folder(Path(root) / "site") as plugins:
        install_strangers(plugins)
        make_site(plugins.folder, 500)
        registry = Registry([str(plugins.folder), *sys.path])
        cases = {}
        for length in (12, *LENGTHS):
            path = Path(root) / f"chain{length}.yaml"
            path.write_text(chain(length), encoding="utf-8")
            cases[f"{length} layers"] = lambda path=path: resolve(path, registry=registry)
        cases["fast (9 layers, extends another file)"] = lambda: resolve("fast", registry=registry)
        found = interleaved(cases, rounds)
        cold = [_cold(plugins.folder, Path(root) / "chain12.yaml") for _ in range(rounds)]
    runs = [{"what": name} | times for name, times in found.items()]
    runs.append(
        {
            "what": "12 layers, first time in a process",
            "median": round(sorted(first for first, _ in cold)[rounds // 2], 3),
        }
    )
    slope = exponent(LENGTHS, [found[f"{length} layers"]["median"] for length in LENGTHS])
    return write_result(
        "resolver",
        "python -m tests.benchmarks.resolver",
        started,
        runs=runs,
        unit="ms",
        exponent=slope,
        distributions=500,
    )


def _cold(site, policy):
    code = COLD.format(site=str(site), policy=str(policy))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(run())
