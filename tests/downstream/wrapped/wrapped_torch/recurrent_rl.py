"""TorchRL's recurrent modules as memory layers: `B` rows, `T` steps, `N` layers, `H` hidden width."""

import torch
from tensordict import TensorDict
from torchrl.modules import GRUModule, LSTMModule, set_recurrent_mode

from glulam import MemoryLayer, TensorSpec, mask_state


class _Module(MemoryLayer):
    """A TensorDict module that is told of resets by `is_init`; of a stored state the first step's counts.

    In recurrent mode it leaves a state stored at a reset as it is, so that it is zeroed here, unless `zeroed` is off.
    """

    names = "h"
    kind = GRUModule

    def __init__(self, width, hidden, layers, *, zeroed=True):
        super().__init__()
        self.shape, self.zeroed = (layers, hidden), zeroed
        keys = {"in_keys": ["x", *self.names], "out_keys": ["y", *(("next", name) for name in self.names)]}
        self.module = self.kind(input_size=width, hidden_size=hidden, num_layers=layers, **keys)

    def state_spec(self):
        """Return each state, `[N, H]`."""
        return dict.fromkeys(self.names, TensorSpec(self.shape, "float"))

    def step(self, x, state):
        """Return `[B, H]` and the state."""
        return self._call(x, torch.zeros(len(x), dtype=torch.bool, device=x.device), state)

    def sequence(self, x, reset, state):
        """Return `[B, T, H]` and the state."""
        state = mask_state(state, reset[:, 0]) if self.zeroed else state
        none = {name: value.new_zeros(len(x), x.shape[1] - 1, *self.shape) for name, value in state.items()}
        stored = {name: torch.cat((value[:, None], none[name]), 1) for name, value in state.items()}  # (B, T, N, H)
        with set_recurrent_mode(True):
            y, after = self._call(x, reset, stored)
        return y, {name: value[:, -1] for name, value in after.items()}

    def _call(self, x, reset, state):
        td = self.module(TensorDict({"x": x, "is_init": reset.unsqueeze(-1), **state}, batch_size=reset.shape))
        return td["y"], {name: td["next", name] for name in self.names}


class TorchrlGru(_Module):
    """GRUModule."""


class TorchrlLstm(_Module):
    """LSTMModule."""

    names = "hc"
    kind = LSTMModule


class DreamerGru(MemoryLayer):
    """DreamerV3BlockGRU."""

    def __init__(self, width, hidden, blocks):
        super().__init__()
        from torchrl.modules import DreamerV3BlockGRU  # TorchRL 0.12 has none

        self.hidden = hidden
        self.module = DreamerV3BlockGRU(width, hidden, projection_size=8, num_blocks=blocks)

    def state_spec(self):
        """Return the state, `[H]`."""
        return {"h": TensorSpec((self.hidden,), "float")}

    def step(self, x, state):
        """Return `[B, H]` and the state."""
        y, state = self.sequence(x[:, None], torch.zeros(len(x), 1, dtype=torch.bool, device=x.device), state)
        return y[:, 0], state

    def sequence(self, x, reset, state):
        """Return `[B, T, H]` and the state."""
        y, h = self.module(x, state["h"], reset)
        return y, {"h": h}
