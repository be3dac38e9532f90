"""Where steps and dummies go, worked out by hand."""

import torch

from glulam_memory.control_steps import Timeline

RESET = torch.tensor([[0, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]], dtype=torch.bool)
#   row 0: 0 1 z 2 3 h h      z: the state is zeroed, h: it is held
#   row 1: 0 z 1 z 2 z 3
#   row 2: 0 1 2 3 h h h
ZEROED = [[0, 0, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1, 0], [0] * 7]
HELD = [[0, 0, 0, 0, 0, 1, 1], [0] * 7, [0, 0, 0, 0, 1, 1, 1]]
PLACES = [[0, 1, 3, 4], [0, 2, 4, 6], [0, 1, 2, 3]]


class TestTimeline:
    """Oracle: the drawing above."""

    def test_flags(self):
        flags = Timeline.of(RESET).flags.view(7, 3, 2).permute(2, 1, 0)
        assert flags.int().tolist() == [ZEROED, HELD]

    def test_each_step_goes_to_its_place_and_back(self):
        times = Timeline.of(RESET)
        x = torch.arange(12.0).view(3, 4, 1)
        spread = times.spread(x)  # (L, B, D + 2)
        assert spread.shape == (7, 3, 3)
        for b, places in enumerate(PLACES):
            assert spread[places, b, 0].tolist() == x[b, :, 0].tolist()
        assert torch.equal(times.gather(spread[..., :1]), x)
        assert times.last.tolist() == [places[-1] * 3 + b for b, places in enumerate(PLACES)]

    def test_dummies_hold_zeros_and_take_their_gradients_from_their_own_row(self):
        times = Timeline.of(RESET)
        dummy = times.flags.any(1).view(7, 3)
        spread = times.spread(torch.full((3, 4, 1), torch.nan))[..., 0]
        assert torch.equal(spread.isnan(), ~dummy)
        assert not spread[dummy].any()
        y = torch.zeros(7, 3, 1, requires_grad=True)
        times.gather(y).backward(torch.arange(3.0).view(3, 1, 1).expand(3, 4, 1))
        assert torch.equal(y.grad[..., 0], torch.arange(3.0).expand(7, 3))

    def test_flags_are_joined_to_any_layers_input(self):
        times = Timeline.of(RESET)
        y = torch.randn(7, 3, 2)
        joined = times.flagged(y)
        assert torch.equal(joined[..., :2], y)
        assert torch.equal(joined[..., 2:], times.flags.view(7, 3, 2).float())

    def test_gradients_are_those_of_indexing_where_dummies_have_none(self):
        times = Timeline.of(RESET)
        x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
        real = ~times.flags.any(1).view(7, 3, 1)

        def there_and_back(x):
            return times.gather((times.spread(x)[..., :2] * real).sin()) * times.gather(times.spread(x))[..., :2]

        assert torch.autograd.gradcheck(lambda x: (times.spread(x)[..., :2] * real).sin(), x)
        assert torch.autograd.gradgradcheck(there_and_back, x)
