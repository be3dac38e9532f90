"""Every mistake of the corpus of broken policies, and every two in different layers: how many are reported right."""

import itertools
import time
from collections import Counter

from tests.core.faults.corpus import STYLES, every_pair, open_corpus
from tests.core.faults.mutators import mutators
from tests.evidence.record import commit, write_result

__all__ = ["run"]


def run():
    """Write docs/results/corpus.json."""
    started = commit()
    runs = []
    with open_corpus() as corpus:
        for name in STYLES:
            start = time.perf_counter()
            policy = corpus.good[name]
            found = mutators(policy)
            single = [mutator.name for mutator in found if len({*map(str, corpus.mistake(name, mutator))}) != 1]
            pairs = list(every_pair(policy))
            double = [f"{a.name} + {b.name}" for a, b in pairs if len({*map(str, corpus.mistakes(name, a, b))}) != 1]
            apart = sum(not one.layers & other.layers for one, other in itertools.combinations(found, 2))
            runs.append(
                {
                    "policy": name,
                    "mistakes": len(found),
                    "mistakes_wrong": single,
                    "codes": dict(Counter(mutator.code for mutator in found)),
                    "pairs": len(pairs),
                    "pairs_wrong": double,
                    "pairs_left_out": apart - len(pairs),
                    "seconds": round(time.perf_counter() - start, 1),
                }
            )
            print(name, len(found), len(single), len(pairs), len(double), flush=True)
    return write_result("corpus", "python -m tests.evidence corpus", started, runs=runs)
