"""The five reference policies against the plain ones of the benchmarks, which know nothing of glulam.

What the benchmarks compare in time is the same function: outputs, memory and gradients, step by step and over
segments in which episodes end. `B` rows, `T` steps.
"""

import ast
import copy
import sys

import attrs
import pytest
import torch
from tensordict import TensorDict

import glulam
from tests.benchmarks import plain
from tests.benchmarks.plain_weights import our_names, plain_twin
from tests.benchmarks.whole import Rollout, Training
from tests.evidence.record import ROOT
from tests.plugins.policies.conftest import observe

B, T = 5, 8
ENDS = 0.2  # of all steps
STRANGE = 0.1  # of all tokens
# The largest difference of outputs, as a part of the largest output; of a weight's gradients likewise.
CLOSE = {torch.float64: (1e-10, 1e-10), torch.float32: (1e-5, 1e-4)}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Small tensors are quicker with one thread than with many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def world(village):
    """The village, its view no square, so that rows taken for columns show."""
    return attrs.evolve(village, view_width=13)


@pytest.fixture(scope="module", params=plain.NAMES)
def built(request, world):
    """A policy, its weights moved from where they start: biases count, attention chooses.

    Seeded, since a ReLU that rounding switches moves float32's gradients by percents: in 3 of 600 draws of `fast`.
    """
    torch.manual_seed(0)
    policy = glulam.build(request.param, world, losses=["ppo"])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.5 / weight.shape[-1] ** 0.5)
    return policy


@pytest.fixture(params=CLOSE, ids=str)
def pair(request, built, world):
    """Return the policy in a dtype, and its plain twin."""
    policy = copy.deepcopy(built).to(request.param)
    policy.initialize_to_environment(world)  # tables are made anew: those of float32 keep its rounding
    return policy, plain_twin(policy)


@pytest.fixture
def exact(built, world):
    """Return the pair in float64."""
    policy = copy.deepcopy(built).double()
    policy.initialize_to_environment(world)
    return policy, plain_twin(policy)


def drawn(env, batch, seed):
    """Return what is seen: tokens with holes, some anywhere, of no feature or global, and rows without a token."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.Size(batch).numel()
    obs = observe(env, rows, generator)
    bytes_ = torch.randint(0, 256, obs.shape, generator=generator, dtype=torch.uint8)
    obs = torch.where(torch.rand(obs.shape, generator=generator) < STRANGE, bytes_, obs)
    obs[..., 0].masked_fill_(torch.rand(obs.shape[:-1], generator=generator) < STRANGE, env.tokens.global_location)
    obs[1::B, 12:] = env.tokens.padding  # a short row beside long ones
    obs[2::B] = env.tokens.padding
    dones, truncateds = torch.rand(2, rows, generator=generator) < ENDS / 2
    actions = torch.randint(0, env.num_actions, (rows,), generator=generator)
    seen = {"env_obs": obs, "dones": dones, "truncateds": truncateds, "actions": actions}
    td = TensorDict(seen, batch_size=[rows]).view(*batch)
    return td.set("env_id", torch.arange(B)) if len(batch) == 1 else td


def ended(td):
    return td["dones"] | td["truncateds"]


def assert_close(found, expected, part):
    assert found.shape == expected.shape
    gap = ((found - expected).abs().max() / expected.abs().max()).item()
    assert gap <= part, f"{gap:.1e} of the scale"


def begin(policy, twin, steps=3):
    """Play some steps on both sides, so that segments begin in the middle of episodes; return both states."""
    with torch.no_grad():
        for seed in range(steps):
            td = drawn(policy.env, (B,), seed)
            twin.step(td["env_obs"], ended(td))
            policy(td)
    return policy.memory_state(torch.arange(B)), twin.memory.state


def scored(policy, td, state):
    """What training sees of ours: `log_probs`, `entropy`, `values`, all log-probs."""
    found = policy.evaluate(td, state)
    return [found[key] for key in ("act_log_prob", "entropy", "values", "full_log_probs")]


def scored_plainly(twin, td, state, resets=None):
    resets = ended(td) if resets is None else resets
    found = twin.score(td["env_obs"], resets, td["actions"], state)
    logits, _ = twin.unroll(td["env_obs"], resets, state)
    return [*found, logits.log_softmax(-1)]


def compare(policy, twin, resets=None):
    """Compare outputs over segments; return them, ours and theirs."""
    td = drawn(policy.env, (B, T), 10)
    part, _ = CLOSE[policy.dtype]
    state, plain_state = begin(policy, twin)
    ours, theirs = scored(policy, td, state), scored_plainly(twin, td, plain_state, resets)
    for mine, its in zip(ours, theirs, strict=True):
        assert_close(mine, its, part)
    return ours, theirs


class TestRollout:
    def test_outputs_and_memory_are_equal(self, pair):
        policy, twin = pair
        part, _ = CLOSE[policy.dtype]
        with torch.no_grad():
            for seed in range(T):
                td = drawn(policy.env, (B,), seed)
                logits, values = twin.step(td["env_obs"], ended(td))
                policy(td)
                assert_close(td["logits"], logits, part)
                assert_close(td["values"], values, part)
        state = policy.memory_state(torch.arange(B))["memory"]
        for mine, its in zip((state["h"], state["c"]), twin.memory.state, strict=True):
            assert_close(mine.transpose(0, 1), its, part)

    def test_the_plain_one_acts_by_its_log_probs(self, pair):
        policy, twin = pair
        part, _ = CLOSE[policy.dtype]
        with torch.no_grad():
            for seed in range(T):
                td = drawn(policy.env, (B,), seed)
                actions, log_probs, values = twin.act(td["env_obs"], td["dones"], td["truncateds"])
                policy(td)
                own = td["logits"].log_softmax(-1).gather(1, actions[:, None])[:, 0]
                assert_close(own, log_probs, part)
                assert_close(td["values"], values, part)

    def test_a_missing_reset_is_noticed(self, exact):
        policy, twin = exact
        begin(policy, twin)
        td = drawn(policy.env, (B,), 10)
        td["dones"] = torch.arange(B) == 0
        td["truncateds"] = torch.arange(B) == B
        with torch.no_grad():
            policy(td)
            _, values = twin.step(td["env_obs"], td["truncateds"])
        with pytest.raises(AssertionError, match="of the scale"):
            assert_close(td["values"], values, 1e-5)
        assert_close(td["values"][1:], values[1:], 1e-10)


class TestTraining:
    def test_outputs_and_gradients_are_equal(self, pair):
        policy, twin = pair
        ours, theirs = compare(policy, twin)
        generator = torch.Generator().manual_seed(2)
        chances = [torch.randn(part.shape, generator=generator).to(part) for part in ours]

        def gradients(parts, weights):
            functional = sum((part * chance).sum() for part, chance in zip(parts, chances, strict=True))
            return dict(zip(weights, torch.autograd.grad(functional, list(weights.values())), strict=True))

        mine = gradients(ours, dict(policy.named_parameters()))
        its = gradients(theirs, dict(twin.named_parameters()))
        names = our_names(policy.resolved.name, twin)
        assert sorted(names.values()) == sorted(mine)
        for name, gradient in its.items():
            assert_close(mine[names[name]].view_as(gradient), gradient, CLOSE[policy.dtype][1])

    def test_there_are_resets_inside_of_the_segments(self, world):
        assert ended(drawn(world, (B, T), 10))[:, 1:].any(1).sum() >= 3

    @torch.no_grad()
    def test_a_changed_weight_is_noticed(self, exact):
        policy, twin = exact
        td = drawn(policy.env, (B, T), 10)
        state, plain_state = begin(policy, twin)
        found = policy.evaluate(td, state)

        def compare_values_and_logits():
            for mine, its in zip(("logits", "values"), twin.unroll(td["env_obs"], ended(td), plain_state), strict=True):
                assert_close(found[mine], its, 1e-10)

        for weight in twin.parameters():
            kept = weight.clone()
            weight.mul_(1.01)
            with pytest.raises(AssertionError, match="of the scale"):
                compare_values_and_logits()
            weight.copy_(kept)
        compare_values_and_logits()

    def test_a_missing_reset_is_noticed(self, exact):
        policy, twin = exact
        resets = ended(drawn(policy.env, (B, T), 10))
        row, step = (resets[:, 1:]).nonzero()[0].tolist()
        resets[row, step + 1] = False
        with pytest.raises(AssertionError, match="of the scale"):
            compare(policy, twin, resets)


class TestBenchmark:
    """What `tests.benchmarks.whole` times: the same thing on both sides."""

    def test_values_of_a_rollout(self, built, monkeypatch):
        monkeypatch.setattr("tests.benchmarks.whole.STEPS", 4)
        case = Rollout(built, plain_twin(built), 2)
        built.reset_memory()
        for _ in range(2):
            case.redraw()
            assert_close(case.ours(), case.theirs(), 1e-5)

    def test_losses_of_segments(self, built):
        case = Training(built, plain_twin(built), 3, 4)
        case.redraw()
        case.seen["dones"][0, 2] = True
        loss = case.theirs()
        assert_close(case.ours(), loss, 1e-5)
        case.seen["dones"][0, 2] = False
        with pytest.raises(AssertionError, match="of the scale"):
            assert_close(case.ours(), loss, 1e-5)

    def test_the_bare_products_leave_the_policy_as_it_was(self, built):
        case = Training(built, plain_twin(built), 3, 4)
        case.redraw()
        before = case.theirs()
        case.floor()()
        assert torch.equal(case.theirs(), before)


def test_the_plain_ones_know_nothing_of_glulam():
    files = sorted((ROOT / "tests" / "benchmarks" / "plain").glob("*.py"))
    assert len(files) >= 6
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                inside = name.startswith("tests.benchmarks.plain.")
                assert inside or name.partition(".")[0] in {"torch", *sys.stdlib_module_names}, f"{file.name}: {name}"
