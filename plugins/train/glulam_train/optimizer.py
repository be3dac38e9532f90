"""Adam over a policy's layers: groups with a rate of their own, frozen layers, a schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from glulam import GlulamError
from glulam_train.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from glulam import Policy
    from glulam_train.settings import TrainSettings

__all__ = ["Optimizer", "policy_parts"]


class Optimizer:
    """AdamW (Loshchilov and Hutter 2019) over what is to be trained.

    Args:
        policy: its frozen layers stop taking gradients here.
        extra: weights of losses, by name.
        settings: rates, groups, schedule.
        ranks: whose gradients are summed; this process alone when None.

    Raises:
        GlulamError: if a group or `freeze` names a layer that is not there, a layer is in two groups, or nothing is
            left to train.
    """

    def __init__(
        self,
        policy: Policy,
        extra: Mapping[str, nn.Parameter],
        settings: TrainSettings,
        ranks: Ranks | None = None,
    ) -> None:
        self.settings, self.ranks = settings, ranks or Ranks.alone()
        parts = policy_parts(policy)
        for name in settings.freeze:
            for parameter in _known(parts, name, "freeze", policy).parameters():
                parameter.requires_grad_(False)  # noqa: FBT003 - torch's own
        named = {name: weight for name, weight in policy.named_parameters() if weight.requires_grad} | dict(extra)
        if not named:
            msg = "freeze leaves nothing to train"
            raise GlulamError(msg)
        grouped = [_weights(policy, parts, group["layers"]) for group in settings.groups]
        taken: set[nn.Parameter] = set()
        for group, weights in zip(settings.groups, grouped, strict=True):
            if taken & weights:
                msg = f"groups: a layer of {group['layers']} is in another group already, or shares its weights"
                raise GlulamError(msg)
            taken |= weights
        rest = {"learning_rate": settings.learning_rate, "weight_decay": settings.weight_decay}
        choices: list[tuple[Mapping[str, Any], set[nn.Parameter]]] = [(rest, set(named.values()) - taken)]
        choices += zip(settings.groups, grouped, strict=True)
        # In the policy's own order, whatever the groups: equal settings give equal sums.
        self.names = [[name for name, weight in named.items() if weight in weights] for _, weights in choices]
        self.parameters = list(named.values())
        self._rates = [float(group.get("learning_rate", settings.learning_rate)) for group, _ in choices]
        groups = [
            {
                "params": [named[name] for name in names],
                "weight_decay": group.get("weight_decay", settings.weight_decay),
            }
            for (group, _), names in zip(choices, self.names, strict=True)
        ]
        self.adam = torch.optim.AdamW(groups, lr=settings.learning_rate, eps=settings.adam_eps, fused=True)

    def start_update(self, agent_steps: int) -> float:
        """Set the rates for what follows `agent_steps` of training; return that of layers in no group."""
        factor = _factor(self.settings, agent_steps)
        for group, rate in zip(self.adam.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        return self.settings.learning_rate * factor

    def step(self, loss: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, bool]:
        """Take one step down the gradient of a loss; return loss, norm of the gradient, and whether both are finite.

        Else no step is taken. Both are scalars `[]`, of the sum over all ranks. A loss without gradient is that of a
        rank that has nothing to add.
        """
        self.adam.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        total = self.ranks.sum(loss.detach().float())
        if not self.ranks.sum_gradients(self.parameters):
            return total, torch.full_like(total, math.nan), False
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.max_grad_norm)
        finite = bool((total + norm).isfinite())  # a GPU is waited for once, and not for Adam
        if finite:
            self.adam.step()
        return total, norm, finite

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return Adam's state as tensors named `WEIGHT/STATE`, each `[...]` as its weight or `[]`."""
        state = self.adam.state
        return {
            f"{name}/{key}": value for name, weight in self._named() for key, value in state.get(weight, {}).items()
        }

    def load_state_dict(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take what `state_dict` returned, each `[...]` as its weight or `[]`."""
        found: dict[str, dict[str, torch.Tensor]] = {}
        for path, value in tensors.items():
            name, _, key = path.rpartition("/")
            found.setdefault(name, {})[key] = value
        full = self.adam.state_dict()
        full["state"] = {
            number: {key: _laid_out_as(weight, value) for key, value in found[name].items()}
            for number, (name, weight) in enumerate(self._named())
            if name in found
        }
        self.adam.load_state_dict(full)

    def _named(self) -> list[tuple[str, torch.Tensor]]:
        """Return weights by name, in Adam's order."""
        groups = zip(self.names, self.adam.param_groups, strict=True)
        return [pair for names, group in groups for pair in zip(names, group["params"], strict=True)]


def _laid_out_as(weight: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return a value in the memory layout of its weight: Adam's fused kernel takes it that all are laid out alike.

    Convolutions may be channels-last, and a file holds everything contiguous.
    """
    return torch.empty_like(weight).copy_(value) if value.shape == weight.shape and value.dim() else value


def _factor(settings: TrainSettings, agent_steps: int) -> float:
    """Return what the learning rates are multiplied with after `agent_steps`."""
    warm = min(1.0, (agent_steps + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    left = max(0.0, 1 - agent_steps / settings.steps)
    if settings.schedule == "linear":
        return warm * left
    if settings.schedule == "cosine":
        return warm * (1 - math.cos(math.pi * left)) / 2
    return warm


def policy_parts(policy: Policy) -> dict[str, nn.Module]:
    """Return a policy's layers by name, or what a policy without layers is made of."""
    return {**policy.layers} or dict(policy.named_children())


def _known(parts: Mapping[str, nn.Module], name: str, where: str, policy: Policy) -> nn.Module:
    if name not in parts:
        msg = f"{where}: policy {policy.resolved.name!r} has no layer {name!r}; there are: {', '.join(parts)}"
        raise GlulamError(msg)
    return parts[name]


def _weights(policy: Policy, parts: Mapping[str, nn.Module], layers: Iterable[str]) -> set[nn.Parameter]:
    modules = [_known(parts, name, "groups", policy) for name in layers]
    return {weight for module in modules for weight in module.parameters() if weight.requires_grad}
