"""The five reference policies against an oracle in numpy, on any observation; and that the comparison can fail."""

import copy
from dataclasses import replace

import attrs
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

import glulam
from tests.plugins.policies.oracle import Oracle, Sizes

NAMES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
TOKENS = 30
GLOBAL, PADDING = 0xFE, 0xFF
MADE_UP = 77  # a feature id that the world does not have
STEPS = 2
EXACT = 1e-10  # float64 (measured: 3e-14); GELU by tanh would show as 5e-4, another epsilon in LayerNorm as 3e-5
SINGLE = 1e-4  # float32 (measured: 8e-6 on 80 observations a policy)
SHOWS = 1e-2  # what a sabotage must change at least

# Ids have gaps and are listed out of order; names of numbers, tags and actions are mixed among them. The view is
# no square, so that rows taken for columns show.
WORLD = glulam.EnvSpec(
    name="gaps",
    tokens=glulam.TokenLayout(count=TOKENS),
    view_height=11,
    view_width=13,
    features=(
        glulam.Feature(name="heart", id=40, normalization=100.0),
        glulam.Feature(name="tag", id=5, values="tag"),
        glulam.Feature(name="ore", id=2, normalization=50.0),
        glulam.Feature(name="hp", id=200, normalization=255.0),
        glulam.Feature(name="last_action", id=9, values="action"),
        glulam.Feature(name="clock", id=0, normalization=77.0),
    ),
    tags=("altar", "mine", "wall"),
    actions=glulam.ActionSpec(names=("noop", "north", "south", "east")),
)

# Per row: what a step's row holds. Each trap of the token format is in it at least once.
TRAPS = [
    [  # holes in both spellings, and tokens behind them
        (GLOBAL, 200, 90), (PADDING, 255, 255), (0x00, 0, 150), (PADDING, 0, 0), (0x55, 2, 70), (GLOBAL, 9, 2),
        (0x12, 5, 0), (0xA3, 40, 255),
    ],
    [  # a cell with several tags, one of them twice; two amounts in a cell, the larger one first, then last
        (0x31, 5, 2), (0x31, 5, 0), (0x31, 5, 2), (0x44, 2, 200), (0x44, 2, 30), (0x45, 40, 10), (0x45, 40, 110),
    ],
    [  # outside the view: a row, a column, both; unknown feature, tag and action; a column beyond the height is inside
        (0xB2, 2, 100), (0x2D, 40, 100), (0xDE, 200, 200), (0x33, MADE_UP, 50), (0x34, 5, 3), (0x35, 9, 4),
        (0x2C, 200, 250),
    ],
    [(location, number, 17 * location % 256) for location in range(0x20, 0x2A) for number in (2, 40, 200)],  # full
    [],
]  # fmt: skip


def observation(rows, spelling=(PADDING, 255, 255)):
    """Rows of tokens, padded, as `[B, N, 3]` uint8."""
    return np.array([row + [spelling] * (TOKENS - len(row)) for row in rows], dtype=np.uint8)


PLACES = st.builds(lambda row, column: row << 4 | column, st.integers(0, 10), st.integers(0, 12))
IDS = st.sampled_from([feature.id for feature in WORLD.features])
REAL = st.tuples(PLACES | st.just(GLOBAL), IDS, st.integers(0, 3) | st.integers(0, 255))
CROWDED = st.tuples(st.sampled_from([0x00, 0x55, GLOBAL]), st.sampled_from([5, 2]), st.integers(0, 3))
STRANGE = st.tuples(st.integers(0, 255), st.integers(0, 255) | st.just(MADE_UP), st.integers(0, 255))
PAD = st.sampled_from([(PADDING, 255, 255), (PADDING, 0, 0), (PADDING, 2, 9)])
ROWS = st.one_of(
    st.lists(REAL | CROWDED | STRANGE | PAD, max_size=TOKENS),  # holes
    st.lists(REAL, min_size=TOKENS, max_size=TOKENS),  # full
    st.lists(PAD, max_size=TOKENS),  # nothing
)
SPELLINGS = st.sampled_from([(PADDING, 255, 255), (PADDING, 0, 0)])
FLAGS = st.lists(st.booleans(), min_size=2, max_size=2)
STEP = st.tuples(st.builds(observation, st.lists(ROWS, min_size=2, max_size=2), SPELLINGS), FLAGS, FLAGS)
PLAYS = st.lists(STEP, min_size=STEPS, max_size=STEPS)


def traps():
    """Two steps of all traps, rows moved on by one in the second; one row done, another truncated before it."""
    none = [False] * len(TRAPS)
    first = observation(TRAPS, (PADDING, 0, 0))
    second = observation([*TRAPS[1:], TRAPS[0]])
    return [(first, none, none), (second, [True, *none[1:]], [*none[2:], True, False])]


def randomise(policy):
    """Give every weight a size at which it matters.

    As initialised, biases are 0, norms are 1 and queries so small that attention weighs all tokens alike; a
    wrong mask, head or bias would hardly show. Here scores differ by a few units, so that attention chooses,
    gates are half open, and logits lie a few units apart; nothing saturates, which would hide as much.
    """
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            mean, std = 0.0, 1.0  # tables and learned vectors
            if "norm" in name or ".mlp.0." in name:
                mean, std = float(name.endswith("weight")), 0.3
            elif weight.dim() == 1:
                std = 0.3
            elif name.endswith((".query.weight", ".key.weight", "actor.module.query")):
                std = 1.5 / weight.shape[0 if name.endswith("query") else 1] ** 0.5
            elif not name.endswith(("queries", "cls", "embedding.weight", "embedding.module.weight")):
                std = 1.2 / weight[0].numel() ** 0.5
            weight.copy_(mean + std * torch.randn(weight.shape, generator=generator))
    return policy


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """A row or five at a time: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """Return the policy in float32 and in float64, and the oracle with its weights."""
    single = randomise(glulam.build(request.param, WORLD))
    double = copy.deepcopy(single).double()
    double.initialize_to_environment(WORLD)  # tables are made anew: those of float32 keep its rounding
    weights = {name: value.double().numpy() for name, value in single.state_dict().items() if torch.is_tensor(value)}
    oracle = Oracle(request.param, WORLD, Sizes.of(single.resolved.to_mapping()), weights)
    return single, double, oracle


def step_of(seen, dones, truncateds):
    rows = len(seen)
    return TensorDict(
        {
            "env_obs": torch.from_numpy(seen),
            "env_id": torch.arange(rows),
            "dones": torch.tensor(dones),
            "truncateds": torch.tensor(truncateds),
        },
        batch_size=[rows],
    )


def played(policy, steps):
    """Values, logits and log-probs of each step as the policy computes them, step by step and as one segment."""
    policy.reset_memory()
    with torch.no_grad():
        taken = torch.stack([policy(step_of(*step)) for step in steps], dim=1)
        segment = policy.evaluate(taken)
    chosen = segment["full_log_probs"].gather(-1, taken["actions"][..., None])[..., 0]
    torch.testing.assert_close(taken["act_log_prob"], chosen, atol=SINGLE, rtol=0)
    rollout = {"values": taken["values"], "logits": taken["logits"]}
    training = {key: segment[key] for key in rollout} | {"log_probs": segment["full_log_probs"]}
    return [{key: value.double().numpy() for key, value in found.items()} for found in (rollout, training)]


def told(oracle, steps):
    """The same as the oracle tells it, `[B, T, ...]`."""
    outputs, state = [], None
    for seen, dones, truncateds in steps:
        found, state = oracle.step(seen, state, dones, truncateds)
        outputs.append(found)
    return {key: np.stack([found[key] for found in outputs], axis=1) for key in ("values", "logits", "log_probs")}


def difference(found, expected):
    return max(np.abs(found[key] - expected[key]).max() for key in found)


@settings(deadline=None, max_examples=6)
@example(steps=traps())
@given(steps=PLAYS)
def test_a_policy_computes_what_the_oracle_does(case, steps):
    single, double, oracle = case
    expected = told(oracle, steps)
    for policy, bound in ((double, EXACT), (single, SINGLE)):
        for found in played(policy, steps):
            assert difference(found, expected) <= bound


def rewritten(change):
    """A sabotage of what is seen: `change` rewrites one row's tokens, a list of lists, in place or anew."""

    def sabotage(oracle, steps):
        return oracle, [(np.array([change(row.tolist()) for row in seen]), *ends) for seen, *ends in steps]

    return sabotage


def until_the_first_hole(row):
    places = [location for location, *_ in row]
    end = places.index(PADDING) if PADDING in places else len(row)
    return row[:end] + [[PADDING] * 3] * (len(row) - end)


def last_of_a_cell_and_feature(row):
    last = {(location, number): index for index, (location, number, _) in enumerate(row)}
    return [token if last[token[0], token[1]] == index else [PADDING] * 3 for index, token in enumerate(row)]


def each_location(change):
    return rewritten(lambda row: [[x if x >= GLOBAL else change(x), *rest] for x, *rest in row])


def in_world(**changes):
    """A sabotage of what is known about the world."""
    return lambda oracle, steps: (replace(oracle, env=attrs.evolve(WORLD, **changes)), steps)


def with_ends(change):
    return lambda oracle, steps: (oracle, [(seen, *change(dones, cut)) for seen, dones, cut in steps])


def as_another(kind):
    """A sabotage of the oracle itself: one of its subclasses below."""
    return lambda oracle, steps: (kind(**vars(oracle)), steps)


def with_sizes(**changes):
    return lambda oracle, steps: (replace(oracle, sizes=replace(oracle.sizes, **changes)), steps)


class ListedOrder(Oracle):
    def vocabulary(self):
        return sorted(super().vocabulary(), key=lambda name: name != "heart")


class CategoriesCount(Oracle):
    def read(self, observation):
        return [
            (index, place, name, float(observation[index, 2]) if value is None else value)
            for index, place, name, value in super().read(observation)
        ]


class PaddingIsSeen(Oracle):
    def token_features(self, observation):
        features, _ = super().token_features(observation)
        missing = np.zeros((len(observation) - len(features), features.shape[1]))
        return np.concatenate([features, missing]), np.arange(len(observation))


class Stranger(Oracle):
    def step(self, observations, state=None, dones=None, truncateds=None):
        return super().step(observations, None if state is None else state[::-1], dones, truncateds)


def misnamed(oracle, steps):
    """The memory, critic and actor of the other kind of policy."""
    return replace(oracle, name="latent_attn_tiny" if oracle.name == "vit_lstm" else "vit_lstm"), steps


ALL = ("fast", "latent_attn_tiny", "vit_lstm")  # small and med differ from the last two in sizes
READERS = NAMES[1:]
SABOTAGES = {
    "a row ends at its first hole": (ALL, rewritten(until_the_first_hole)),
    "the last token of a cell and feature stays": (ALL, rewritten(last_of_a_cell_and_feature)),
    "an unknown feature is a known one": (
        ALL,
        rewritten(lambda row: [[x, 2 if number == MADE_UP else number, value] for x, number, value in row]),
    ),
    "locations outside wrap around": (ALL, each_location(lambda x: (x >> 4) % 11 << 4 | (x & 15) % 13)),
    "rows are columns": (ALL, each_location(lambda x: (x & 15) << 4 | x >> 4)),
    "a global token has a place": (ALL, in_world(tokens=glulam.TokenLayout(count=TOKENS, global_location=0xFC))),
    "padding is a token": (READERS, as_another(PaddingIsSeen)),
    "padding of zeros is a token": (READERS, in_world(tokens=glulam.TokenLayout(count=TOKENS, padding=0xFC))),
    "the number of a tag or action is an amount": (ALL, as_another(CategoriesCount)),
    "names as they are listed": (ALL, as_another(ListedOrder)),
    "nothing is normalised": (
        ALL,
        in_world(features=tuple(attrs.evolve(feature, normalization=1.0) for feature in WORLD.features)),
    ),
    "dones reset nothing": (ALL, with_ends(lambda dones, truncateds: ([False] * len(dones), truncateds))),
    "truncateds reset nothing": (ALL, with_ends(lambda dones, truncateds: (dones, [False] * len(dones)))),
    "every step starts anew": (ALL, with_ends(lambda dones, truncateds: ([True] * len(dones), truncateds))),
    "a stranger's memory": (ALL, as_another(Stranger)),
    "the memory is not skipped": (ALL, with_sizes(skip=False)),
    "memory and critic of another policy": (READERS, misnamed),
    "latent attention with one head": (READERS, with_sizes(latent_heads=1)),
    "self-attention with one head": (READERS[1:], with_sizes(self_heads=1)),
}


@pytest.mark.parametrize(
    ("case", "sabotage"),
    [(name, sabotage) for name in NAMES for sabotage, (names, _) in SABOTAGES.items() if name in names],
    indirect=["case"],
)
def test_the_comparison_can_fail(case, sabotage):
    _, double, oracle = case
    expected = told(*SABOTAGES[sabotage][1](oracle, traps()))
    for found in played(double, traps()):
        assert difference(found, expected) > SHOWS
