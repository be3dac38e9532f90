"""An environment of any autoreset mode as one stream of steps.

Legend: `B` rows of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import torch

from glulam import GlulamError

if TYPE_CHECKING:
    from tensordict import TensorDict
    from torch import Tensor

    from glulam import Environment, EnvSpec, RestartableEnvironment

__all__ = ["Step", "World", "check_ids"]


@attrs.frozen(eq=False)
class Step:
    """What the actions of one step led to; tensors are valid until the next one.

    Attributes:
        action: the actions.
        td: what the policy reads next, `[B]`; its flags say whose episode ended *before* that observation, so that
            memory is cleared exactly once an episode.
        reward: what the actions earned, `[B]`.
        done: the episode terminated with these actions, `[B]`.
        truncated: it was cut off with them, `[B]`.
        final_obs: the last observation of the rows that ended, `[B, ...]`; other rows are unspecified.
        valid: rows whose next action counts, `[B]`; elsewhere the world only starts the next episode.
    """

    action: Tensor
    td: TensorDict
    reward: Tensor
    done: Tensor
    truncated: Tensor
    final_obs: Tensor
    valid: Tensor


class World:
    """Steps an environment and hides how it starts its episodes.

    Under `same_step` a step is the environment's own. Under `next_step` the last observation of an episode is a
    row like any other but for its action, which the environment ignores: its flags reach the policy one step
    later, with the first observation of the next episode. Under `disabled` ended rows are restarted at once,
    which makes it `same_step`.

    An environment may have `send(actions)`, which begins a step, and `receive()`, which returns what `step` would have;
    then it steps while something else is done between the two.

    Agents that come and go keep their rows (see `glulam.Environment`, `active`): while they are away no action of
    theirs counts and no episode ends, though the policy reads a flag, which keeps its memory of them clear.

    Attributes:
        environment: what is stepped.
        valid: rows whose next action counts, `[B]`: after `reset`, and as in the latest step.
    """

    valid: Tensor

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._actions: Tensor

    @property
    def spec(self) -> EnvSpec:
        """The environment's spec."""
        return self.environment.spec

    @property
    def has_garbage(self) -> bool:
        """Whether some actions are ignored, so that losses must leave them out."""
        return self.spec.autoreset == "next_step" or "active" in self.spec.optional_inputs

    def reset(self) -> TensorDict:
        """Start anew in all rows and return what the policy reads first, `[B]`."""
        td = self.environment.reset()
        self._device = td.get("env_obs").device
        self._all = torch.ones(td.batch_size, dtype=torch.bool)
        self._ended = [torch.zeros_like(self._all), torch.zeros_like(self._all)]
        self.valid = self._present(td)
        return td

    def step(self, actions: Tensor) -> Step:
        """Apply actions, `[B]`."""
        self.send(actions)
        return self.receive()

    def send(self, actions: Tensor) -> None:
        """Have actions, `[B]`, applied from now on, if the environment can do that by itself.

        They go to the device that its observations are on.
        """
        self._actions = actions.to(self._device)
        if hasattr(self.environment, "send"):
            self.environment.send(self._actions)

    def receive(self) -> Step:
        """Return what the actions that were sent led to."""
        actions, environment = self._actions, cast("Any", self.environment)
        td: TensorDict = environment.receive() if hasattr(environment, "receive") else environment.step(actions)
        step = self._told(actions, td)
        self.valid = step.valid
        return step

    def _told(self, actions: Tensor, td: TensorDict) -> Step:
        reward, done, truncated = (td.get(key) for key in ("rewards", "dones", "truncateds"))
        if self.spec.autoreset == "same_step":
            if "active" in self.spec.optional_inputs:
                done, truncated = done & self.valid, truncated & self.valid
            return Step(actions, td, reward, done, truncated, td.get("final_obs"), self._present(td))
        if self.spec.autoreset == "disabled":
            return self._restarted(actions, td)
        shifted = td.copy()
        shifted.set("dones", self._ended[0]).set("truncateds", self._ended[1])
        self._ended = [done.clone(), truncated.clone()]
        return Step(actions, shifted, reward, done, truncated, td.get("env_obs"), ~(done | truncated))

    def _present(self, td: TensorDict) -> Tensor:
        """Return the rows whose agents are in the game, `[B]`."""
        return td.get("active").clone() if "active" in self.spec.optional_inputs else self._all

    def _restarted(self, actions: Tensor, td: TensorDict) -> Step:
        reward, done, truncated = (td.get(key).clone() for key in ("rewards", "dones", "truncateds"))
        ended = done | truncated
        final_obs = td.get("env_obs")
        if bool(ended.any()):
            final_obs = final_obs.clone()
            td = cast("RestartableEnvironment", self.environment).restart(ended).copy()
            td.set("rewards", reward).set("dones", done).set("truncateds", truncated)
        return Step(actions, td, reward, done, truncated, final_obs, self._all)


def check_ids(ids: Tensor, spec: EnvSpec) -> None:
    """Refuse ids of rows, `[B]`, that would not be rows' own once those of other environments follow them.

    Raises:
        GlulamError: if one is not below their number.
    """
    if int(ids.max()) >= len(ids):
        found = f"environment {spec.name!r} has env_id {int(ids.max())} among {len(ids)} rows"
        msg = f"{found}, so that it cannot be a part of a larger one: ids count from 0"
        raise GlulamError(msg)
