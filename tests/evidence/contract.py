"""The contract suite on its museum, on our own layers, and with other seeds."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import torch

from glulam import registry
from glulam.testing import LAW_NAMES, examine_distribution
from glulam.testing._laws import LAWS
from tests.contract.changed import digests
from tests.contract.looking import caught_by, passes_smoke_test, subject_of
from tests.contract.museum import EXHIBITS
from tests.evidence.record import commit, read_result, write_result

SEEDS = 20
PROCESSES = 2
MORE_SEEDS = {"glulam-memory": 200, "glulam-tokens": 200}


def museum():
    """Look into every exhibit with every law, and into each good twin; a plain smoke test beside it."""
    start, runs = commit(), []
    for exhibit in EXHIBITS:
        subject = subject_of(exhibit.name, exhibit.config)
        caught = caught_by(subject)
        smoke = passes_smoke_test(subject)
        runs.append({
            "exhibit": exhibit.name, "bug": exhibit.bug, "source": exhibit.source, "law": exhibit.law,
            "caught": list(caught), "told": caught.get(exhibit.law, ""), "smoke_test_caught": not smoke,
        })  # fmt: skip
        print(f"{exhibit.name}: {', '.join(caught) or 'NOT CAUGHT'}", flush=True)
    good = [
        {"config": config.__name__, "broken": caught_by(subject_of(config.__name__, config))}
        for config in sorted({exhibit.good for exhibit in EXHIBITS}, key=lambda config: config.__name__)
    ]
    command = "python -m tests.evidence contract_museum"
    print(write_result("contract_museum", command, start, laws=list(LAW_NAMES), runs=runs, good=good))


def full():
    """Look deep into each of our layers."""
    start, runs, code = commit(), [], digests()
    for distribution in code:
        for verdict in examine_distribution(distribution, level="full"):
            runs.append({"layer": verdict.layer, "law": verdict.law, "outcome": verdict.outcome,
                         "told": verdict.told, "seconds": round(verdict.seconds, 3)})  # fmt: skip
            if verdict.outcome == "broken":
                print(verdict.layer, verdict.law, verdict.told, flush=True)
    print(write_result("contract_full", "python -m tests.evidence contract_full", start, digests=code, runs=runs))


def seeds():
    """Look into each of our layers with other seeds: what is broken with one and kept with another is a flake."""
    start, runs = commit(), []
    layers = [(entry.distribution, entry.name) for entry in registry().layers.values()]
    jobs = [(distribution, layer) for distribution, layer in layers if distribution in digests()]
    jobs.sort(key=lambda job: -MORE_SEEDS.get(job[0], SEEDS))  # the long ones first
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for run in pool.map(_seeds_of, jobs):
            runs.append(run)
            print(run["layer"], run["seeds"], run["broken"], flush=True)
    print(write_result("contract_seeds", "python -m tests.evidence contract_seeds", start, runs=runs))


def seeds_again():
    """Look again into those layers that `seeds` found something broken in."""
    start = commit()
    broken = [run["layer"] for run in read_result("contract_seeds")["runs"] if run["broken"]]
    runs = [_seeds_of(layer.split(":")) for layer in broken]
    command = "python -m tests.evidence contract_seeds_again"
    print(write_result("contract_seeds_again", command, start, runs=runs))


def _seeds_of(job):
    """Look into one layer with its seeds."""
    torch.set_num_threads(1)
    distribution, layer = job
    laws = [law for law in LAW_NAMES if not LAWS[law].slow and law != "quiet_import"]  # it draws nothing
    failed, seeds = {}, MORE_SEEDS.get(distribution, SEEDS)
    for seed in range(seeds):
        found = examine_distribution(distribution, layers=[layer], laws=laws, seed=seed)
        broken = {verdict.law: verdict.told for verdict in found if verdict.outcome == "broken"}
        if broken:
            failed[seed] = broken
    return {"layer": f"{distribution}:{layer}", "seeds": seeds, "broken": failed}
