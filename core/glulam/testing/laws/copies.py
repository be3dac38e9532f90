"""Laws of copies: what is saved, copied, sent or made twice is the same, and each on its own."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs
import torch
from torch import Tensor

from glulam._errors import GlulamError
from glulam.structure import plain_fields, structure_fields
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import clones, close, elsewhere, equal, random_layer, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []


@law("Its state, written to a file and read into a new layer, makes that one the same.", unless=random_layer)
def state_round_trip(case: Case, data: DataObject) -> None:
    """Save tensors alone, names as JSON; load into a layer made with another seed, then compare."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    wanted = run(case, bound, inputs)
    state = bound.state_dict()
    extras = {key: value for key, value in state.items() if not isinstance(value, Tensor)}
    try:
        extras = json.loads(json.dumps(extras))
    except (TypeError, ValueError) as error:
        expect(holds=False, otherwise=f"its extra state is no plain JSON: {error}")
    file = io.BytesIO()
    torch.save({key: value for key, value in state.items() if isinstance(value, Tensor)}, file)
    file.seek(0)
    other = _in_another_world(case)
    other.load_state_dict(torch.load(file, weights_only=True) | extras)
    initialize = getattr(other.module, "initialize_to_environment", None)
    if callable(initialize):
        initialize(case.env, torch.device("cpu"))
    equal(run(case, other, inputs), wanted, "a new layer with the state of this one")
    shapes = {key: list(value.shape) for key, value in state.items() if isinstance(value, Tensor)}
    again = {key: list(value.shape) for key, value in other.state_dict().items() if isinstance(value, Tensor)}
    expect(holds=shapes == again, otherwise=f"its state has other tensors after loading: {again}, it was {shapes}")


def _in_another_world(case: Case) -> BoundLayer:
    """Return a new layer that has been in a world of another order, if it can be there."""
    try:
        return case.bound(seed=1, env=elsewhere(case.env))
    except GlulamError:
        return case.bound(seed=1)


@law("It can be deep-copied and pickled, and a copy is on its own.", unless=random_layer)
def copies_and_processes(case: Case, data: DataObject) -> None:
    """Compare a deep copy and an unpickled twin, then change the copy and look at the original."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    wanted = clones(run(case, bound, inputs))
    twin = copy.deepcopy(bound)
    equal(run(case, twin, inputs), wanted, "a deep copy")
    try:
        packed = pickle.dumps(bound.module)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        expect(holds=False, otherwise=f"it cannot be pickled, and so not sent to another process: {error}")
    same = case.bound(seed=1)
    same.module = pickle.loads(packed)  # noqa: S301 - our own bytes
    equal(run(case, same, inputs), wanted, "an unpickled twin")
    with torch.no_grad():
        for value in twin.parameters():
            value.add_(torch.randn(value.shape, generator=case.generator("other weights"), dtype=value.dtype))
    equal(run(case, bound, inputs), wanted, "the original, after the weights of its deep copy changed")
    like_it = case.bound(seed=1)
    like_it.load_state_dict(twin.state_dict())
    equal(
        run(case, twin, inputs),
        run(case, like_it, inputs),
        "a deep copy whose weights changed, beside a layer of those",
    )


@law("Made in a new process, or sent to one, it is the same.", unless=random_layer, slow=True, examples=1)
def works_in_a_new_process(case: Case, data: DataObject) -> None:
    """Make and unpickle it in a process that was not forked, where sets stand in another order, and compare."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    wanted = run(case, bound, inputs)
    told = {"raw": case.raw, "env": case.env, "widths": dict(case.widths), "rows": case.rows, "seed": case.seed}
    packed = pickle.dumps((told, bound.module, inputs))
    code = (
        "import pickle, sys\n"
        "from glulam.testing._case import Case\n"
        "from glulam.testing._examine import Widths\n"
        "from glulam.testing.laws._common import run\n"
        "told, module, inputs = pickle.load(sys.stdin.buffer)\n"
        "case = Case(**told | {'widths': Widths(told['widths'])})\n"
        "made, sent = case.bound(), case.bound(seed=1)\n"
        "sent.module = module\n"
        "sys.stdout.buffer.write(pickle.dumps([run(case, layer, inputs) for layer in (made, sent)]))\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    for hash_seed in ("1", "2", "3"):  # sets of names stand in another order under each
        other = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, input=packed, capture_output=True, check=False, env=other)  # noqa: S603
        error = " ".join(done.stderr.decode(errors="replace").strip().splitlines()[-1:])
        expect(holds=done.returncode == 0, otherwise=f"in a new process: {error}")
        made, sent = pickle.loads(done.stdout[done.stdout.index(b"\x80") :])  # noqa: S301 - our own bytes
        close(sent, wanted, "sent to a new process")
        close(made, wanted, "made in a new process with the same seed")


@law("Its config survives the way through a file, refuses unknown fields, and is never changed.")
def config_round_trip(case: Case, data: DataObject) -> None:
    """Write the complete config as plain values, read it back, and look at it after building and calling."""
    del data
    config: Any = case.config
    if not attrs.has(type(config)):
        return
    plain = json.loads(json.dumps(plain_fields(config)))
    again, problems = structure_fields(type(config), plain)
    told = problems[0].message if problems else ""
    expect(holds=not problems, otherwise=f"its config cannot be read back from a file: {told}")
    expect(holds=again == config, otherwise=f"read back from a file its config is {again}, it was {config}")
    _, unknown = structure_fields(type(config), plain | {"no_such_field": 1})
    expect(holds=bool(unknown), otherwise="its config takes the unknown field 'no_such_field' without a word")
    try:
        type(config)(**{"no_such_field": 1})  # noqa: PIE804 - a field that no config has
    except TypeError:
        pass
    else:
        expect(holds=False, otherwise="its config takes the unknown field 'no_such_field' without a word")
    bound = case.bound()
    run(case, bound, case.inputs(bound))
    now = json.loads(json.dumps(plain_fields(config)))
    changed = sorted(name for name in plain if now.get(name) != plain[name])
    expect(holds=not changed, otherwise=f"building or calling it changed its config: {changed}")
    twin = type(config)(**{(f.alias or f.name): getattr(config, f.name) for f in attrs.fields(type(config)) if f.init})
    expect(holds=twin == config, otherwise="two configs of equal fields are not equal")


@law("What one layer does leaves another of its kind alone.", unless=random_layer)
def independent_instances(case: Case, data: DataObject) -> None:
    """Train, load and move one layer, and look at another; then run both in threads."""
    del data
    quiet, busy = case.bound(), case.bound(seed=1)
    inputs = case.inputs(quiet)
    wanted = clones(run(case, quiet, inputs))
    with torch.no_grad():
        for value in (*busy.parameters(), *busy.buffers()):
            if value.is_floating_point():
                value.mul_(3).add_(1)
    run(case, busy, case.inputs(busy, seed=9))
    equal(run(case, quiet, inputs), wanted, "one layer, after another of its kind was changed and called")
    _in_threads(case, quiet, inputs, wanted)


def _in_threads(case: Case, bound: BoundLayer, inputs: Tensors, wanted: Tensors) -> None:
    other = case.bound(seed=2)
    others = case.inputs(other, seed=3)
    results: list[Tensors] = []

    def work() -> None:
        with torch.no_grad():
            results.extend(case.call(bound, inputs) for _ in range(3))

    thread = threading.Thread(target=work)
    thread.start()
    with torch.no_grad():
        for _ in range(3):
            case.call(other, others)
    thread.join()
    for found in results:
        equal(found, wanted, "one layer in a thread, beside another of its kind")
