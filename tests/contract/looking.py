"""What the test of the museum and its evidence have in common: looking into an exhibit, and a plain smoke test."""

import contextlib

import torch

import glulam.testing.laws  # noqa: F401 - registers the laws
from glulam.testing._examine import Subject, examine
from glulam.testing._laws import LAWS
from glulam.testing._names import LAW_NAMES

__all__ = ["caught_by", "passes_smoke_test", "subject_of"]


def subject_of(name, config):
    """Return a class of the museum as a layer to look into."""
    return Subject(name=f"museum:{name}", cls=config)


def caught_by(subject, laws=LAW_NAMES, *, level="quick", seed=None):
    """Return the laws that a layer breaks, and what is told of each."""
    found = {}
    for law in laws:
        verdict = examine(subject, LAWS[law], level=level, seed=seed, shrinks=False)
        if verdict.outcome == "broken":
            found[law] = verdict.told
    return found


def passes_smoke_test(subject):
    """Whether a layer passes what many projects have for a test: it builds, runs, has the right shape, and trains."""
    cases, _ = subject.sample("quick")
    with contextlib.suppress(Exception), torch.random.fork_rng(devices=[]):
        case = cases[0]
        bound = case.bound()
        inputs = case.inputs(bound)
        outputs = case.call(bound, inputs)
        for key, info in case.fit.writes.items():
            if key in outputs and info.dims is not None and all(isinstance(dim, int) for dim in info.dims):
                assert outputs[key].shape == ((case.rows,) if info.batched else ()) + info.dims
        total = sum(value.sum() for value in outputs.values() if value.requires_grad)
        if isinstance(total, torch.Tensor):
            total.backward()
        return True
    return False
