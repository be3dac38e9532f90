"""Layers: a one-hot of the cue, a leaky sum as memory, a linear map to logits and values, a categorical head."""

import attrs

import glulam

CUES = 4


@glulam.layer
class Shaper(glulam.ObsShaperConfig):
    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("seen", shape="width")

    @property
    def width(self):
        return CUES

    def build(self, obs_meta):
        import torch

        class OneHot(torch.nn.Module):
            def forward(self, obs):
                return torch.nn.functional.one_hot(obs[:, 0, 2].long() % CUES, CUES).float()

        return OneHot()


@glulam.layer
class Memory(glulam.LayerConfig):
    """y = x + state; the state is `keep` times itself plus tanh of a linear map of x."""

    in_key: str = glulam.reads("seen", shape="in_dim")
    out_key: str = glulam.writes("core", shape="in_dim")
    in_dim: int | None = None
    keep: float = attrs.field(default=0.9)

    def build(self):
        import torch

        width, keep = self.in_dim, self.keep

        class LeakySum(glulam.MemoryLayer):
            def __init__(self):
                super().__init__()
                self.into = torch.nn.Linear(width, width)

            def state_spec(self):
                return {"sum": glulam.TensorSpec((width,), "float")}

            def step(self, x, state):
                total = keep * state["sum"] + torch.tanh(3 * self.into(x))
                return x + total, {"sum": total}

        return LeakySum()


@glulam.layer
class Table(glulam.LayerConfig):
    in_key: str = glulam.reads("core", shape="in_dim")
    out_key: str = glulam.writes("logits", shape="env.num_actions")
    values_key: str = glulam.writes("values", shape="")
    in_dim: int | None = None
    num_actions: int | None = glulam.from_env("num_actions")

    def build(self):
        import torch

        class TwoMaps(torch.nn.Module):
            def __init__(self, width, count):
                super().__init__()
                self.actor = torch.nn.Linear(width, count)
                self.critic = torch.nn.Linear(width, 1)

            def forward(self, x):
                return self.actor(x), self.critic(x).squeeze(-1)

        return TwoMaps(self.in_dim, self.num_actions)


@glulam.layer
class Head(glulam.LayerConfig):
    in_key: str = glulam.reads("logits", shape="A")
    actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")
    table_key: str = glulam.writes("full_log_probs", shape="A", phase="score")

    def build(self):
        import torch

        class Categorical(torch.nn.Module):
            greedy = False

            def set_greedy(self, greedy):
                self.greedy = greedy

            def act(self, logits):
                table = logits.log_softmax(-1)
                actions = table.argmax(-1) if self.greedy else table.exp().multinomial(1).squeeze(-1)
                return actions, table.gather(-1, actions[:, None]).squeeze(-1)

            def score(self, logits, actions):
                table = logits.log_softmax(-1)
                return table.gather(-1, actions[:, None]).squeeze(-1), -(table.exp() * table).sum(-1), table

        return Categorical()
