"""See `numerics.py` one folder up."""

from __future__ import annotations

from torch.nn.functional import softplus

from tests.contract.museum.modules.good import Map


def bounded(x):
    """Return inputs between -10 and 10, so that nothing overflows but what an exhibit is about."""
    return x / (1 + x.abs() / 10)


class Share(Map):
    def forward(self, x):
        return super().forward(x).softmax(-1)


class Softplus(Map):
    def forward(self, x):
        return softplus(super().forward(x))


class Symlog(Map):
    def forward(self, x):
        return super().forward(x.abs().log1p())


class Standard(Map):
    eps = 1e-3

    def forward(self, x):
        x = bounded(x)
        x = x - x.mean(-1, keepdim=True)
        return super().forward(x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt())


class Normed(Map):
    eps = 1e-3

    def forward(self, x):
        x = bounded(x)
        return super().forward(x) * (x.square().sum(-1, keepdim=True) + self.eps).sqrt()


class OverflowsInSoftmax(Map):
    def forward(self, x):
        odds = super().forward(x).exp()
        return odds / odds.sum(-1, keepdim=True)


class OverflowsInSoftplus(Map):
    def forward(self, x):
        return (1 + super().forward(x).exp()).log()


class LogOfZero(Map):
    def forward(self, x):
        return super().forward(x.abs().log())


class DividesByStd(Standard):
    eps = 0


class SqrtAtZero(Normed):
    eps = 0


class GradientOfStd(Map):
    def forward(self, x):
        x = bounded(x)
        return super().forward(x) * x.var(-1, keepdim=True, unbiased=False).sqrt()


class EpsilonTooSmall(Standard):
    eps = 1e-12
