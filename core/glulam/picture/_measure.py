"""What only a built policy tells: parameters, memory, what is stored, FLOPs, and, if asked, time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from math import prod
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs
import torch
from tensordict import TensorDict
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from glulam._errors import GlulamError
from glulam._guard import PLUGIN_ERRORS, told
from glulam.api import build
from glulam.bound import as_tuple
from glulam.memory import MemoryLayer
from glulam.picture._blueprint import ENVIRONMENT, Cost, Line, State, Stored, Use, shown_dims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from glulam.catalog import Registry
    from glulam.environment import EnvSpec
    from glulam.picture._blueprint import Blueprint, Board
    from glulam.policy import Policy
    from glulam.resolver import ResolvedPolicy

__all__ = ["measured"]

SECONDS = 0.2  # for which each layer is run again and again
LEAST, MOST = 5, 500  # times

Values = dict[str, "Tensor"]


def _product(_: object, one: Sequence[int], other: Sequence[int], **__: object) -> int:
    """Return the FLOPs of a matrix product that is added to what is there."""
    return 2 * prod(one) * other[-1]


# The counter knows `addmm` and not `addmm_`.
IN_PLACE = {torch.ops.aten.addmm_: _product, torch.ops.aten.baddbmm_: _product}


def measured(drawn: Blueprint, resolved: ResolvedPolicy, rows: int | None, registry: Registry) -> Blueprint:
    """Return a blueprint with what the built policy tells.

    FLOPs are those of matrix products, convolutions and attention in a step of one row, padding not cut off. Times
    are medians, layer by layer as a module is called, of `rows` rows; None: not measured.

    Raises:
        GlulamError: if the policy cannot be built, or a layer fails in a step.
    """
    with torch.random.fork_rng(devices=[]):  # to look at a policy changes nothing for who goes on
        return _measured(drawn, build(resolved, resolved.env, registry=registry), rows)  # type: ignore[arg-type]  # it has one


def _measured(drawn: Blueprint, policy: Policy, rows: int | None) -> Blueprint:
    env = policy.env
    boards = [_board(board, policy) for board in drawn.boards]
    lines, boards = (list(drawn.lines), boards) if policy.layers else _custom(boards, policy)
    flops = _flops(policy, env)
    seconds, whole = _seconds(policy, env, rows) if rows is not None else ({}, None)
    spec = policy.experience_spec()
    stored = {key: f"per {tensor.per}" for key, tensor in spec.items() if isinstance(key, str)}
    return attrs.evolve(
        drawn,
        boards=tuple(_costed(board, flops.get(board.name), seconds.get(board.name)) for board in boards),
        lines=tuple(attrs.evolve(line, stored=stored.get(line.key, "")) for line in lines),
        experience=tuple(_stored(key, tensor) for key, tensor in spec.items()),
        timing="" if rows is None else _conditions(rows),
        step_seconds=whole,
    )


def _conditions(rows: int) -> str:
    threads = torch.get_num_threads()
    words = [f"{number} {word}{'s' * (number != 1)}" for number, word in ((rows, "row"), (threads, "thread"))]
    return ", ".join([*words, f"torch {torch.__version__}"])


def _stored(key: str | tuple[str, ...], tensor: Any) -> Stored:  # noqa: ANN401 - a TensorSpec
    name = key if isinstance(key, str) else ".".join(key)
    return Stored(key=name, shape=tensor.shape, dtype=tensor.dtype, per=tensor.per)


def _costed(board: Board, flops: int | None, seconds: float | None) -> Board:
    cost = None if board.cost is None else attrs.evolve(board.cost, flops=flops, seconds=seconds)
    return attrs.evolve(board, cost=cost)


def _board(board: Board, policy: Policy) -> Board:
    if board.name not in policy.layers.keys():  # noqa: SIM118 - it is no dict
        return board
    layer = policy.layers[board.name]
    own = 0 if board.share else sum(weight.numel() for weight in layer.parameters())
    states = _states(layer.module) if isinstance(layer.module, MemoryLayer) else ()
    return attrs.evolve(board, cost=Cost(parameters=own), memory=tuple(states))


def _states(memory: MemoryLayer, prefix: str = "") -> Iterator[State]:
    for name, spec in memory.state_spec().items():
        yield State(name=prefix + name, shape=spec.shape, dtype=spec.dtype)


def _custom(boards: list[Board], policy: Policy) -> tuple[list[Line], list[Board]]:
    """Return the lines and boards of a policy that builds itself: one board with its parts below it."""
    whole, lines = boards[0], []
    for key, (shape, dtype) in policy.env.inputs.items():
        dims = tuple(policy.env.dim(dim.removeprefix("env.")) for dim in shape.split())
        readers = (whole.name,) if key in policy.in_keys else ()
        lines.append(Line(key=key, shape=shown_dims(dims), dtype=dtype, writer=ENVIRONMENT, readers=readers))
    reads = tuple(Use(None, line.key, number) for number, line in enumerate(lines) if line.readers)
    head = policy.action_head
    keys = dict.fromkeys([*policy.writable_keys(), *head.act_keys, *head.score_keys])
    lines += [Line(key=key, shape="", dtype="", writer=whole.name) for key in keys]
    writes = tuple(Use(None, line.key, number) for number, line in enumerate(lines) if line.writer == whole.name)
    states = tuple(state for name, layer in policy.memory_layers().items() for state in _states(layer, f"{name}."))
    cost = Cost(parameters=sum(weight.numel() for weight in policy.parameters()))
    boards[0] = attrs.evolve(whole, reads=reads, writes=writes, memory=states, cost=cost)
    place = {line.key: number for number, line in enumerate(lines)}
    for number, board in enumerate(boards):
        if board.role == "loss":
            boards[number] = attrs.evolve(
                board, reads=tuple(_joined(lines, board.name, use, place) for use in board.reads)
            )
    return lines, boards


def _joined(lines: list[Line], reader: str, use: Use, place: dict[str, int]) -> Use:
    """Return a loss's use of a key with the line that it is on now."""
    number = place[use.key]
    lines[number] = lines[number].read_by(reader)
    return attrs.evolve(use, line=number)


# --- running


def _inputs(env: EnvSpec, rows: int) -> TensorDict:
    """Return inputs as the environment might give them: full observations, of tokens that are no padding."""
    draw = torch.Generator().manual_seed(0)
    found = {"env_id": torch.arange(rows)}
    for key, (shape, dtype) in env.inputs.items():
        size = (rows, *(env.dim(dim.removeprefix("env.")) for dim in shape.split()))
        found.setdefault(key, torch.zeros(size, dtype=getattr(torch, dtype)))
    if env.tokens is not None:
        tokens = found["env_obs"]
        ids = torch.tensor([feature.id for feature in env.features] or [0])
        places = (torch.arange(env.view_height)[:, None] * 16 + torch.arange(env.view_width)).flatten()
        tokens[..., 0] = places[torch.randint(len(places), tokens.shape[:2], generator=draw)]
        if env.token_columns > 1:
            tokens[..., 1] = ids[torch.randint(len(ids), tokens.shape[:2], generator=draw)]
    if "action_mask" in found:
        found["action_mask"].fill_(True)  # noqa: FBT003 - torch's own
    return TensorDict(found, batch_size=[rows])


def _calls(policy: Policy, inputs: TensorDict) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield each layer with a call of its module, in order; what a call returns is what later layers read."""
    rows = inputs.batch_size[0]
    values: Values = dict(inputs.items())
    for name, layer in policy.layers.items():
        given = [values.get(key) if key is not None else None for key in layer.arguments]
        module: Any = layer.module
        call: Callable[[], Any]
        if isinstance(module, MemoryLayer):
            call = partial(_step, module, given[0], module.initial_state(rows))
        elif layer.is_native:
            call = partial(layer.call_native, given, rows)
        else:
            call = partial(module.act if layer.acted_keys else module, *given)
        call = partial(_tried, name, call)
        yield name, call
        values |= dict(zip(layer.out_keys, as_tuple(call(), len(layer.out_keys), name), strict=True))


def _tried(name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what a stranger's module returns
    try:
        return call()
    except PLUGIN_ERRORS as error:
        msg = f"layer {name!r} fails in a step: {told(error)}; leave out --env to see the policy without costs"
        raise GlulamError(msg) from error


def _step(memory: MemoryLayer, x: Any, state: dict[str, Tensor]) -> Tensor:  # noqa: ANN401 - a tensor
    return memory.step(x, state)[0]


def _flops(policy: Policy, env: EnvSpec) -> dict[str, int]:
    """Return the FLOPs of each layer in a step of one row, by name; of a policy without layers, those of a step."""
    inputs, found = _inputs(env, 1), {}
    with torch.no_grad(), _countable():
        for name, call in _calls(policy, inputs):
            with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
                call()
            found[name] = counter.get_total_flops()
        if not found:
            with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
                policy(inputs)
            policy.reset_memory()
            found[policy.resolved.name] = counter.get_total_flops()
    return found


@contextmanager
def _countable() -> Iterator[None]:
    """Have torch take the plain form of fused kernels (attention, recurrent cells), which the counter does not know."""
    quick = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(quick)


def _seconds(policy: Policy, env: EnvSpec, rows: int) -> tuple[dict[str, float], float]:
    """Return the median seconds of a step by layer, and of the whole policy's, which runs them as one function."""
    inputs = _inputs(env, rows)
    with torch.no_grad():
        found = {name: _median(call) for name, call in _calls(policy, inputs)}
        whole = _median(lambda: policy(inputs.copy()))
    policy.reset_memory()
    return found or {policy.resolved.name: whole}, whole


def _median(call: Callable[[], Any]) -> float:
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < LEAST or (len(times) < MOST and time.perf_counter() - begun < SECONDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)
