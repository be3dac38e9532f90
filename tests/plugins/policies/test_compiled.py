"""Compiled policies: how many graphs they are, and that they give the same.

The backend here runs dynamo's graphs as they are and counts them, so that only what is ours is looked at; that
compilers make the same of each layer is a law of the contract (`compiles`).
"""

import copy
import pickle

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from tests.plugins.policies.conftest import step_of

NAMES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
every_policy = pytest.mark.parametrize("name", NAMES)


class Counts:
    """A backend that runs graphs as they are; `made` is how many there are."""

    def __init__(self):
        self.made = 0

    def __call__(self, graph, inputs):
        self.made += 1
        return graph.forward


@pytest.fixture
def pair(village):
    """Return a function: a policy's name to it, and to the same compiled, with its backend."""

    def make(name):
        torch._dynamo.reset()
        torch.manual_seed(0)
        plain = glulam.build(name, village, losses=["ppo"])
        other = copy.deepcopy(plain)
        counts = Counts()
        other.compile(backend=counts)
        for policy in (plain, other):
            policy.each("set_greedy", True)
        return plain, other, counts

    return make


def segments_of(env, segments, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    td = step_of(env, segments * steps, generator).exclude("env_id").view(segments, steps)
    td["dones"] = torch.rand(segments, steps, generator=generator) < 0.2
    td["actions"] = torch.randint(len(env.actions.names), (segments, steps), generator=generator)
    return td


@every_policy
class TestRollout:
    def test_one_graph_for_any_rows_and_one_for_a_single_row(self, name, pair, village):
        plain, other, counts = pair(name)
        found = []
        for rows in (5, 3, 9, 1, 7):
            td = step_of(village, rows, torch.Generator().manual_seed(rows))
            with torch.no_grad():
                wanted, got = plain(td.clone()), other(td.clone())
            for key in ("logits", "values", "act_log_prob"):
                torch.testing.assert_close(got[key], wanted[key], rtol=1e-5, atol=1e-5)
            assert torch.equal(got["actions"], wanted["actions"])
            found.append(counts.made)
        assert found == [1, 1, 1, 2, 2]

    def test_another_number_of_tokens_is_no_other_graph(self, name, pair, village):
        _, other, counts = pair(name)
        for used in (9, 4, 7):
            td = step_of(village, 5, torch.Generator().manual_seed(1))
            td["env_obs"][:, used:] = village.token_layout.padding
            with torch.no_grad():
                other(td)
        assert counts.made == 1


@every_policy
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo asks each input
def test_training_is_a_graph_before_and_one_behind_the_memory(name, pair, village):
    plain, other, counts = pair(name)
    td = segments_of(village, 3, 4)
    results = []
    for policy in (plain, other):
        scored = policy.evaluate(td)
        loss = (scored["act_log_prob"] * scored["values"]).sum() + scored["entropy"].sum()
        results.append((scored, torch.autograd.grad(loss, list(policy.parameters()))))
    (wanted, grads), (got, other_grads) = results
    for key in ("act_log_prob", "values", "entropy"):
        torch.testing.assert_close(got[key], wanted[key], rtol=1e-5, atol=1e-5)
    for one, two in zip(other_grads, grads, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert counts.made == 2


class TestWhatFollows:
    def test_weights_that_change_are_seen(self, pair, village):
        plain, other, counts = pair("latent_attn_tiny")
        td = step_of(village, 4, torch.Generator().manual_seed(0))
        with torch.no_grad():
            other(td.clone())
            for policy in (plain, other):
                for weight in policy.parameters():
                    weight.mul_(1.5)
                policy.reset_memory()
            torch.testing.assert_close(other(td.clone())["values"], plain(td.clone())["values"])
        assert counts.made == 1

    def test_a_hook_is_called(self, pair, village):
        plain, other, _ = pair("latent_attn_tiny")
        td = step_of(village, 4, torch.Generator().manual_seed(0))
        with torch.no_grad():
            other(td.clone())
            seen = []
            other.layers["critic"].module.register_forward_hook(lambda *_: seen.append(1))
            plain.reset_memory()
            other.reset_memory()
            torch.testing.assert_close(other(td.clone())["values"], plain(td.clone())["values"])
        assert seen == [1]

    def test_none_runs_it_as_before(self, pair, village):
        _, other, counts = pair("latent_attn_tiny")
        other.compile(backend=None)
        with torch.no_grad():
            other(step_of(village, 4, torch.Generator().manual_seed(0)))
        assert counts.made == 0

    def test_a_compiled_policy_is_copied_and_pickled(self, village):
        policy = glulam.build("latent_attn_tiny", village)
        policy.compile(backend="eager")
        policy.each("set_greedy", True)
        td = step_of(village, 4, torch.Generator().manual_seed(0))
        with torch.no_grad():
            wanted = policy(td.clone())["values"]
            for other in (copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):  # noqa: S301 - ours
                other.reset_memory()
                torch.testing.assert_close(other(td.clone())["values"], wanted)

    def test_a_policy_class_is_compiled_too(self, village):
        torch._dynamo.reset()
        counts = Counts()
        policy = glulam.build("fast_class", village)
        policy.each("set_greedy", True)
        td = step_of(village, 4, torch.Generator().manual_seed(0))
        with torch.no_grad():
            wanted = policy(td.clone())
            policy.reset_memory()
            policy.compile(backend=counts)
            found = policy(td.clone())
        assert counts.made == 1
        torch.testing.assert_close(found["values"], wanted["values"])

    def test_a_layer_that_leaves_the_graph_is_told(self, village):
        torch._dynamo.reset()
        policy = glulam.build("latent_attn_tiny", village)
        critic = policy.layers["critic"].module
        forward = critic.forward

        def prints(x):
            torch._dynamo.graph_break()
            return forward(x)

        critic.forward = prints
        policy.compile(backend="eager")
        with pytest.raises(GlulamError, match=r"cannot be compiled: .*graph_break.*compile\(backend=None\)"):
            policy(step_of(village, 4, torch.Generator().manual_seed(0)))


def acting(name, village, rows=16):
    """Return a greedy policy with room for some rows."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    policy = glulam.build(name, village)
    policy.each("set_greedy", True)
    policy.reserve(rows)
    return policy


@every_policy
class TestTheWholePolicy:
    """TensorDict in and TensorDict out, memory slots read and written on the way."""

    def test_it_is_one_graph_with_its_memory(self, name, village):
        policy, counts = acting(name, village), Counts()
        quick = torch.compile(copy.deepcopy(policy), fullgraph=True, dynamic=True, backend=counts)
        for rows in (5, 9, 3):
            td = step_of(village, rows, torch.Generator().manual_seed(rows), end=0.3)
            td["env_id"] = torch.randperm(rows, generator=torch.Generator().manual_seed(rows))
            with torch.no_grad():
                wanted, got = policy(td.clone()), quick(td.clone())
            torch.testing.assert_close(got["logits"], wanted["logits"], rtol=1e-5, atol=1e-5)
        assert counts.made == 1

    def test_it_exports_with_any_number_of_rows(self, name, village):
        policy = acting(name, village)
        keys = ("env_obs", "env_id", "dones", "truncateds")

        class Step(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.policy = policy

            def forward(self, *tensors):
                td = TensorDict(dict(zip(keys, tensors, strict=True)), batch_size=[tensors[0].shape[0]])
                return self.policy(td)["logits"]

        td = step_of(village, 4, torch.Generator().manual_seed(0))
        rows = torch.export.Dim("rows", min=2, max=16)
        with torch.no_grad():
            given = tuple(td[key] for key in keys)
            program = torch.export.export(
                Step(), given, dynamic_shapes=(({0: rows},) * len(keys),), strict=False
            ).module()
            tds = [step_of(village, 7, torch.Generator().manual_seed(seed), end=0.3) for seed in range(3)]
            policy.reset_memory()  # the program has the same slots
            found = [program(*(td[key] for key in keys)) for td in tds]
            policy.reset_memory()
            wanted = [policy(td.clone())["logits"] for td in tds]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@every_policy
def test_autocast_rounds_the_network_and_not_the_memory(name, village):
    policy = acting(name, village)
    td = step_of(village, 8, torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = policy(td.clone())["values"]
        policy.reset_memory()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = policy(td.clone())["values"]
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=0.05, atol=0.05)
    state = policy.memory_state(torch.arange(8))["memory"]
    assert {value.dtype for value in state.values()} == {torch.float32}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scored = policy.evaluate(segments_of(village, 3, 4))
    (scored["act_log_prob"].float().sum() + scored["values"].float().sum()).backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in policy.parameters())
