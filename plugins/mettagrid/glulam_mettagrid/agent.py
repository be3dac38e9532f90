"""A glulam policy as an agent of mettagrid's own runner; a bundle's `policy_spec.json` names the class.

Legend: `G` agents that act in one call, `N` tokens.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.types import Action
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_mettagrid.spec import interface_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mettagrid.policy.policy_env_interface import PolicyEnvInterface
    from mettagrid.simulator import AgentObservation, Simulation
    from torch import Tensor

    from glulam import Policy

__all__ = ["OFFERED", "GlulamAgent", "GlulamPolicy"]

OFFERED = ("last_actions",)
"""The optional inputs that an agent can know in mettagrid's runner, which tells it observations alone."""

_drawing = threading.Lock()  # the runner steps several policies at once, and torch has one stream of random numbers


class GlulamPolicy(MultiAgentPolicy):
    """The policy of a checkpoint, and a memory for each agent.

    Args:
        policy_env_info: what the runner tells of its world; names decide, as in every world.
        device: where the network runs.
        greedy: whether agents take the likeliest action instead of drawing one.
        seed: of what they draw; None for another one each time.
    """

    def __init__(
        self, policy_env_info: PolicyEnvInterface, device: str = "cpu", *, greedy: bool = False, seed: int | None = None
    ) -> None:
        super().__init__(policy_env_info, device=device)
        self.env = interface_spec(policy_env_info, "mettagrid's runner", OFFERED)
        self._device, self._greedy = device, greedy
        generator = torch.Generator(device)
        generator.seed() if seed is None else generator.manual_seed(seed)
        self._random = generator.get_state()
        self._policy: Policy | None = None
        agents = policy_env_info.num_agents
        self._begins = torch.ones(agents, dtype=torch.bool)
        self._last_actions = torch.zeros(agents, dtype=torch.int64)
        self._ids: dict[tuple[int, ...], Tensor] = {}

    # --- what the runner calls

    def agent_policy(self, agent_id: int) -> GlulamAgent:
        """Return the agent of a number."""
        return GlulamAgent(self, agent_id)

    def load_policy_data(self, policy_data_path: str) -> None:
        """Read the checkpoint, mapped to the runner's world by name.

        Raises:
            GlulamError: as `glulam.load` does.
        """
        policy = glulam.load(policy_data_path, self.env, device=self._device).eval()
        policy.each("set_greedy", self._greedy)
        policy.reserve(len(self._begins))
        self._policy = policy

    def save_policy_data(self, policy_data_path: str) -> None:
        """Write a checkpoint."""
        glulam.save(self.network(), policy_data_path)

    def network(self) -> Policy:
        """Return the policy.

        Raises:
            GlulamError: if no checkpoint has been read.
        """
        if self._policy is None:
            msg = "this agent has no weights yet: load_policy_data(CHECKPOINT), or a bundle, which names one"
            raise GlulamError(msg)
        return self._policy

    def reset(self) -> None:
        """Start a new episode for every agent."""
        self._begins.fill_(True)  # noqa: FBT003 - the value

    # --- what agents call

    def begin(self, agent: int) -> None:
        """Start a new episode for one agent."""
        self._begins[agent] = True

    def act(self, agents: Sequence[int], observations: Sequence[AgentObservation]) -> list[Action]:
        """Return the actions of some agents, computed in one call."""
        policy = self.network()
        key = tuple(agents)
        ids = self._ids.setdefault(key, torch.tensor(key))
        begins = self._begins[ids]  # (G,)
        td = TensorDict(
            {
                "env_obs": self._bytes(observations),
                "env_id": ids,
                "dones": begins,
                "truncateds": torch.zeros_like(begins),
                "last_actions": self._last_actions[ids].masked_fill(begins, 0),
            },
            batch_size=[len(key)],
        )
        if policy.device.type != "cpu":
            td = td.to(policy.device)
        with torch.no_grad(), self._stream():
            actions = policy(td)["actions"].cpu()
        self._begins[ids] = False
        self._last_actions[ids] = actions
        names = self.env.actions.names
        return [Action(name=names[action]) for action in actions.tolist()]

    def _bytes(self, observations: Sequence[AgentObservation]) -> Tensor:
        """Return what the runner has taken apart as it was, `[G, N, columns]` uint8."""
        layout = self.env.token_layout
        rows = np.full((len(observations), layout.count, layout.columns), layout.padding, np.uint8)
        for row, observation in zip(rows, observations, strict=True):
            tokens = observation.tokens
            if tokens:
                row[: len(tokens)] = [token.raw_token for token in tokens]
        return torch.from_numpy(rows)

    @contextlib.contextmanager
    def _stream(self) -> Iterator[None]:
        """Draw from this policy's own random numbers, and leave the runner's as they were."""
        if self._greedy:
            yield
            return
        with _drawing:
            others = _random_state(self._device)
            _set_random_state(self._device, self._random)
            try:
                yield
                self._random = _random_state(self._device)
            finally:
                _set_random_state(self._device, others)


def _random_state(device: str) -> Tensor:
    return torch.cuda.get_rng_state(device) if torch.device(device).type == "cuda" else torch.get_rng_state()


def _set_random_state(device: str, state: Tensor) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


class GlulamAgent(AgentPolicy):
    """One agent: it acts alone, or in one call with others of its policy."""

    def __init__(self, policy: GlulamPolicy, agent: int) -> None:
        super().__init__(policy.policy_env_info)
        self.policy, self.agent = policy, agent

    def step(self, obs: AgentObservation) -> Action:
        """Return the next action."""
        return self.policy.act([self.agent], [obs])[0]

    def can_step_group(self, policies: Sequence[AgentPolicy]) -> bool:
        """Whether all of these are agents of this policy."""
        return all(isinstance(other, GlulamAgent) and other.policy is self.policy for other in policies)

    def step_group(self, observations: list[tuple[int, AgentObservation]]) -> list[Action]:
        """Return the next actions of some agents of this policy, by their numbers."""
        return self.policy.act([agent for agent, _ in observations], [seen for _, seen in observations])

    def reset(self, simulation: Simulation | None = None) -> None:
        """Start a new episode."""
        del simulation
        self.policy.begin(self.agent)
