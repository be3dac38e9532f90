"""Rows that repeat, against the rows written out."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import glulam.repeated
from glulam import Repeated
from tests.core.test_plan import policy_of
from tests.core.test_policy import step_of

COUNT = 11  # codes


@pytest.fixture
def always(monkeypatch):
    """Look for rows that repeat, however few there are."""
    monkeypatch.setattr(glulam.repeated, "MANY", 0)
    monkeypatch.setattr(glulam.repeated, "REPEATS", 0)


@st.composite
def codes(draw):
    """Draw codes, all alike and all different among them."""
    size = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    return torch.randint(draw(st.integers(1, COUNT)), size, generator=generator, dtype=torch.int32)


def rows_of(numbers, *size):
    """Return rows (`[B, N, *]`) that are alike where their codes are."""
    table = torch.randn(COUNT, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return table[numbers.long()]


@pytest.mark.usefixtures("always")
class TestValues:
    @settings(deadline=None)
    @given(codes(), st.sampled_from([(), (3,), (2, 3)]))
    def test_it_is_the_tensor_and_holds_each_row_once(self, numbers, size):
        rows = rows_of(numbers, *size)
        found = Repeated.of(rows, numbers, COUNT)
        assert torch.equal(found.dense(), rows)
        assert found.shape == rows.shape
        assert len(found.table) == len(set(numbers.flatten().tolist()))

    @settings(deadline=None)
    @given(codes(), st.sampled_from([(), (3,), (2, 3)]))
    def test_sums_count_a_row_as_often_as_it_is_there(self, numbers, size):
        rows = rows_of(numbers, *size)
        torch.testing.assert_close(Repeated.of(rows, numbers, COUNT).sums(), rows.sum(1))

    @settings(deadline=None)
    @given(codes())
    def test_a_map_sees_the_distinct_rows_alone(self, numbers):
        rows, seen = rows_of(numbers, 3), []

        def double(x):
            seen.append(x.shape)
            return 2 * x, x[..., 0] > 0

        twice, mask = Repeated.of(rows, numbers, COUNT).map(double)
        assert seen == [(1, len(numbers.unique()), 3)]
        assert torch.equal(twice.dense(), 2 * rows)
        assert torch.equal(mask.dense(), rows[..., 0] > 0)
        assert twice.index is mask.index

    @settings(deadline=None)
    @given(codes(), st.sampled_from(["dense", "sums"]))
    def test_gradients_are_those_of_the_rows_written_out(self, numbers, form):
        index = Repeated.of(rows_of(numbers, 3), numbers, COUNT).index
        table = torch.randn(len(index.first), 3, dtype=torch.float64, requires_grad=True)
        written = table[index.row.long()]
        found = getattr(Repeated(table, index), form)()
        wanted = written if form == "dense" else written.sum(1)
        weight = torch.randn(wanted.shape, dtype=torch.float64)
        torch.testing.assert_close(
            *(torch.autograd.grad((x * weight).sum(), table, retain_graph=True)[0] for x in (found, wanted))
        )

    def test_control_sums_of_distinct_rows_differ(self):
        numbers = torch.tensor([[1, 1, 2]])
        rows = rows_of(numbers, 3)
        assert not torch.allclose(Repeated.of(rows, numbers, COUNT).sums(), rows.unique(dim=1).sum(1))


class TestWhenItPays:
    CODES = torch.zeros(64, 100, dtype=torch.int32)

    def found(self, numbers):
        return Repeated.of(numbers, numbers, 64 * 100)

    def test_many_that_repeat(self):
        assert self.found(self.CODES) is not None

    def test_not_few(self):
        assert self.found(self.CODES[:40]) is None

    def test_not_where_hardly_any_repeat(self):
        assert self.found(torch.arange(6400, dtype=torch.int32).view(64, 100)) is None

    def test_not_where_a_device_would_wait(self):
        assert self.found(self.CODES.to("meta")) is None

    def test_not_under_autocast(self):
        with torch.autocast("cpu"):
            assert self.found(self.CODES) is None

    def test_not_under_a_transform(self):
        found = []
        torch.func.grad(lambda x: (found.append(self.found(self.CODES)), x)[1])(torch.zeros(()))
        assert found == [None]


class Writes(nn.Module):
    """Writes rows by the distinct ones, where that is asked for."""

    def forward(self, x):
        return x[:, None]

    def repeated(self, x):
        numbers = torch.zeros(len(x), 1, dtype=torch.int32)
        return Repeated.of(x[:, None], numbers, 1)


class Takes(nn.Module):
    """Takes both, and tells which."""

    takes_repeated = True

    def forward(self, x):
        return x[:, 0] + 1 if isinstance(x, torch.Tensor) else x.dense()[:, 0] + 2


class RowWise(nn.Module):
    """Adds ten, and a hundred where it sees the distinct rows."""

    row_wise = True

    def forward(self, x):
        return x + (110 if len(x) == 1 else 10)


class Plain(nn.Module):
    """Takes a tensor."""

    def forward(self, x):
        return x[:, 0] + 3


@pytest.mark.usefixtures("always")
class TestPlan:
    """What a module says decides; whoever says nothing is given a tensor."""

    OBS = torch.zeros(4, 6)

    def found(self, *makes, change=lambda _: None):
        policy = policy_of(*makes)
        change(policy)
        with torch.no_grad():
            return float(policy(step_of(self.OBS))["logits"][0, 0])

    def test_it_reaches_who_takes_it(self):
        assert self.found(Writes, Takes) == 2

    def test_it_goes_through_layers_of_rows(self):
        assert self.found(Writes, RowWise, Takes) == 112

    def test_it_goes_through_leaves_of_torch(self):
        assert self.found(Writes, nn.Identity, nn.ReLU, Takes) == 2

    def test_others_are_given_a_tensor(self):
        assert self.found(Writes, Plain) == 3
        assert self.found(Writes, RowWise, Plain) == 113

    def test_a_key_that_comes_out_is_a_tensor(self):
        policy = policy_of(Writes, Takes)
        policy.keep = "x1"
        with torch.no_grad():
            td = policy(step_of(self.OBS))
        assert torch.equal(td["x1"], self.OBS[:, None])
        assert float(td["logits"][0, 0]) == 2

    def test_not_where_somebody_listens(self):
        listen = lambda policy: policy.layers["at_0"].module.register_forward_hook(lambda *_: None)  # noqa: E731
        assert self.found(Writes, Takes, change=listen) == 1

    def test_not_past_a_forward_that_a_subclass_replaced(self):
        class OtherWriter(Writes):
            def forward(self, x):
                return x[:, None] + 10

        class OtherReader(Takes):
            def forward(self, x):
                return x[:, 0] + 20

        class OtherMap(RowWise):
            def forward(self, x):
                return x + 30

        assert self.found(OtherWriter, Takes) == 11
        assert self.found(Writes, OtherReader) == 20
        assert self.found(Writes, OtherMap, Takes) == 31


@pytest.mark.parametrize("name", ["latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm"])
class TestPolicies:
    """Oracle: the same policy with every token written out."""

    ROWS = 200  # so many that some attention is by the table too

    @pytest.fixture(autouse=True)
    def policy(self, name):
        torch.manual_seed(0)
        self.policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"), losses=["ppo"])
        with torch.no_grad():
            for weight in self.policy.parameters():
                weight.add_(0.05 * torch.randn(weight.shape))

    def seen(self):
        from tests.benchmarks.policies import observation, redraw

        torch.manual_seed(3)
        td = observation(self.policy.env, self.ROWS)
        redraw(td)
        td["env_obs"][..., 2] %= 2
        td["actions"] = torch.randint(self.policy.env.num_actions, (self.ROWS,))
        return td

    def answers(self, monkeypatch, many):
        monkeypatch.setattr(glulam.repeated, "MANY", many)
        self.policy.reset_memory()
        with torch.no_grad():
            acted = self.policy(self.seen())
        scored = self.policy.evaluate(self.seen())
        total = scored["values"].square().mean() + scored["act_log_prob"].mean()
        weights = dict(self.policy.named_parameters())
        found = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
        gradients = {name: grad for name, grad in zip(weights, found, strict=True) if grad is not None}
        return {key: acted[key] for key in ("logits", "values")}, gradients

    def test_rollout_and_training_give_the_same(self, name, monkeypatch):
        wanted = self.answers(monkeypatch, 10**9)
        calls = []
        sums = Repeated.sums
        monkeypatch.setattr(Repeated, "sums", lambda rows: calls.append(1) or sums(rows))
        found = self.answers(monkeypatch, 0)
        assert len(calls) == 2, name
        torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[1], wanted[1], rtol=1e-4, atol=1e-5)

    def test_nothing_is_stale_after_weights_have_changed(self, name, monkeypatch):
        """Even past torch's own count of changes."""
        before, _ = self.answers(monkeypatch, 0)
        with torch.no_grad():
            for weight in self.policy.parameters():
                weight.data.add_(0.05 * torch.randn(weight.shape))
        found, _ = self.answers(monkeypatch, 0)
        wanted, _ = self.answers(monkeypatch, 10**9)
        assert not torch.allclose(found["values"], before["values"], atol=1e-3), name
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
