"""The calls that a world answers.

Legend: `B` = environments x agents, one row an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tensordict import TensorDict
    from torch import Tensor

    from glulam.environment import EnvSpec

__all__ = ["Environment", "RenderableEnvironment", "RestartableEnvironment"]


class Environment(Protocol):
    """A vectorised world: `B` = environments x agents rows, always the same rows in the same order.

    `reset` and `step` return a TensorDict `[B]` with the five input keys (and the optional ones that the spec
    names) and, under `final_obs`, the last observation of the rows whose episode has just ended (other rows of
    it are unspecified). `dones[b]` and `truncateds[b]` mean that row b's episode ended *before* the
    observation in the same TensorDict; `rewards[b]` is what the last action earned.

    Where the spec names `active`, rows belong to agents that come and go: where it is False, row b's agent is in no
    episode, its observation and reward are zeros, and the action that follows is ignored. One of its two flags stays
    as it was, so that it holds in every such step and with the first observation of the agent's next episode; an
    episode has ended with a step only in rows that were active before it.

    That is `autoreset` `same_step`. A world that starts the next episode one step later (`next_step`), or only
    when told to (`disabled`), sets the flags together with the last observation, which then stands in `env_obs`
    as well; under `next_step` the action that follows is ignored and leads to the first observation of the next
    episode, with reward 0 and no flag, and under `disabled` the world has `restart` as well.
    """

    spec: EnvSpec

    def reset(self) -> TensorDict:
        """Start new episodes in all rows and return their first observations."""
        ...

    def step(self, actions: Tensor) -> TensorDict:
        """Apply `actions` (`[B, ...]`, as the spec's `actions` say) and return what follows."""
        ...

    def close(self) -> None:
        """Free what the world holds."""
        ...


class RestartableEnvironment(Environment, Protocol):
    """A world whose `autoreset` is `disabled`: an ended episode waits until it is told to start anew."""

    def restart(self, rows: Tensor) -> TensorDict:
        """Start new episodes in some rows (`[B]`, bool) and return the present observation of every row."""
        ...


class RenderableEnvironment(Environment, Protocol):
    """A world that can be looked at: what `glulam.make_environment(..., render=True)` returns.

    A family whose worlds can do so only where they were made for it takes `render: bool` in its `make`.
    A world may have `render_text(row, *, final=False)` as well: the same as lines of text, with ANSI colours if need
    be. A terminal shows that in place of the picture.
    """

    def render(self, row: int, *, final: bool = False) -> Any:  # noqa: ANN401 - numpy's, which core does not know
        """Return a picture, a NumPy array `(H, W, 3)` of uint8 and always of one size, of the world that a row is in.

        Args:
            row: less than `B`; agents of one world may share its picture.
            final: show what `final_obs` is of, the end of the row's last episode, in place of what `env_obs` is of.
        """
        ...
