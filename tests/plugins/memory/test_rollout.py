"""The LSTM in rollout, alone on a TensorDict: whose state is whose."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tensordict import TensorDict
from torch import nn

from glulam import GlulamError
from glulam_memory.configs import LstmConfig

WIDTH, HIDDEN, LAYERS = 3, 4, 2

# A round: the ids that act, in any order, each with what happened to its episode.
ROUND = st.dictionaries(st.integers(0, 7), st.sampled_from(["on", "on", "done", "truncated"]), min_size=1)


def layer(seed=0):
    torch.manual_seed(seed)
    return LstmConfig(in_key="x", out_key="y", in_dim=WIDTH, hidden_size=HIDDEN, num_layers=LAYERS).instantiate()


def batch(ids, *, done=(), truncated=(), seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, WIDTH, generator=generator)[list(ids)]
    flags = {
        key: torch.tensor([i in among for i in ids]) for key, among in (("dones", done), ("truncateds", truncated))
    }
    return TensorDict({"x": x, "env_id": torch.tensor(ids), **flags}, batch_size=[len(ids)])


class TestSlots:
    """Oracle: a dict of `nn.LSTM` states, one an id, each stepped alone."""

    @settings(deadline=None, max_examples=30)
    @given(rounds=st.lists(ROUND, min_size=1, max_size=6), data=st.data())
    def test_any_ids_in_any_order_keep_their_own_state(self, rounds, data):
        bound = layer()
        oracle = nn.LSTM(WIDTH, HIDDEN, LAYERS)
        oracle.load_state_dict(bound.module.state_dict())
        states = {}
        for number, happened in enumerate(rounds):
            ids = data.draw(st.permutations(sorted(happened)))
            chosen = {what: [i for i in ids if happened[i] == what] for what in ("done", "truncated")}
            td = bound(batch(ids, **chosen, seed=number))
            for row, i in enumerate(ids):
                if happened[i] != "on":
                    states.pop(i, None)
                y, states[i] = oracle(td["x"][row][None], states.get(i))
                torch.testing.assert_close(td["y"][row], y[0], atol=1e-6, rtol=0)

    def test_a_reset_touches_no_other_row(self):
        first, second = layer(), layer()
        for bound in (first, second):
            bound(batch([0, 1, 2]))
        left = first(batch([0, 1, 2], done=[1], seed=1))["y"]
        right = second(batch([0, 1, 2], seed=1))["y"]
        assert torch.equal(left[[0, 2]], right[[0, 2]])
        assert not torch.allclose(left[1], right[1])

    def test_control_a_row_that_takes_a_strangers_state_is_noticed(self):
        first, second = layer(), layer()
        first(batch([0, 1]))
        second(batch([1, 0]))  # the inputs follow the ids, so the slots hold the same
        same = batch([0, 1], seed=1)
        assert torch.equal(first(same.clone())["y"], second(same.clone())["y"])
        hidden = second.module.slots.tensors["h"]
        hidden.copy_(hidden.flip(0))
        assert not torch.allclose(first(same.clone())["y"], second(same.clone())["y"])

    def test_what_is_stored_carries_no_gradient(self):
        bound = layer()
        bound(batch([0, 1]))
        y = bound(batch([0, 1], seed=1))["y"]
        assert y.requires_grad
        assert not any(buffer.requires_grad for buffer in bound.module.slots.buffers())

    def test_reset_memory_forgets_and_no_checkpoint_remembers(self):
        bound = layer()
        first = bound(batch([0, 1]))["y"]
        assert not torch.equal(bound(batch([0, 1]))["y"], first)
        bound.module.reset_memory()
        assert torch.equal(bound(batch([0, 1]))["y"], first)
        assert not [name for name in bound.state_dict() if "slots" in name]

    def test_an_id_twice_in_a_batch_is_an_error(self):
        with pytest.raises(GlulamError, match="env_id 3 appears more than once"):
            layer()(batch([3, 1, 3]))
