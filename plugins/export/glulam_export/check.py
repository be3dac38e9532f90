"""What was exported is run and held against the policy, before it is written.

Legend: `B` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tensordict import TensorDict

from glulam import GlulamError
from glulam_export.examples import draw_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from glulam_export.step import StepFunction

    Run = Callable[[dict[str, Tensor]], dict[str, Tensor]]

__all__ = ["TOLERANCE", "check"]

TOLERANCE = 1e-5
"""The largest difference between the policy and its exported form."""
ROWS = (1, 5)
STEPS = 3


def check(step: StepFunction, run: Run, form: str) -> None:
    """Play a few steps with a program, each from the memory that the one before left, beside the policy itself.

    Args:
        step: what was exported; its policy acts in its usual way, with its own memory.
        run: the program.
        form: for the message.

    Raises:
        GlulamError: if an output differs by more than `TOLERANCE`, absolute and relative.
    """
    for rows in ROWS:
        generator = torch.Generator().manual_seed(rows)
        memory = step.initial_memory(rows)
        for inputs, wanted in _played(step, rows, generator):
            found = run(inputs | memory)
            for name, value in wanted.items():
                _compare(name, found[name], value, f"{form} of policy {step.policy.resolved.name!r}, {rows} rows")
            memory = {before: found[after] for before, after in step.memory.items()}


def _played(
    step: StepFunction, rows: int, generator: torch.Generator
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Yield the inputs of some steps, and all that the policy itself makes of them."""
    policy, ids = step.policy, torch.arange(rows)
    policy.reset_memory()
    for _ in range(STEPS):
        inputs = draw_inputs(step, rows, generator)
        resets = {key: torch.zeros(rows, dtype=torch.bool) for key in ("dones", "truncateds")}
        td = TensorDict({"env_id": ids} | resets | inputs, batch_size=[rows])
        with torch.no_grad():
            before = policy.memory_state(ids)
            policy(td)
            scored, after = policy.unroll(td, before)
        wanted = {key: td[key] for key in (*policy.out_keys, *policy.action_head.act_keys)}
        wanted |= {key: scored[key] for key in policy.action_head.score_keys}
        wanted |= {name: after[tuple(name.split(".", 2)[1:])] for name in step.memory.values()}
        yield inputs, wanted


def _compare(name: str, found: Tensor, wanted: Tensor, what: str) -> None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        shapes = f"{found.dtype} {list(found.shape)}, not {wanted.dtype} {list(wanted.shape)}"
        msg = f"{what}: output {name!r} is {shapes}; nothing was written"
        raise GlulamError(msg)
    if not torch.allclose(found.double(), wanted.double(), rtol=TOLERANCE, atol=TOLERANCE):
        difference = float((found.double() - wanted.double()).abs().max())
        msg = f"{what}: output {name!r} differs from the policy's by {difference:.1g}; nothing was written"
        raise GlulamError(msg)
