"""Memory layers, forward and backward over segments with resets, against torch's without; and what slots add to a step.

One thread, process CPU time, the cases of a round one after the other, ratios within a round.
"""

import torch
from torch import nn

from glulam import MemoryLayer
from glulam.memory import Rows
from glulam_memory.gru import Gru
from glulam_memory.lstm import Lstm
from glulam_memory.min_gru import MinGru
from glulam_memory.sliding_attention import SlidingAttention
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.evidence.record import commit, write_result

__all__ = ["run"]

B, T, H = 64, 64, 128  # rows, steps, width of the input and of the state
RESETS = 0.01  # of all steps
WINDOW = 32
ROWS = (64, 1024, 16_384)


def run(rounds=31):
    """Measure and write docs/results/memory.json."""
    started = commit()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    runs = [*training(rounds), *(line for rows in ROWS for line in rollout(rows, rounds))]
    shapes = {"rows": B, "steps": T, "width": H, "resets": RESETS, "window": WINDOW}
    command = "python -m tests.benchmarks.memory"
    return write_result("memory", command, started, runs=runs, unit="ms of CPU time", rounds=rounds, shapes=shapes)


def training(rounds):
    """Time each layer over segments with resets, drawn anew each round, and its peer over segments without."""
    lstm, gru, min_gru = Lstm(H, H), Gru(H, H), MinGru(H, H)
    attention = SlidingAttention(H, H, num_layers=1, num_heads=4, window=WINDOW)
    x = torch.randn(B, T, H, requires_grad=True)
    reset, never = torch.zeros(B, T, dtype=torch.bool), torch.zeros(B, T, dtype=torch.bool)

    def peer(module):
        return lambda: _backward(module(x)[0], module, x)

    def over(layer, flags):
        return lambda: _backward(layer.sequence(x, flags, layer.initial_state(B))[0], layer, x)

    def stepped(layer):
        return lambda: _backward(MemoryLayer.sequence(layer, x, reset, layer.initial_state(B))[0], layer, x)

    cases = {}
    for name, ours in (("LSTM", lstm), ("GRU", gru)):
        bare = f"nn.{name}, no resets"
        cases[bare] = (peer(getattr(nn, name)(H, H, batch_first=True)), None)
        cases[ours.kind] = (over(ours, reset), bare)
        cases[f"{ours.kind}, no resets"] = (over(ours, never), bare)
        cases[f"{ours.kind}, a loop of steps"] = (stepped(ours), bare)
    cases["min_gru"] = (over(min_gru, reset), "gru")
    cases["min_gru, no resets"] = (over(min_gru, never), "gru, no resets")
    cases["sliding_attention"] = (over(attention, reset), "gru")
    return in_rounds(cases, rounds, before=lambda: reset.copy_(torch.rand(B, T) < RESETS))


def rollout(rows, rounds):
    """Time a step of a two-layer LSTM alone, and with its state read from slots, reset, and written back."""
    lstm = Lstm(H, H, 2)
    x, state, reset = torch.randn(rows, H), lstm.initial_state(rows), torch.zeros(rows, dtype=torch.bool)
    lstm.slots.reserve(rows)
    ids = {"consecutive": torch.arange(rows), "permuted": torch.randperm(rows)}
    repeats = max(1, 32_768 // rows)

    def alone():
        for _ in range(repeats):
            lstm.step(x, state)

    def through_slots(rows_of):
        for _ in range(repeats):
            where = rows_of()
            _, after = lstm.step(x, lstm.slots.read(where, reset))
            lstm.slots.write(where, after)

    name = f"lstm step, {rows} rows"
    cases = {name: (alone, None)}
    for order, env_id in ids.items():
        checked = Rows(env_id)
        cases[f"{name}, slots of {order} ids"] = (lambda checked=checked: through_slots(lambda: checked), name)
        cases[f"{name}, slots of {order} ids checked each time"] = (
            lambda env_id=env_id: through_slots(lambda: Rows(env_id)),
            name,
        )
    with torch.no_grad():
        found = in_rounds(cases, rounds, before=lambda: reset.copy_(torch.rand(rows) < RESETS))
    for line in found:
        line["repeats"] = repeats
    return found


def _backward(y, module, x):
    torch.autograd.grad(y.square().sum(), [x, *module.parameters()])


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.memory")
    print(run())
