"""Laws of padding: what a mask leaves out is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from glulam.keys import declared_keys
from glulam.testing._laws import law
from glulam.testing.laws._common import close, finite, random_layer, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.testing._case import Case, Tensors

__all__: list[str] = []


def _masks(case: Case) -> dict[str, list[str]]:
    """Return each mask and what it masks: flags whose dims are the first dims of another key."""
    reads = {key: info for key, info in case.fit.reads.items() if info.batched and info.dims}
    names = _dim_names(case)
    found: dict[str, list[str]] = {}
    for mask, info in reads.items():
        if info.dtype != "bool" or key_of_head(case, mask):
            continue
        masked = [
            key
            for key, other in reads.items()
            if key != mask
            and (other.dims or ())[: len(info.dims or ())] == info.dims
            and names.get(key, [])[: len(names.get(mask, []))] == names.get(mask, [])
        ]
        if masked:
            found[mask] = masked
    return found


def _dim_names(case: Case) -> dict[str, list[str]]:
    """Return the dims that the config declares for each key: sizes alone may be equal by chance."""
    config, found = case.config, {}
    for field, spec in declared_keys(type(config)).items():
        value = getattr(config, field)
        shape = getattr(config, spec.shape) if isinstance(getattr(type(config), spec.shape, None), property) else None
        for key in value if spec.many else (value,):
            found[key] = str(spec.shape if shape is None else shape).split()
    return found


def key_of_head(case: Case, key: str) -> bool:
    """Whether a mask is one of actions: a law of its own is about those."""
    return case.is_head and key in case.fit.reads


def _unmasked(case: Case) -> str | None:
    return None if _masks(case) else "it reads no mask"


def _not_exactly(case: Case) -> str | None:
    return _unmasked(case) or random_layer(case)


@law("What stands at masked places, and how many there are, changes nothing.", unless=_not_exactly)
def padding_is_ignored(case: Case, data: DataObject) -> None:
    """Fill masked places with other numbers, and add some more of them at the end."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    for mask, keys in _masks(case).items():
        inputs[mask][:, 0] = True  # a row without anything is another law's
        wanted = run(case, case.bound(), inputs)
        for noise in (1e3, -7.0):
            noisy = inputs | {key: _filled(inputs[key], inputs[mask], noise) for key in keys}
            close(
                _real(run(case, case.bound(), noisy), inputs[mask]), _real(wanted, inputs[mask]), "with other padding"
            )
        longer = dict(inputs)
        for key in keys:
            longer[key] = torch.cat((inputs[key], inputs[key][:, :2]), dim=1)
        longer[mask] = torch.cat((inputs[mask], torch.zeros_like(inputs[mask][:, :2])), dim=1)
        if _may_vary(case, mask):
            found = run(case, case.bound(), longer)
            shorter = {
                key: value[:, : inputs[mask].shape[1]] if _grew(value, wanted[key]) else value
                for key, value in found.items()
            }
            close(_real(shorter, inputs[mask]), _real(wanted, inputs[mask]), "with more padding")


def _filled(value: Tensor, mask: Tensor, noise: float) -> Tensor:
    kept = mask.view(*mask.shape, *[1] * (value.dim() - mask.dim()))
    return torch.where(kept, value, torch.full_like(value, noise if value.is_floating_point() else 1))


def _real(outputs: Tensors, mask: Tensor) -> Tensors:
    """Return the outputs; of those with one entry a place, zeros at masked places."""
    found = {}
    for key, value in outputs.items():
        each = value.dim() > 1 and value.shape[:2] == mask.shape and value.dim() > mask.dim()
        found[key] = value * mask.view(*mask.shape, *[1] * (value.dim() - mask.dim())) if each else value
    return found


def _grew(value: Tensor, before: Tensor) -> bool:
    return value.dim() > 1 and value.shape[1] != before.shape[1]


def _may_vary(case: Case, mask: str) -> bool:
    """Whether the layer declares that the number of places may differ from call to call."""
    for field, spec in declared_keys(type(case.config)).items():
        if getattr(case.config, field) == mask:
            token = spec.shape.split()[0]
            return token.isidentifier() and not hasattr(case.config, token)
    return False


@law("A row in which all is masked gives finite numbers, and a finite gradient.", unless=_unmasked)
def all_padding_is_finite(case: Case, data: DataObject) -> None:
    """Mask one row whole, and all rows."""
    del data
    for rows in (slice(0, 1), slice(None)):
        bound = case.bound()
        inputs = case.inputs(bound)
        for mask in _masks(case):
            inputs[mask][rows] = False
        floats = {key: value.requires_grad_() for key, value in inputs.items() if value.is_floating_point()}
        found = case.call(bound, inputs)
        finite(found, "with a row in which all is masked")
        total = sum(value.double().sum() for value in found.values() if value.requires_grad)
        if isinstance(total, Tensor):
            torch.autograd.backward(total)
            grads = {key: value.grad for key, value in floats.items() if value.grad is not None}
            grads |= {name: weight.grad for name, weight in bound.named_parameters() if weight.grad is not None}
            finite(grads, "the gradient, with a row in which all is masked")
