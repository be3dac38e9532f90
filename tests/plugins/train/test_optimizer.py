"""What Adam knows comes back, whatever the layout of a weight. Oracle: an optimizer that was never interrupted."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from glulam_train.optimizer import Optimizer
from glulam_train.settings import TrainSettings


class Net(nn.Module):
    """A convolution laid out as `layout` says, and a linear map; as far as an optimizer looks, a policy."""

    layers: dict = {}  # noqa: RUF012 - a policy without layers
    resolved = SimpleNamespace(name="net")

    def __init__(self, layout):
        super().__init__()
        torch.manual_seed(0)
        self.view = nn.Conv2d(3, 4, 3).to(memory_format=layout)
        self.out = nn.Linear(4, 1)

    def loss(self, seed):
        x = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
        return self.out(self.view(x).flatten(1)).square().sum()


def pair(layout, **settings):
    net = Net(layout)
    return net, Optimizer(net, {}, TrainSettings(policy="net", env="none", **settings))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("groups", [(), ({"layers": ["out"], "learning_rate": 0.1, "weight_decay": 0.1},)])
def test_steps_go_on_as_if_nothing_had_been(layout, groups):
    net, optimizer = pair(layout, groups=groups)
    for seed in range(3):
        optimizer.step(net.loss(seed))
    twin, other = pair(layout, groups=groups)
    twin.load_state_dict(net.state_dict())
    other.load_state_dict({name: value.clone().contiguous() for name, value in optimizer.state_dict().items()})
    for seed in range(3, 6):
        optimizer.step(net.loss(seed))
        other.step(twin.loss(seed))
    for ours, theirs in zip(twin.parameters(), net.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_loss_that_is_not_finite_moves_nothing():
    net, optimizer = pair(torch.contiguous_format)
    before = [weight.clone() for weight in net.parameters()]
    optimizer.step(net.loss(0) * float("nan"))
    assert all(map(torch.equal, before, net.parameters()))
