"""A policy as a pure function of one step: tensors by name in, tensors by name out, memory among both.

Legend: `B` rows.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from glulam import GlulamError, Recurrence

if TYPE_CHECKING:
    from glulam import Policy, State

__all__ = ["StepFunction", "refuse_drawing"]

RESETS = ("dones", "truncateds")


class StepFunction(nn.Module):
    """One step of a policy that takes the likeliest action; the policy itself is copied and stays as it is.

    Args:
        policy: initialised to its environment.

    Attributes:
        policy: the copy, on the CPU.
        memory: names of what is remembered, before the step and after it.

    Raises:
        GlulamError: if its action head cannot take the likeliest action.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = copy.deepcopy(policy).eval().requires_grad_(requires_grad=False)
        self.policy.initialize_to_environment(policy.env, "cpu")
        for tensor in (*self.policy.parameters(), *self.policy.buffers()):  # a program's file holds no other layouts
            tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
        if not self.policy.each("set_greedy", True):  # noqa: FBT003 - a positional argument of `each`
            msg = f"the action head of {policy.resolved.name!r} has no set_greedy(), so it cannot be exported"
            raise GlulamError(msg)
        self.memory = {
            f"state.{layer}.{name}": f"next_state.{layer}.{name}"
            for layer, module in self.policy.memory_layers().items()
            for name in module.initial_state(1)
        }

    @property
    def input_keys(self) -> tuple[str, ...]:
        """What it reads of the environment; what tells of episodes' ends is read where there is memory."""
        return tuple(dict.fromkeys([*self.policy.in_keys, *(RESETS if self.memory else ())]))

    def initial_memory(self, rows: int) -> dict[str, Tensor]:
        """Return the memory at the start of episodes, `[B, ...]` by name: zeros."""
        return {
            f"state.{layer}.{name}": value
            for layer, module in self.policy.memory_layers().items()
            for name, value in module.initial_state(rows).items()
        }

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what the policy's layers and its action head give, and the memory after the step.

        Args:
            inputs: the `input_keys` and the `memory`, each `[B, ...]`. Rows that have `dones` or `truncateds` start
                from zero memory, whatever is given.
        """
        policy = self.policy
        recur = self._recurrence(inputs)
        outputs = inputs | policy.compute({key: inputs[key] for key in policy.in_keys}, recur)
        found = {key: outputs[key] for key in policy.out_keys} | self._chosen(outputs)
        after = {
            f"next_state.{layer}.{name}": value for layer, state in recur.after.items() for name, value in state.items()
        }
        return found | after

    def _recurrence(self, inputs: dict[str, Tensor]) -> Recurrence:
        states: dict[str, State] = {
            layer: {name: inputs[f"state.{layer}.{name}"] for name in module.initial_state(1)}
            for layer, module in self.policy.memory_layers().items()
        }
        return Recurrence(states, torch.logical_or(*(inputs[key] for key in RESETS)) if states else None)

    def _chosen(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what the head does, and what it says of all that could be done."""
        head = self.policy.action_head
        absent = head.if_offered.difference(self.policy.env.optional_inputs)
        given = [None if key is None or key in absent else outputs[key] for key in head.arguments]
        module: Any = head.module
        acted = dict(zip(head.act_keys, module.act(*given), strict=True))
        scored = module.score(*given, *(acted[key] for key in head.acted_keys))
        return acted | dict(zip(head.score_keys, scored, strict=True))


def refuse_drawing(form: str, *, greedy: bool | None, seed: int | None) -> None:
    """Refuse options that a pure function cannot follow.

    Raises:
        GlulamError: if actions are to be drawn.
    """
    if greedy is False or seed is not None:
        msg = f"{form} draws no actions: leave out --sampled and --seed, and draw from its output full_log_probs"
        raise GlulamError(msg)
