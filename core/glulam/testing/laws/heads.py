"""Laws of action heads: acting and scoring agree, and masks are respected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, finite

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject
    from torch import Tensor

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []

DRAWS = 20


def _no_head(case: Case) -> str | None:
    return None if case.is_head else "it is no action head"


def _act(bound: BoundLayer, inputs: Tensors, seed: int) -> Tensors:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        arguments = [None if key is None else inputs.get(key) for key in bound.arguments]
        return dict(zip(bound.act_keys, bound.module.act(*arguments), strict=True))  # type: ignore[operator]


@law("What it says of an action when it acts, it says again when it scores it.", unless=_no_head)
def acting_agrees_with_scoring(case: Case, data: DataObject) -> None:
    """Act with several seeds, score what was chosen, and compare every key that both write."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    for seed in range(3):
        acted = _act(bound, inputs, seed)
        scored = case.call(bound, inputs | {key: acted[key] for key in bound.acted_keys})
        both = [key for key in acted if key in scored]
        expect(holds=bool(both), otherwise="acting and scoring have no key in common, such as the log-prob")
        close({key: scored[key].detach() for key in both}, {key: acted[key] for key in both}, "scored as acted")
        _sound(case, {key: value.detach() for key, value in scored.items()})
        _of_the_action(case, acted, scored, both)


def _of_the_action(case: Case, acted: Tensors, scored: Tensors, both: list[str]) -> None:
    """Hold the log-prob of what was done against that of all actions."""
    table, chosen = scored.get("full_log_probs"), next((acted[key] for key in acted if key not in both), None)
    if table is None or chosen is None or case.env.actions.kind != "discrete" or chosen.dim() != 1:
        return
    wanted = table.detach().gather(-1, chosen[:, None]).squeeze(-1)
    close({both[0]: acted[both[0]]}, {both[0]: wanted}, "the log-prob of what was done, beside those of all actions")


def _sound(case: Case, scored: Tensors) -> None:
    """Hold probabilities and entropies against each other, where a head writes those of all actions."""
    finite(scored, "scored")
    table = scored.get("full_log_probs")
    if table is None:
        return
    choices = max(1, len(case.env.actions.choices))
    total = table.double().exp().sum(-1)
    one = torch.full_like(total, float(choices))
    close({"probabilities": total}, {"probabilities": one}, "the probabilities of all actions")
    if "entropy" in scored:
        probability = table.double().exp()
        entropy = -(probability * table.double().clamp_min(-1e30)).sum(-1)
        close({"entropy": scored["entropy"].double()}, {"entropy": entropy}, "the entropy", rtol=1e-3, atol=1e-4)


def _no_mask(case: Case) -> str | None:
    return _no_head(case) or (None if _mask(case) else "it reads no mask")


def _mask(case: Case) -> str | None:
    return next((key for key, info in case.fit.reads.items() if info.dtype == "bool" and info.dims), None)


@law("What a mask forbids is never done while something else is allowed, and nothing becomes NaN.", unless=_no_mask)
def masks_are_respected(case: Case, data: DataObject) -> None:
    """Draw many actions under masks that allow one, several and no action."""
    del data
    key = _mask(case)
    bound = case.bound()
    inputs = case.inputs(bound)
    for allowed in (1, 2, 0):
        mask = _allow(case, inputs[str(key)], allowed)
        given = inputs | {str(key): mask}
        for seed in range(DRAWS):
            acted = _act(bound, given, seed)
            finite(acted, f"with a mask that allows {allowed}")
            chosen = acted[bound.acted_keys[0]]
            if allowed:
                _allowed(case, chosen, mask)
        scored = case.call(bound, given | {k: acted[k] for k in bound.acted_keys})
        finite({k: value.detach() for k, value in scored.items()}, f"scored with a mask that allows {allowed}")


def _allow(case: Case, like: Tensor, number: int) -> Tensor:
    """Return a mask with so many options of each choice allowed, other ones in each row."""
    mask = torch.zeros_like(like)
    start = 0
    for size in case.env.actions.choices or (like.shape[-1],):
        for row in range(mask.shape[0]):
            for place in range(min(number, size)):
                mask[row, start + (row + place) % size] = True
        start += size
    return mask


def _allowed(case: Case, chosen: Tensor, mask: Tensor) -> None:
    sizes = case.env.actions.choices or (mask.shape[-1],)
    start = 0
    for number, size in enumerate(sizes):
        option = chosen if chosen.dim() == 1 else chosen[:, number]
        here = mask[:, start : start + size].gather(1, option[:, None]).squeeze(1)
        row = int((~here).nonzero()[0]) if not bool(here.all()) else 0
        told = f"row {row}: action {int(option[row])} was done, the mask allows {mask[row].tolist()}"
        expect(holds=bool(here.all()), otherwise=told)
        start += size
