"""`python -m tests.evidence [NAME ...]`: run all experiments, or those named."""

import sys

from tests.benchmarks import discovery, resolver, startup
from tests.evidence import corpus, forage, initialisation
from tests.evidence.pages import write_pages

EXPERIMENTS = {f"forage_{name}": lambda name=name: forage.run((name,)) for name in forage.STEPS}
EXPERIMENTS |= {"initialisation": initialisation.run, "corpus": corpus.run}
EXPERIMENTS |= {"discovery": discovery.run, "resolver": resolver.run, "startup": startup.run}


def main(names):
    """Run experiments and rebuild the pages that show them."""
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        sys.exit(f"no experiment {unknown[0]!r}; there are: {', '.join(EXPERIMENTS)}")
    for name in names or EXPERIMENTS:
        print(f"experiment {name}", flush=True)
        EXPERIMENTS[name]()
    write_pages()


main(sys.argv[1:])
