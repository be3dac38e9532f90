"""How long it takes to learn what is installed, among up to 2,000 synthetic distributions with three layers each."""

import importlib.metadata
import sys
import tempfile
from pathlib import Path

from glulam import Registry
from tests.benchmarks.timing import exponent, interleaved
from tests.evidence.record import commit, write_result

__all__ = ["COUNTS", "make_site", "run"]

COUNTS = (250, 500, 1000, 2000)


def make_site(folder, count):
    """Fill a folder with distributions of three layers each, as installers write them; no module exists."""
    for number in range(count):
        info = Path(folder) / f"synth_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: synth-{number}\nVersion: 1.0\n", encoding="utf-8")
        points = "".join(f"layer_{number}_{n} = synth_{number}.configs:Layer{n}\n" for n in range(3))
        (info / "entry_points.txt").write_text(f"[glulam.layers]\n{points}", encoding="utf-8")


def run(rounds=15):
    """Measure and write docs/results/discovery.json."""
    started = commit()
    runs = []
    with tempfile.TemporaryDirectory() as root:
        cases = {}
        for count in COUNTS:
            folder = Path(root) / str(count)
            folder.mkdir()
            make_site(folder, count)
            cases[f"glulam, {count}"] = lambda path=str(folder): len(Registry([path]).layers)
            cases[f"glulam with this environment, {count}"] = lambda path=str(folder): len(
                Registry([path, *sys.path]).layers
            )
            cases[f"importlib.metadata, {count}"] = lambda path=str(folder): _peer(path)
        found = interleaved(cases, rounds)
    for count in COUNTS:
        whos = ("glulam", "glulam with this environment", "importlib.metadata")
        runs += [{"what": who, "distributions": count, "layers": 3 * count} | found[f"{who}, {count}"] for who in whos]
    times = [row["median"] for row in runs if row["what"] == "glulam"]
    imported = [name for name in sys.modules if name.startswith("synth_")]
    return write_result(
        "discovery", "python -m tests.benchmarks.discovery", started, runs=runs, unit="ms",
        exponent=exponent(COUNTS, times), plugin_modules_imported=len(imported),
    )  # fmt: skip


def _peer(path):
    return len(
        [
            point
            for item in importlib.metadata.distributions(path=[path])
            for point in item.entry_points
            if point.group == "glulam.layers"
        ]
    )


if __name__ == "__main__":
    print(run())
