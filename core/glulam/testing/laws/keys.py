"""Laws of keys: a layer reads and writes what it declares, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tensordict import TensorDict

from glulam._errors import GlulamError
from glulam.memory import MemoryLayer
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import clones, equal, is_native, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []

BYSTANDER = "a_key_of_somebody_else"
OTHERS = ("env_obs", "rewards", "dones", "truncateds", "core", "encoded", "tokens", "values", BYSTANDER)


def _given(case: Case, bound: BoundLayer, inputs: Tensors) -> TensorDict:
    """Return a TensorDict as a policy would hold it: the inputs, and keys that are not the layer's."""
    rows = case.rows
    tensors = {key: value for key, value in inputs.items() if not key.startswith("state.") and not case.shared(key)}
    tensors[BYSTANDER] = torch.arange(float(rows))
    if isinstance(bound.module, MemoryLayer):
        flags = torch.zeros(rows, dtype=torch.bool)
        tensors |= {"env_id": torch.arange(rows), "dones": flags, "truncateds": flags.clone()}
    return TensorDict(tensors, batch_size=[rows])


@law("It writes every key that it declares, and leaves every other key as it was.")
def writes_what_it_declares(case: Case, data: DataObject) -> None:
    """Run the bound layer on a TensorDict with a bystander in it; a native module alone too."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    shared = {key: value for key, value in inputs.items() if case.shared(key)}
    if shared:  # a TensorDict holds rows; what all of them share comes as an argument
        found = run(case, bound, inputs)
        expect(holds=set(found) >= set(bound.out_keys) - set(bound.acted_keys), otherwise=f"it wrote {sorted(found)}")
        return
    td = _given(case, bound, inputs)
    before = clones(dict(td.items()))
    with torch.no_grad():
        after = bound.module(td) if is_native(case) else bound(td)
    wanted = {*before, *bound.out_keys}
    found_keys = {str(key) for key in after.keys()}  # noqa: SIM118 - a TensorDict is no dict
    missing, strange = wanted - found_keys, found_keys - wanted
    expect(holds=not missing, otherwise=f"it did not write {sorted(missing)}, which its config declares")
    expect(holds=not strange, otherwise=f"it wrote {sorted(strange)}, which its config does not declare")
    untouched = {key: value for key, value in before.items() if key not in bound.out_keys}
    equal({key: after[key] for key in untouched}, untouched, "a key that it does not declare to write changed")


@law(
    "It reads no key that it does not declare.",
    unless=lambda case: None if is_native(case) else "its module is given its keys alone, as tensors",
)
def reads_only_what_it_declares(case: Case, data: DataObject) -> None:
    """Give a native module a TensorDict with and without keys that are not its own."""
    del data
    results = []
    for noise in (None, 0.0, 1.0):
        bound = case.bound()
        inputs = case.inputs(bound)
        extra = {} if noise is None else {
            key: torch.full((case.rows, 3), noise) for key in OTHERS if key not in inputs
        }  # fmt: skip
        with torch.no_grad():
            torch.manual_seed(0)
            try:
                td = bound.module(TensorDict(inputs | extra, batch_size=[case.rows]))
            except KeyError as error:
                expect(holds=False, otherwise=f"it reads {error}, which its config does not declare")
        results.append({key: td[key] for key in bound.out_keys})
    for result in results[1:]:
        equal(result, results[0], "what it writes depends on a key that it does not declare to read")


@law("It changes neither what it reads nor what it has returned before.")
def inputs_unchanged(case: Case, data: DataObject) -> None:
    """Look at the inputs after a call, and at the first call's outputs after a second."""
    del data
    bound = case.bound()
    inputs, others = case.inputs(bound), case.inputs(bound, seed=1)
    kept = clones(inputs)
    first = run(case, bound, inputs)
    equal(inputs, kept, "an input changed during the call")
    returned = clones(first)
    run(case, bound, others)
    equal(first, returned, "what the first call returned changed during the second")
    equal(inputs, kept, "the first call's input changed during the second")


@law("What it writes has the shape, the dtype and the device that its config declares.")
def shapes_and_dtypes(case: Case, data: DataObject) -> None:
    """Compare each output with the dims that the resolver works out."""
    del data
    bound = case.bound()
    found = run(case, bound, case.inputs(bound))
    for key, info in case.fit.writes.items():
        if key not in found:
            continue  # an action head that scores gives no actions
        value = found[key]
        wanted = torch.float32 if info.dtype in {"float", "any"} else getattr(torch, info.dtype)
        known = info.dtype == "any" or value.dtype == wanted
        expect(holds=known, otherwise=f"{key!r} is {value.dtype}, its config declares {info.dtype}")
        expect(holds=value.device.type == "cpu", otherwise=f"{key!r} is on {value.device}, what it reads on the cpu")
        if info.dims is None:
            continue
        dims = (case.rows, *info.dims) if info.batched else info.dims
        fits = value.dim() == len(dims) and all(
            not isinstance(dim, int) or dim == size for dim, size in zip(dims, value.shape, strict=True)
        )
        expect(holds=fits, otherwise=f"{key!r} has shape {list(value.shape)}, its config declares {list(dims)}")


@law("It returns as many tensors as its config declares keys.")
def output_count(case: Case, data: DataObject) -> None:
    """Call it; the adapter counts."""
    del data
    bound = case.bound()
    try:
        found = run(case, bound, case.inputs(bound))
    except GlulamError as error:
        expect(holds="outputs; its config declares" not in str(error), otherwise=str(error))
        raise
    for key, value in found.items():
        expect(holds=isinstance(value, torch.Tensor), otherwise=f"{key!r} is a {type(value).__name__}, no tensor")


@law(
    "What it asks the experience buffer to store is what it writes, in that shape and dtype.",
    unless=lambda case: None if _specs(case) else "it has no experience_spec()",
)
def experience_spec(case: Case, data: DataObject) -> None:
    """Compare each spec with the tensor that a call writes."""
    del data
    bound = case.bound()
    found = run(case, bound, case.inputs(bound))
    for key, spec in _specs(case).items():
        if key not in found or spec.per != "step":
            continue
        value = found[key]
        wanted = torch.float32 if spec.dtype == "float" else getattr(torch, spec.dtype)
        same = tuple(value.shape[1:]) == tuple(spec.shape) and value.dtype == wanted
        told = f"{spec.dtype} {list(spec.shape)}"
        expect(
            holds=same,
            otherwise=f"experience_spec() says {key!r} is {told}; it writes {value.dtype} {list(value.shape[1:])}",
        )
    strange = [
        key for key in _specs(case) if isinstance(key, str) and key not in {*found, *bound.in_keys, *bound.out_keys}
    ]
    expect(holds=not strange, otherwise=f"experience_spec() names {strange}, which it neither reads nor writes")


def _specs(case: Case) -> dict:  # type: ignore[type-arg]
    bound = case.bound()
    found: dict = {}  # type: ignore[type-arg]
    for source in (bound.config, bound.module):
        made = getattr(source, "experience_spec", None)
        found |= made() if callable(made) else {}
    return found
