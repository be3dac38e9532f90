"""Every mistake of the corpus of broken policies, and every two in different layers: how many are reported right."""

import itertools
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.core.faults.corpus import STYLES, every_pair, open_corpus
from tests.core.faults.mutators import mutators
from tests.evidence.record import commit, write_result

__all__ = ["run"]


def run():
    """Write docs/results/corpus.json; a process a policy, two at a time."""
    started = commit()
    with ProcessPoolExecutor(2) as pool:
        runs = list(pool.map(_measure, STYLES))
    return write_result("corpus", "python -m tests.evidence corpus", started, runs=runs)


def _measure(name):
    start = time.perf_counter()
    with open_corpus() as corpus:
        policy = corpus.good[name]
        found = mutators(policy)
        single = [mutator.name for mutator in found if not _is_right(corpus.mistake(name, mutator))]
        pairs = list(every_pair(policy))
        double = [f"{a.name} + {b.name}" for a, b in pairs if not _is_right(corpus.mistakes(name, a, b))]
    apart = sum(not one.layers & other.layers for one, other in itertools.combinations(found, 2))
    print(name, len(found), len(single), len(pairs), len(double), flush=True)
    return {
        "policy": name,
        "mistakes": len(found),
        "mistakes_wrong": single,
        "codes": dict(Counter(mutator.code for mutator in found)),
        "pairs": len(pairs),
        "pairs_wrong": double,
        "pairs_left_out": apart - len(pairs),
        "seconds": round(time.perf_counter() - start, 1),
    }


def _is_right(expected_and_found):
    expected, found = expected_and_found
    return expected == found
