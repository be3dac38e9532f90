"""torch.nn's recurrent modules as memory layers: `B` rows, `T` steps, `D` width, `N` layers, `H` hidden width."""

from torch import nn

from glulam import MemoryLayer, TensorSpec, mask_state


class Cell(MemoryLayer):
    """LSTMCell; a segment is the base class's loop."""

    def __init__(self, width, hidden):
        super().__init__()
        self.cell = nn.LSTMCell(width, hidden)

    def state_spec(self):
        """Return `h` and `c`, `[H]` each."""
        return dict.fromkeys("hc", TensorSpec((self.cell.hidden_size,), "float"))

    def step(self, x, state):
        """Return `[B, H]` and the state."""
        h, c = self.cell(x, (state["h"], state["c"]))
        return h, {"h": h, "c": c}


class _Stack(MemoryLayer):
    """A module that wants its state as `[N, B, H]`, and knows nothing of resets."""

    names = "h"

    def __init__(self, module):
        super().__init__()
        self.module = module

    def state_spec(self):
        """Return each state, `[N, H]`."""
        return dict.fromkeys(self.names, TensorSpec((self.module.num_layers, self.module.hidden_size), "float"))

    def step(self, x, state):
        """Return `[B, H]` and the state."""
        y, state = self._call(x[:, None], state)
        return y[:, 0], state

    def sequence(self, x, reset, state):
        """Return `[B, T, H]` and the state: at once if no reset falls inside, step by step otherwise."""
        if reset[:, 1:].any():
            return super().sequence(x, reset, state)
        return self._call(x, mask_state(state, reset[:, 0]))

    def _call(self, x, state):
        before = tuple(state[name].transpose(0, 1).contiguous() for name in self.names)  # (N, B, H)
        y, after = self.module(x, before if len(before) > 1 else before[0])
        after = after if isinstance(after, tuple) else (after,)
        return y, {name: value.transpose(0, 1) for name, value in zip(self.names, after, strict=True)}


class Gru(_Stack):
    """GRU."""

    def __init__(self, width, hidden, layers):
        super().__init__(nn.GRU(width, hidden, layers, batch_first=True))


class Lstm(_Stack):
    """LSTM."""

    names = "hc"

    def __init__(self, width, hidden, layers):
        super().__init__(nn.LSTM(width, hidden, layers, batch_first=True))
