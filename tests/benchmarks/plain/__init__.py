"""The five reference policies written plainly in PyTorch: what a researcher writes who knows PyTorch and no glulam.

They are the peers of the speed benchmarks and an oracle of the tests (`tests/plugins/policies/test_plain.py`), and
import nothing of glulam. The mathematics is that of the policies as glulam ships them (a skip around the memory, tags
and actions by name); the way it is computed is the one that comes first to mind: cos and sin at each call, attention
by einsum with an additive mask, whole blocks, a box in NCHW, `nn.LSTM`. They are written once and left alone: what
makes glulam quicker belongs into glulam.
"""

from tests.benchmarks.plain.policy import NAMES, PlainPolicy, plain_policy
from tests.benchmarks.plain.world import World

__all__ = ["NAMES", "PlainPolicy", "World", "plain_policy"]
