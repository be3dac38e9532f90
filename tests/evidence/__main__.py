"""`python -m tests.evidence [NAME ...]`: run all experiments, or those named."""

import sys

from tests.benchmarks import (
    assembly,
    cold_start,
    discovery,
    experience,
    gpu,
    grouped,
    growth,
    memory,
    parts,
    peak_memory,
    policies,
    resolver,
    startup,
    torchrl_loop,
    training,
    whole,
    workers,
)
from tests.downstream import torchrl_lstm
from tests.evidence import (
    contract,
    corpus,
    custom_policies,
    docs_blocks,
    doorkey,
    downstream,
    elsewhere,
    examples,
    forage,
    initialisation,
    killed,
    lessons,
    memory_tasks,
    mutants,
    ranks,
    scaling,
    show_browser,
    soak,
    torchrl_cartpole,
    transfer,
    wheels,
)
from tests.evidence.pages import write_pages

EXPERIMENTS = {f"forage_{name}": lambda name=name: forage.run((name,)) for name in forage.STEPS}
EXPERIMENTS |= {"initialisation_original": initialisation.run, "corpus": corpus.run, "downstream": downstream.run}
EXPERIMENTS |= {name: lambda name=name: doorkey.run(name) for name in doorkey.CASES}
EXPERIMENTS |= {name: lambda name=name: elsewhere.run(name) for name in elsewhere.TASKS}
EXPERIMENTS |= {"doorkey_random": elsewhere.run_doorkey_random}
EXPERIMENTS |= {"custom_policies": custom_policies.run, "transfer": transfer.run}
EXPERIMENTS |= {f"memory_{task}": lambda task=task: memory_tasks.run(task) for task in memory_tasks.TASKS}
EXPERIMENTS |= {"killed": killed.run, "torchrl_cartpole": torchrl_cartpole.run, "downstream_torchrl": torchrl_lstm.run}
EXPERIMENTS |= {f"contract_{name}": getattr(contract, name) for name in ("museum", "full", "seeds", "seeds_again")}
EXPERIMENTS |= {f"lessons_{name}": lambda name=name: lessons.run(name) for name in lessons.LESSONS}
EXPERIMENTS |= {"lessons_again": lessons.run_again}
EXPERIMENTS |= {"mutants": mutants.run, "ranks": ranks.run, "scaling": scaling.run, "soak": soak.run}
EXPERIMENTS |= {"show_browser": show_browser.run, "examples": examples.run}
EXPERIMENTS |= {"docs_blocks": docs_blocks.run, "wheels": wheels.run}
EXPERIMENTS |= {
    "discovery": discovery.run,
    "memory": memory.run,
    "policies": policies.run,
    "experience": experience.run,
    "resolver": resolver.run,
    "startup": startup.run,
    "gpu": gpu.run,
    "assembly": assembly.run,
    "whole": whole.run,
    "parts": parts.run,
    "growth": growth.run,
    "grouped": grouped.run,
    "peak_memory": peak_memory.run,
    "training": training.run,
    "torchrl_loop": torchrl_loop.run,
    "cold_start": cold_start.run,
    "workers": workers.run,
}


def main(names):
    """Run experiments and rebuild the pages that show them."""
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        sys.exit(f"no experiment {unknown[0]!r}; there are: {', '.join(EXPERIMENTS)}")
    for name in names or EXPERIMENTS:
        print(f"experiment {name}", flush=True)
        EXPERIMENTS[name]()
    write_pages()


if __name__ == "__main__":  # processes of an experiment import this module
    main(sys.argv[1:])
