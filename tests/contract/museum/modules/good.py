"""Good layers, as plain as they can be. `B` rows, `N` tokens, `T` steps, `D` width in, `H` width out."""

from __future__ import annotations

import torch
from tensordict.nn import TensorDictModuleBase
from torch import nn
from torch.nn.functional import linear, log_softmax

from glulam import GlulamError, MemoryLayer, NameReport, TensorSpec

__all__ = ["Head", "Lstm", "Map", "Native", "Pool", "Recurrent", "Table", "lowest"]


def lowest(like):
    return torch.finfo(like.dtype).min


class Map(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / in_dim**0.5)
        self.bias = nn.Parameter(torch.randn(out_dim))

    def forward(self, x):
        return linear(x, self.weight, self.bias)


class Native(TensorDictModuleBase):
    def __init__(self, in_key, out_key, in_dim, out_dim):
        super().__init__()
        self.in_keys, self.out_keys = [in_key], [out_key]
        self.map = Map(in_dim, out_dim)

    def forward(self, td):
        td.set(self.out_keys[0], self.map(td.get(self.in_keys[0])))
        return td


class Pool(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.map = Map(in_dim, out_dim)

    def forward(self, tokens, mask):
        shown = self.map(tokens).masked_fill(~mask[..., None], 0)  # (B, N, H)
        return shown.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class Recurrent(MemoryLayer):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.out_dim = out_dim
        self.of_input = Map(in_dim, 2 * out_dim)
        self.of_state = nn.Parameter(torch.randn(2 * out_dim, out_dim) / out_dim**0.5)

    def state_spec(self):
        return {"h": TensorSpec((self.out_dim,), "float")}

    def cell(self, gates, h):
        keep, new = (gates + linear(h, self.of_state)).chunk(2, -1)
        keep = keep.sigmoid()
        return keep * h + (1 - keep) * new.tanh()

    def step(self, x, state):
        h = self.cell(self.of_input(x), state["h"])
        return h, {"h": h}

    def sequence(self, x, reset, state):
        gates, h, outputs = self.of_input(x), state["h"], []  # (B, T, 2H)
        for t in range(x.shape[1]):
            h = self.cell(gates[:, t], h.masked_fill(reset[:, t, None], 0))
            outputs.append(h)
        return torch.stack(outputs, 1), {"h": h}


class Lstm(MemoryLayer):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.out_dim = out_dim
        self.of_input = Map(in_dim, 4 * out_dim)
        self.of_state = nn.Parameter(torch.randn(4 * out_dim, out_dim) / out_dim**0.5)

    def state_spec(self):
        spec = TensorSpec((self.out_dim,), "float")
        return {"h": spec, "c": spec}

    def cell(self, gates, h, c):
        into, keep, out, new = (gates + linear(h, self.of_state)).chunk(4, -1)
        c = keep.sigmoid() * c + into.sigmoid() * new.tanh()
        return out.sigmoid() * c.tanh(), c

    def step(self, x, state):
        h, c = self.cell(self.of_input(x), state["h"], state["c"])
        return h, {"h": h, "c": c}

    def sequence(self, x, reset, state):
        gates, h, c, outputs = self.of_input(x), state["h"], state["c"], []  # (B, T, 4H)
        for t in range(x.shape[1]):
            begun = reset[:, t, None]
            h, c = self.cell(gates[:, t], h.masked_fill(begun, 0), c.masked_fill(begun, 0))
            outputs.append(h)
        return torch.stack(outputs, 1), {"h": h, "c": c}


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.greedy = False

    def initialize_to_environment(self, env, device=None):
        if env.actions.kind != "discrete":
            msg = f"the museum's head is for discrete actions, but environment {env.name!r} has {env.actions.kind} ones"
            raise GlulamError(msg)

    def log_probs(self, logits, mask):
        if mask is not None:
            logits = logits.masked_fill(~mask, lowest(logits))
        return log_softmax(logits, -1)

    def act(self, logits, mask=None):
        full = self.log_probs(logits, mask)
        noise = torch.empty_like(full).exponential_().clamp_min(torch.finfo(full.dtype).tiny)
        actions = (full.exp() / noise).argmax(-1)
        return actions, full.gather(-1, actions[:, None]).squeeze(-1)

    def score(self, logits, mask, actions):
        full = self.log_probs(logits, mask)
        log_prob = full.gather(-1, actions[:, None]).squeeze(-1)
        entropy = -(full.exp() * full.clamp_min(lowest(full))).sum(-1)
        return log_prob, entropy, full

    def forward(self, logits, mask=None):
        return self.act(logits, mask)


class Table(nn.Module):
    def __init__(self, max_actions, out_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(max_actions, out_dim))
        self.known: list[str] = []
        self.present: tuple[str, ...] = ()
        self.register_buffer("index", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("there", torch.zeros(0, dtype=torch.bool), persistent=False)

    def initialize_to_environment(self, env, device=None):
        self.known = self.known or self.fitting(env.actions.names)
        self.present = env.actions.names
        self.map(device or self.index.device)

    def learn_names(self, env):
        new = tuple(name for name in env.actions.names if name not in self.known)
        self.known = self.fitting([*self.known, *new])
        self.map(self.index.device)
        return new

    def fitting(self, names):
        if len(names) > len(self.weight):
            msg = f"{len(names)} action names do not fit into {len(self.weight)} rows; raise max_actions"
            raise GlulamError(msg)
        return list(names)

    def map(self, device):
        rows = {name: row for row, name in enumerate(self.known)}
        found = [rows.get(name, -1) for name in self.present]
        self.index = torch.tensor([max(row, 0) for row in found], dtype=torch.int64, device=device)
        self.there = torch.tensor([row >= 0 for row in found], dtype=torch.bool, device=device)

    def name_report(self):
        return NameReport.of(self.known, self.present)

    def get_extra_state(self):
        return {"names": list(self.known)}

    def set_extra_state(self, state):
        self.known = self.fitting(state["names"])
        self.map(self.index.device)

    def forward(self):
        return self.weight[self.index].masked_fill(~self.there[:, None], 0)
