"""A world of cues: an action that names the cue earns 1, another -0.25.

Row b's episodes last 3 + b % 4 steps (`toy:cues`) and end by turns in termination and truncation. `toy:short`
has one agent, episodes of one step, and a reward of 1 whatever happens. `toy:MODE`, a mode of autoreset, plays the
same episodes in each mode, and can be made in parts, as `toy:throws` and `toy:hangs` can; `toy:shown_MODE` has one
agent and can be looked at. `toy:deadly` kills its process in step 30 of rank 1, unless torchrun has restarted it.
"""

import os
import signal
import time

import attrs
import numpy as np
import torch
from tensordict import TensorDict

import glulam

SPEC = glulam.EnvSpec(
    name="toy:cues",
    tokens=glulam.TokenLayout(count=2),
    view_height=3,
    view_width=3,
    features=(glulam.Feature(name="cue", id=0),),
    actions=glulam.ActionSpec(names=("a", "b", "c", "d")),
    num_agents=2,
)


class World:
    """Tensors are reused from step to step, as the fastest adapters do."""

    def __init__(self, spec, lengths, num_envs, seed):
        self.spec, self.closed = spec, False
        rows = num_envs * spec.num_agents
        self.length = torch.tensor([lengths[row % len(lengths)] for row in range(rows)])
        self.generator = torch.Generator().manual_seed(seed)
        self.age, self.episode = torch.zeros(2, rows, dtype=torch.int64).unbind()
        self.out = {
            "env_obs": torch.zeros(rows, spec.num_tokens, 3, dtype=torch.uint8),
            "env_id": torch.arange(rows),
            "rewards": torch.zeros(rows),
            "dones": torch.zeros(rows, dtype=torch.bool),
            "truncateds": torch.zeros(rows, dtype=torch.bool),
            "final_obs": torch.zeros(rows, spec.num_tokens, 3, dtype=torch.uint8),
        }

    def draw(self):
        obs = self.out["env_obs"]
        obs[:, 1] = 255
        obs[:, 0, 2] = torch.randint(4, (len(obs),), generator=self.generator, dtype=torch.uint8)

    def reset(self):
        self.draw()
        return TensorDict(self.out, batch_size=[len(self.age)])

    def step(self, actions):
        right = actions == self.out["env_obs"][:, 0, 2]
        short = self.spec.name == "toy:short"
        self.out["rewards"].copy_(torch.ones(len(right)) if short else torch.where(right, 1.0, -0.25))
        self.age += 1
        ended = self.age >= self.length
        truncates = (self.episode + torch.arange(len(ended))) % 2 == 1
        self.out["dones"].copy_(ended & ~truncates)
        self.out["truncateds"].copy_(ended & truncates)
        self.age[ended] = 0
        self.episode += ended
        self.draw()
        self.out["final_obs"].copy_(self.out["env_obs"])
        self.draw()
        self.out["final_obs"][~ended] = 77  # unspecified: whoever reads it will notice
        return TensorDict(self.out, batch_size=[len(self.age)])

    def close(self):
        self.closed = True


class Deadly(World):
    """Counts the steps of the process, whose environments are made anew now and then."""

    steps = 0

    def step(self, actions):
        Deadly.steps += 1
        first = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
        if Deadly.steps == 30 and os.environ.get("RANK") == "1" and first:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(actions)


class Modes:
    """Episode e of row b lasts 1 + (b + 2e) % 4 steps, ends by turns in termination and truncation, and shows at its
    step k the cue (b + 3e + k) % 4; all of it whatever the mode. Tensors are reused. Rows count from `first`.
    """

    def __init__(self, spec, rows, first=0):
        self.spec, self.rows = spec, torch.arange(first, first + rows)
        self.age, self.episode = torch.zeros(2, rows, dtype=torch.int64).unbind()
        self.waiting = torch.zeros(rows, dtype=torch.bool)
        self.out = {
            "env_obs": torch.zeros(rows, spec.num_tokens, 3, dtype=torch.uint8),
            "env_id": torch.arange(rows),
            "rewards": torch.zeros(rows),
            "dones": torch.zeros(rows, dtype=torch.bool),
            "truncateds": torch.zeros(rows, dtype=torch.bool),
            "final_obs": torch.zeros(rows, spec.num_tokens, 3, dtype=torch.uint8),
        }

    def show(self):
        self.out["env_obs"][:, 0, 2] = (self.rows + 3 * self.episode + self.age) % 4
        return TensorDict(self.out, batch_size=[len(self.rows)])

    def reset(self):
        return self.show()

    def renew(self, rows):
        self.age[rows] = 0
        self.episode += rows
        self.waiting &= ~rows

    def restart(self, rows):
        assert self.spec.autoreset == "disabled"
        assert (rows == self.waiting).all()  # all that wait, and nobody else
        self.renew(rows)
        for key in ("rewards", "dones", "truncateds"):
            self.out[key].zero_()
        return self.show()

    def step(self, actions):
        renewed = self.waiting.clone()
        assert self.spec.autoreset == "next_step" or not renewed.any()
        right = actions == self.out["env_obs"][:, 0, 2]
        self.out["rewards"].copy_(torch.where(right, 1.0, -0.25).masked_fill(renewed, 0))
        self.age += ~renewed
        ended = (self.age >= 1 + (self.rows + 2 * self.episode) % 4) & ~renewed
        truncates = (self.episode + self.rows) % 2 == 1
        self.out["dones"].copy_(ended & ~truncates)
        self.out["truncateds"].copy_(ended & truncates)
        self.waiting |= ended
        self.renew(renewed)
        if self.spec.autoreset == "same_step":
            self.out["final_obs"].copy_(self.show()["env_obs"])
            self.renew(ended)
        return self.show()

    def close(self):
        self.closed = True


class Throws(Modes):
    """Fails in step 1,000 of whoever plays row 5."""

    steps = 0

    def step(self, actions):
        self.steps += 1
        if self.steps == 1000 and 5 in self.rows:
            msg = "the goal is gone"
            raise ValueError(msg)
        return super().step(actions)


class Hangs(Modes):
    """Never comes back from its third step."""

    steps = 0

    def step(self, actions):
        self.steps += 1
        while self.steps == 3:
            time.sleep(0.01)
        return super().step(actions)


MADE = {"throws": Throws, "hangs": Hangs}


class Shown(Modes):
    """A picture is 40 times the cue, all over; as text, the cue."""

    def reset(self):
        self.last = None
        return super().reset()

    def cue(self, final):
        return int(self.last if final else self.out["env_obs"][0, 0, 2])

    def step(self, actions):
        last, waited = (self.rows + 3 * self.episode + self.age + 1) % 4, self.waiting.clone()
        td = super().step(actions)
        if bool((td["dones"] | td["truncateds"])[0] & ~waited[0]):
            self.last = last[0]
        return td

    def render(self, row, *, final=False):
        assert row == 0
        return np.full((4, 6, 3), 40 * self.cue(final), np.uint8)

    def render_text(self, row, *, final=False):
        assert row == 0
        return f"cue {self.cue(final)}"


TASKS = {
    "cues": (SPEC, (3, 4, 5, 6)),
    "uneven": (attrs.evolve(SPEC, name="toy:uneven"), (1, 9)),
    "deadly": (attrs.evolve(SPEC, name="toy:deadly"), (3, 4, 5, 6)),
    "short": (attrs.evolve(SPEC, name="toy:short", num_agents=1), (1,)),
}
TASKS |= {
    mode: (attrs.evolve(SPEC, name=f"toy:{mode}", autoreset=mode), ())
    for mode in ("same_step", "next_step", "disabled")
}
TASKS |= {name: (attrs.evolve(SPEC, name=f"toy:{name}"), ()) for name in MADE}

TASKS |= {
    f"shown_{mode}": (attrs.evolve(SPEC, name=f"toy:shown_{mode}", autoreset=mode, num_agents=1), ())
    for mode in ("same_step", "next_step", "disabled")
}


class Worlds:
    def spec(self, task):
        if task not in TASKS:
            msg = f"no task {task!r} in toy"
            raise glulam.GlulamError(msg)
        return TASKS[task][0]

    def make(self, task, *, num_envs, seed, first=0):
        spec = self.spec(task)
        if task == spec.autoreset or task in MADE:
            return MADE.get(task, Modes)(spec, num_envs * spec.num_agents, first * spec.num_agents)
        if first:
            msg = f"toy:{task} is one piece"
            raise glulam.GlulamError(msg)
        if task == f"shown_{spec.autoreset}":
            return Shown(spec, num_envs)
        return (Deadly if task == "deadly" else World)(spec, TASKS[task][1], num_envs, seed)


worlds = Worlds()
