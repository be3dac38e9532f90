"""Look-ups in place of rows, against the rows written out."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import glulam.factored
from glulam import Factored, Lookup
from glulam_tokens.fourier import FourierTokens
from tests.core.test_plan import policy_of

B, N = 3, 5


@st.composite
def factored(draw):
    """Draw look-ups of all kinds, some that all rows share among them."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    numbers = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    kinds = draw(st.lists(st.sampled_from(["rows", "weights", "both", "neither"]), max_size=3))
    lookups = []
    for kind in [*kinds, draw(st.sampled_from(["rows", "weights", "both"]))]:
        count, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        chosen = kind in {"rows", "both"}
        table = numbers(count if chosen else 1, width)
        dtype = draw(st.sampled_from([torch.int32, torch.int64]))
        row = torch.randint(count, (B, N), generator=generator).to(dtype) if chosen else None
        lookups.append(Lookup(table, row, numbers(B, N) if kind in {"weights", "both"} else None))
    return Factored(tuple(lookups))


def by_hand(rows):
    """Return the rows, token by token."""
    out = torch.zeros(rows.shape, dtype=torch.float64)
    for b in range(B):
        for n in range(N):
            parts = [
                lookup.table[0 if lookup.row is None else lookup.row[b, n]]
                * (1 if lookup.weight is None else lookup.weight[b, n])
                for lookup in rows.lookups
            ]
            out[b, n] = torch.cat(parts)
    return out


def norm_of(width):
    norm = nn.LayerNorm(width, eps=0.01, dtype=torch.float64)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


class TestValues:
    @settings(deadline=None)
    @given(factored())
    def test_dense_is_each_row_by_hand(self, rows):
        torch.testing.assert_close(rows.dense(), by_hand(rows), rtol=0, atol=0)

    @settings(deadline=None)
    @given(factored(), st.sampled_from([None, 1, 6]))
    @torch.no_grad()
    def test_normalized_is_the_norm_and_the_map_of_the_rows(self, rows, width):
        torch.manual_seed(0)
        norm = norm_of(rows.shape[2])
        weight = None if width is None else torch.randn(width, rows.shape[2], dtype=torch.float64)
        wanted = norm(by_hand(rows))
        wanted = wanted if weight is None else wanted @ weight.t()
        torch.testing.assert_close(rows.normalized(norm, weight), wanted, rtol=1e-9, atol=1e-9)

    def test_control_a_lost_weight_is_noticed(self):
        rows = Factored((Lookup(torch.randn(1, 3, dtype=torch.float64), None, torch.full((B, N), 2.0).double()),))
        lost = Factored((Lookup(rows.lookups[0].table, torch.zeros(B, N, dtype=torch.int64)),))
        norm = norm_of(3)
        assert not torch.allclose(rows.normalized(norm), lost.normalized(norm))

    def test_a_row_that_is_all_alike_stays_finite(self):
        rows = Factored((Lookup(torch.full((1, 4), 1e4), torch.zeros(B, N, dtype=torch.int32)),))
        found = rows.normalized(nn.LayerNorm(4))
        assert found.isfinite().all()


class TestWhenItPays:
    TOKENS = torch.zeros(64, 100, 3)

    def test_many_tokens_without_gradient(self):
        with torch.no_grad():
            assert Factored.pays(self.TOKENS)
            assert not Factored.pays(self.TOKENS[:8])
            assert not Factored.pays(self.TOKENS.to("meta"))
        assert not Factored.pays(self.TOKENS)


class Writes(nn.Module):
    """Writes one row, as a look-up where that is asked for."""

    def forward(self, x):
        return x

    def factored(self, x):
        return Factored((Lookup(x, torch.arange(len(x))[None]),))


class Takes(nn.Module):
    """Takes both, and tells which."""

    takes_factored = True

    def forward(self, x):
        return x + 1 if isinstance(x, torch.Tensor) else x.dense()[0] + 2


class TestPlan:
    """What the layers say together decides; nobody else is given anything but a tensor."""

    OBS = torch.zeros(4, 6)

    def found(self, *makes, change=lambda _: None):
        from tests.core.test_policy import step_of

        policy = policy_of(*makes)
        change(policy)
        with torch.no_grad():
            return float(policy(step_of(self.OBS))["logits"][0, 0])

    def test_it_is_used_where_all_readers_take_it(self):
        assert self.found(Writes, Takes) == 2

    def test_not_where_a_reader_wants_a_tensor(self):
        assert self.found(Writes, nn.Identity) == 0

    def test_not_where_the_key_comes_out(self):
        assert self.found(Writes, Takes, change=lambda policy: setattr(policy, "keep", "x1")) == 1

    def test_not_where_somebody_listens(self):
        listen = lambda policy: policy.layers["at_0"].module.register_forward_hook(lambda *_: None)  # noqa: E731
        assert self.found(Writes, Takes, change=listen) == 1

    def test_not_past_a_forward_that_a_subclass_replaced(self):
        class OtherWriter(Writes):
            def forward(self, x):
                return x + 10

        class OtherReader(Takes):
            def forward(self, x):
                return x + 20

        assert self.found(OtherWriter, Takes) == 11
        assert self.found(Writes, OtherReader) == 20


@pytest.mark.parametrize("name", ["latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm"])
class TestPolicies:
    """Oracle: the same policy with every token mapped."""

    @staticmethod
    def step(policy, monkeypatch, many):
        from tests.benchmarks.policies import observation, redraw

        monkeypatch.setattr(glulam.factored, "MANY", many)
        torch.manual_seed(3)
        td = observation(policy.env, 40)
        redraw(td)
        policy.reset_memory()
        with torch.no_grad():
            return policy(td)

    def test_rollout_gives_the_same(self, name, monkeypatch):
        torch.manual_seed(0)
        policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"))
        wanted = self.step(policy, monkeypatch, 10**9)
        called = []
        monkeypatch.setattr(Factored, "normalized", self.counted(called, Factored.normalized))
        found = self.step(policy, monkeypatch, 0)
        assert called
        for key in ("logits", "values"):
            torch.testing.assert_close(found[key], wanted[key], rtol=1e-5, atol=1e-5)

    def test_tables_are_never_stale(self, name, monkeypatch):
        """Train a step between two rollouts, and write past torch's own count of changes."""
        torch.manual_seed(0)
        policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"))
        self.step(policy, monkeypatch, 0)
        with torch.no_grad():
            for weight in policy.parameters():
                weight.data.add_(0.05 * torch.randn(weight.shape))
        found = self.step(policy, monkeypatch, 0)
        wanted = self.step(policy, monkeypatch, 10**9)
        torch.testing.assert_close(found["values"], wanted["values"], rtol=1e-5, atol=1e-5)

    @staticmethod
    def counted(called, method):
        def run(*args):
            called.append(1)
            return method(*args)

        return run


def test_all_tokenisers_that_write_look_ups_write_the_same():
    from glulam_tokens.learned import LearnedTokens
    from tests.plugins.tokens.worlds import world

    env = world([("ore", 3, 1.0)], count=5)
    tokens = torch.rand(70, 80, 3) * torch.tensor([255.9, 255.9, 1.0])
    tokens[:, :, :2].floor_()
    for tokeniser in (FourierTokens(4, 3), LearnedTokens(4, 3)):
        tokeniser.initialize_to_environment(env)
        with torch.no_grad():
            found = tokeniser.factored(tokens)
            assert isinstance(found, Factored)
            assert torch.equal(found.dense(), tokeniser(tokens))
