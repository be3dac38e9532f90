"""The memory law: a call over a sequence is a loop of steps whose state is zeroed at resets.

    python memory_law.py [--module torchrl] [--examples 100] [--json]

Draws episodes, counts those that break the law, and shrinks one; exits with 1 where any does.
It needs torch, hypothesis and the module's own package, and nothing of glulam's.
Sizes are drawn as in `tests/plugins/memory/test_lstm.py`.

Legend: `B` rows, `T` steps, `N` layers, `D` input width, `H` hidden width.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import hypothesis.strategies as st
import torch
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

__all__ = ["MODULES", "Episode", "Memory", "differences", "episodes", "measure", "smallest"]

WIDTH, HIDDEN = 5, 4
TOLERANCE = 1e-5
KINDS = ("outputs", "state", "handed_on")
PACKAGES = ("torch", "tensordict", "torchrl", "glulam", "numpy", "hypothesis")


@dataclass(frozen=True)
class Episode:
    """A segment of `B` rows that starts in mid-episode, and where to cut it."""

    resets: tuple[tuple[bool, ...], ...]  # (B, T): the state is zero before such a step
    layers: int
    cut: int  # T: in one piece
    seed: int

    def __str__(self):
        """Return it on one line, a word of 0 and 1 a row."""
        rows = " ".join("".join(str(int(flag)) for flag in row) for row in self.resets)
        return f"resets {rows}, layers {self.layers}, cut {self.cut}, seed {self.seed}"


@dataclass(frozen=True)
class Memory:
    """A recurrent module; its state is `(h, c)`, `[B, N, H]` each."""

    step: Callable  # (x [B, D], reset [B], state already zeroed at resets) -> (y [B, H], state)
    sequence: Callable  # (x [B, T, D], reset [B, T], state before the first step) -> (y [B, T, H], state)


@st.composite
def episodes(draw, max_rows=4, max_steps=9):
    """Draw resets anywhere, the first step and whole rows included."""
    layers, seed = draw(st.integers(1, 3)), draw(st.integers(0, 99))
    cut = draw(st.integers(1, max_steps))
    steps = cut + draw(st.integers(0, max_steps - cut))
    row = st.lists(st.booleans(), min_size=steps, max_size=steps).map(tuple)
    # The rows come last, so that Hypothesis can drop some and move nothing else.
    return Episode(tuple(draw(st.lists(row, min_size=1, max_size=max_rows))), layers, cut, seed)


def differences(make, episode):
    """Return how far calls are from steps: the largest difference of each kind.

    `outputs` and `state` are of one call and after it.
    `handed_on` is of the outputs of two calls, the second from the state that the first returned.
    """
    memory = make(episode.layers, episode.seed)
    x, reset, state = _inputs(episode)
    with torch.no_grad():
        expected, after = by_steps(memory, x, reset, state)
        found, found_after = memory.sequence(x, reset, state)
        first, between = memory.sequence(x[:, : episode.cut], reset[:, : episode.cut], state)
        parts = [first]
        if episode.cut < x.shape[1]:
            parts.append(memory.sequence(x[:, episode.cut :], reset[:, episode.cut :], between)[0])
    return {
        "outputs": _gap(found, expected),
        "state": max(map(_gap, found_after, after)),
        "handed_on": _gap(torch.cat(parts, 1), expected),
    }


def by_steps(memory, x, reset, state):
    """Return the outputs and the last state of a loop of steps."""
    outputs = []
    for t in range(x.shape[1]):
        y, state = memory.step(x[:, t], reset[:, t], _zeroed(state, reset[:, t]))
        outputs.append(y)
    return torch.stack(outputs, 1), state  # (B, T, H)


def effect_of_a_reset(make, episode):
    """Return how far outputs move when the latest reset is skipped, or None without resets: the law's power."""
    x, reset, state = _inputs(episode)
    if not reset.any():
        return None
    without = reset.clone()
    row, step = max(reset.nonzero().tolist(), key=lambda at: at[1])
    without[row, step] = False
    memory = make(episode.layers, episode.seed)
    with torch.no_grad():
        return _gap(by_steps(memory, x, without, state)[0], by_steps(memory, x, reset, state)[0])


def measure(make, examples):
    """Return `(episode, differences, effect of a reset)` for that many draws, the same ones each time."""
    rows = []

    @settings(_quiet(examples), phases=[Phase.generate])
    @given(episodes())
    def visit(episode):
        rows.append((episode, differences(make, episode), effect_of_a_reset(make, episode)))

    visit()
    return rows


def smallest(make, kind, examples):
    """Return the smallest episode that Hypothesis finds to differ in that kind, or None."""
    try:
        return find(episodes(), lambda episode: _differs(differences(make, episode)[kind]), settings=_quiet(examples))
    except NoSuchExample:
        return None


def torchrl_lstm(layers, seed, *, zeroed=True):
    """TorchRL's LSTMModule: `is_init` says where resets are, and only the state stored at a start counts.

    It leaves a state stored at a reset as it is, in recurrent mode, so that we zero it; `zeroed=False` does not.
    """
    from tensordict import TensorDict
    from torchrl.modules import LSTMModule, set_recurrent_mode

    torch.manual_seed(seed)
    keys = {"in_keys": ["x", "h", "c"], "out_keys": ["y", ("next", "h"), ("next", "c")]}
    module = _lively(LSTMModule(input_size=WIDTH, hidden_size=HIDDEN, num_layers=layers, **keys))

    def call(x, reset, h, c):
        data = TensorDict({"x": x, "h": h, "c": c, "is_init": reset.unsqueeze(-1)}, batch_size=reset.shape)
        out = module(data)
        return out["y"], out["next", "h"], out["next", "c"]

    def step(x, reset, state):
        y, h, c = call(x, reset, *state)
        return y, (h, c)

    def sequence(x, reset, state):
        first = _zeroed(state, reset[:, 0]) if zeroed else state
        stored = [torch.stack([s] + [torch.zeros_like(s)] * (x.shape[1] - 1), 1) for s in first]  # (B, T, N, H)
        with set_recurrent_mode(True):
            y, h, c = call(x, reset, *stored)
        return y, (h[:, -1], c[:, -1])

    return Memory(step, sequence)


def torchrl_lstm_not_zeroed(layers, seed):
    """TorchRL's LSTMModule given a state that nobody zeroed."""
    return torchrl_lstm(layers, seed, zeroed=False)


def glulam_lstm(layers, seed):
    """Our own layer."""
    from glulam_memory.lstm import Lstm

    torch.manual_seed(seed)
    lstm = _lively(Lstm(WIDTH, HIDDEN, layers))

    def step(x, _reset, state):
        y, after = lstm.step(x, dict(zip("hc", state, strict=True)))
        return y, (after["h"], after["c"])

    def sequence(x, reset, state):
        y, after = lstm.sequence(x, reset, dict(zip("hc", state, strict=True)))
        return y, (after["h"], after["c"])

    return Memory(step, sequence)


MODULES = {"torchrl": torchrl_lstm, "torchrl-not-zeroed": torchrl_lstm_not_zeroed, "glulam": glulam_lstm}


def report(name, examples):
    """Return all figures on one module, ready for JSON."""
    make = MODULES[name]
    rows = measure(make, examples)
    effects = [effect for _, _, effect in rows if effect is not None]
    by_kind = {kind: [found[kind] for _, found, _ in rows] for kind in KINDS}
    counts = {kind: sum(map(_differs, gaps)) for kind, gaps in by_kind.items()}
    broken = [any(map(_differs, found.values())) for _, found, _ in rows]
    shrunk = {kind: smallest(make, kind, 10 * examples) for kind, count in counts.items() if count}
    return {
        "module": name,
        "versions": _versions(),
        "tolerance": TOLERANCE,
        "examples": len(rows),
        "disagree": sum(broken),
        "first_to_disagree": 1 + broken.index(True) if any(broken) else None,
        "disagree_in": counts,
        "largest": {kind: max(gaps) for kind, gaps in by_kind.items()},
        "smallest_counterexamples": {
            kind: {"episode": str(episode), **differences(make, episode)} for kind, episode in shrunk.items() if episode
        },
        "a_skipped_reset_moves_outputs_by": {
            "draws": len(effects), "least": min(effects), "median": statistics.median(effects),
        },
        "draws": [str(episode) for episode, _, _ in rows],
        "differences": by_kind,
    }  # fmt: skip


def main(arguments=None):
    """Print the report and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--module", choices=MODULES, default="torchrl")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="all figures, as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = report(options.module, options.examples)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{found['module']}: {', '.join(f'{name} {text}' for name, text in found['versions'].items())}")
        print(f"{found['disagree']} of {found['examples']} draws disagree: {found['disagree_in']}")
        print(f"largest differences: {found['largest']}")
        print(f"a skipped reset moves outputs by: {found['a_skipped_reset_moves_outputs_by']}")
        for kind, example in found["smallest_counterexamples"].items():
            print(f"smallest counter-example in {kind}: {example}")
    return int(found["disagree"] > 0)


def _inputs(episode):
    """Return `(x, reset, state)`, the state being of an episode under way."""
    reset = torch.tensor(episode.resets)  # (B, T)
    generator = torch.Generator().manual_seed(episode.seed)
    x = torch.randn(*reset.shape, WIDTH, generator=generator)
    h, c = torch.randn(2, len(reset), episode.layers, HIDDEN, generator=generator)
    return x, reset, (h, c)


def _lively(module):
    """Enlarge the weights, so that a state left standing is seen at once."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.7)
    return module


def _zeroed(state, reset):
    return tuple(torch.where(reset[:, None, None], 0.0, part) for part in state)


def _gap(found, expected):
    return float((found - expected).abs().max())


def _differs(gap):
    return not gap <= TOLERANCE  # NaN differs


def _quiet(examples):
    checks = list(HealthCheck)
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=checks)


def _versions():
    found = {"python": sys.version.partition(" ")[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
