"""What cuDNN asks of an LSTM or GRU, looked at where there is no GPU: states and weights in one piece."""

import pytest
import torch

from glulam_memory._recurrent import _in_one_piece
from glulam_memory.configs import GruConfig, LstmConfig

CONFIGS = {"lstm": LstmConfig, "gru": GruConfig}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("inside", [False, True])
def test_a_kernel_is_given_contiguous_states(kind, inside, monkeypatch):
    layer = CONFIGS[kind](in_dim=3, hidden_size=4, num_layers=2).build()
    kernel, given = getattr(torch, kind), []

    def watched(x, states, weights, *rest):
        given.extend(states if isinstance(states, tuple) else [states])
        return kernel(x, states, weights, *rest)

    monkeypatch.setattr(torch, kind, watched)
    reset = torch.zeros(2, 5, dtype=torch.bool)
    reset[0, 2] = inside
    layer.sequence(torch.randn(2, 5, 3), reset, layer.initial_state(2))
    assert len(given) == 2 * len(layer.states)
    assert all(state.is_contiguous() for state in given)


def test_weights_in_one_piece_follow_each_other_and_keep_their_gradients():
    weights = [torch.randn(8, 3, requires_grad=True), torch.randn(8, 2, requires_grad=True), torch.randn(8)]
    pieces = _in_one_piece(tuple(weights))
    offset = 0
    for piece, weight in zip(pieces, weights, strict=True):
        assert torch.equal(piece, weight)
        assert piece.storage_offset() == offset
        assert piece.untyped_storage().data_ptr() == pieces[0].untyped_storage().data_ptr()
        offset += weight.numel()
    (2 * pieces[0].sum() + 3 * pieces[1].sum()).backward()
    assert (weights[0].grad == 2).all()
    assert (weights[1].grad == 3).all()
