"""TorchRL's modules made of a glulam policy: `actor` and `critic`, for its Collector, GAE and ClipPPOLoss.

Legend: `B` rows, `T` steps, `A` actions, `N` spans of one episode. A TensorDict of TorchRL's has any batch dims;
where a sequence is meant, time is the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from tensordict import TensorDict, TensorDictBase
from tensordict.nn import TensorDictModuleBase
from torch.distributions import Categorical

from glulam._errors import GlulamError
from glulam.inputs import INPUTS, OPTIONAL_INPUTS

try:
    import torchrl.data as specs
    from torchrl.envs.transforms import TensorDictPrimer
    from torchrl.envs.utils import ExplorationType
    from torchrl.modules import OneHotCategorical, ProbabilisticActor, recurrent_mode
except ModuleNotFoundError as error:
    MISSING = f"glulam.interop.torchrl needs TorchRL ({error}): pip install 'torchrl>=0.14.1,<0.15'"
    raise GlulamError(MISSING) from error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from torch import Tensor

    from glulam.policy import Policy

    Key: TypeAlias = "str | tuple[str, ...]"

__all__ = ["KEYS", "actor", "critic"]

KEYS: dict[str, Key] = {
    "env_obs": "observation",
    "actions": "action",
    "act_log_prob": "action_log_prob",
    "full_log_probs": "logits",
    "values": "state_value",
    "resets": "is_init",
    "memory": "glulam",
}
"""TorchRL's key for each of glulam's; below that of `memory` stand the states, `(layer, tensor)`."""

SUPPLIED = ("dones", "truncateds", "rewards", "env_id")  # starts of episodes, and zeros where there is nothing
OTHERS = OPTIONAL_INPUTS | {name: INPUTS[name] for name in ("rewards", "env_id")}


def actor(
    policy: Policy,
    *,
    action: Literal["one_hot", "categorical"] | specs.TensorSpec = "one_hot",
    keys: Mapping[str, Key] | None = None,
) -> Actor:
    """Return a policy as a `ProbabilisticActor`, which has `get_dist` and samples; the weights are shared.

    Args:
        policy: a policy whose action head gives the log probabilities of all actions.
        action: how the world takes actions: as one-hot vectors (`GymEnv` does), as integers, or its `action_spec`.
        keys: changes to `KEYS`; an input that is not in it keeps glulam's name.

    Raises:
        GlulamError: if the head has no such output, the world takes other actions, or `keys` has an unknown key.
    """
    return Actor(policy, _action_kind(action, policy.env.num_actions), _key_map(keys))


def critic(policy: Policy, *, keys: Mapping[str, Key] | None = None) -> PolicyModule:
    """Return the values of a policy as a value network for GAE and losses; the weights are shared.

    It reads the memory that the actor has left, and leaves none.

    Args:
        policy: a policy that gives out `values`.
        keys: as in `actor`, the same in both.

    Raises:
        GlulamError: if the policy gives out no `values`, or `keys` has an unknown key.
    """
    if "values" not in (*policy.out_keys, *policy.keep):
        msg = f"policy {policy.resolved.name!r} gives out no 'values', but {', '.join(policy.out_keys)}"
        raise GlulamError(msg)
    return PolicyModule(policy, _key_map(keys), "values", "values")


class PolicyModule(TensorDictModuleBase):  # type: ignore[misc]  # tensordict ships no types
    """Reads what a policy reads from TorchRL's keys, and writes one of its outputs.

    One step, unless TorchRL's `set_recurrent_mode` says that the last batch dim is time. In a step, memory is zero
    at a start of an episode. In a sequence, it is what stands at the first step, and at each start within: zeros in
    what an actor has recorded, and the state to go on from in the steps that GAE makes of `"next"`.

    Args:
        policy: the policy.
        keys: TorchRL's keys by glulam's.
        output: the policy's key of the output.
        name: glulam's usual name for it, which `keys` knows.
        acts: whether the state after a step is written, under `"next"`.
    """

    def __init__(self, policy: Policy, keys: Mapping[str, Key], output: str, name: str, *, acts: bool = False) -> None:
        super().__init__()
        self.policy, self.key_map, self.output, self.acts = policy, dict(keys), output, acts
        root = keys["memory"] if isinstance(keys["memory"], tuple) else (keys["memory"],)
        layers = policy.memory_layers()
        states = [(layer, state) for layer, module in layers.items() for state in module.initial_state(1)]
        self.state_keys = {state: (*root, *state) for state in states}
        inputs = [keys.get(key, key) for key in policy.in_keys if key not in SUPPLIED]
        self.in_keys = [*inputs, *([keys["resets"]] if layers else []), *self.state_keys.values()]
        self.out_keys = [keys[name], *(("next", *key) for key in self.state_keys.values() if acts)]

    def forward(self, td: TensorDictBase) -> TensorDictBase:
        """Write the output, `[*batch, A]`, or `[*batch, 1]` for values.

        Raises:
            GlulamError: if an input or a state is missing, or a sequence is given where a step is meant.
        """
        sequence = bool(self.state_keys) and self._is_sequence(td)
        rows = torch.Size([td.shape[:-1].numel(), td.shape[-1]] if sequence else [td.numel()])
        inputs = self._inputs(td, rows)
        state = self._stored(td, inputs["dones"])
        if sequence:
            result = self._replay(inputs, state)
        else:
            result, after = self.policy.unroll(inputs, state)
            if self.acts:
                self._remember(td, state, after, inputs["dones"])
        value = result[self.output]
        return td.set(self.out_keys[0], value.reshape((*td.shape, *(value.shape[len(rows) :] or [1]))))

    def _is_sequence(self, td: TensorDictBase) -> bool:
        starts = td.get(self.key_map["resets"], None)
        if starts is not None and torch._C._functorch.is_batchedtensor(starts):  # noqa: SLF001 - it has no public name
            msg = "memory does not run under vmap: write GAE(..., deactivate_vmap=True), or shifted=True"
            raise GlulamError(msg)
        if not recurrent_mode():
            if "time" in td.names:
                msg = "a sequence is given where a step is meant: call GAE too in `with set_recurrent_mode(True):`"
                raise GlulamError(msg)
            return False
        if td.ndim == 0:
            msg = "in recurrent mode the last batch dim is time; the TensorDict has no batch dim"
            raise GlulamError(msg)
        return True

    def _inputs(self, td: TensorDictBase, rows: torch.Size) -> TensorDict:
        """Return what the policy reads under its own keys, `[B]` or `[B, T]`."""
        starts = td.get(self.key_map["resets"], None)
        if starts is None:
            if self.state_keys:
                raise _lacks(td, self.key_map["resets"], "append torchrl.envs.InitTracker() to the environment")
            starts = torch.zeros(td.shape, dtype=torch.bool, device=self.policy.device)
        starts = starts.reshape(rows)
        zeros = torch.zeros_like(starts)
        inputs = TensorDict({"dones": starts, "truncateds": zeros}, batch_size=rows)
        inputs.update({"rewards": zeros.float(), "env_id": zeros.long()})
        for name in self.policy.in_keys:
            key = self.key_map.get(name, name)
            value = None if name in {"dones", "truncateds"} else td.get(key, None)
            if value is not None:
                scalar = name in OTHERS and not OTHERS[name][0]
                inputs.set(name, value.reshape((*rows, *([] if scalar else value.shape[td.ndim :]))))
            elif name not in SUPPLIED:
                raise _lacks(td, key, f"the policy reads it as {name!r}")
        if self.acts:  # the log probabilities of all actions do not depend on the one that is scored
            inputs.set(self.policy.action_head.acted_keys[0], zeros.long())
        return inputs

    def _stored(self, td: TensorDictBase, start: Tensor) -> TensorDictBase | None:
        """Return the states, `[B]` or `[B, T]`, by `(layer, tensor)`; None if there are none and none is needed."""
        found = {state: td.get(key, None) for state, key in self.state_keys.items()}
        missing = [self.state_keys[state] for state, value in found.items() if value is None]
        if not missing:
            states = {state: value.reshape((*start.shape, *value.shape[td.ndim :])) for state, value in found.items()}
            return TensorDict(states, batch_size=start.shape)
        if bool((start if start.dim() == 1 else start[:, 0]).all()):
            return None
        raise _lacks(td, missing[0], "append the actor's make_tensordict_primer() to the environment")

    def _remember(
        self, td: TensorDictBase, before: TensorDictBase | None, after: TensorDictBase, start: Tensor
    ) -> None:
        for state, key in self.state_keys.items():
            value = after[state]
            td.set(("next", *key), value.reshape((*td.shape, *value.shape[1:])))
            if before is not None:  # a replay is to start from what this step has started from
                zeroed = before[state].masked_fill(start.view(-1, *[1] * (value.dim() - 1)), 0)
                td.set(key, zeroed.reshape((*td.shape, *value.shape[1:])))

    def _replay(self, inputs: TensorDict, state: TensorDictBase | None) -> TensorDict:
        """Return the outputs of a sequence, `[B, T]`."""
        start = inputs["dones"]
        if state is None or not _holds_any(state[start]):  # nothing but zeros, where memory starts anew
            return self.policy.unroll(inputs, None if state is None else state[:, 0])[0]
        start = start.clone()
        start[:, 0] = True
        rows, inside = _spans(start)
        spans = inputs.flatten(0, 1)[rows]  # (N, T)
        spans.set("dones", torch.zeros_like(inside))
        result, _ = self.policy.unroll(spans, state[start])
        return result[inside].reshape(start.shape)


class Actor(ProbabilisticActor):  # type: ignore[misc]  # torchrl ships no types
    """A policy that acts; see `actor`."""

    def __init__(self, policy: Policy, kind: str, keys: dict[str, Key]) -> None:
        super().__init__(
            PolicyModule(policy, keys, _log_probs_key(policy), "full_log_probs", acts=True),
            in_keys={"logits": keys["full_log_probs"]},
            out_keys=[keys["actions"]],
            distribution_class=OneHotCategorical if kind == "one_hot" else Categorical,
            return_log_prob=True,
            log_prob_key=keys["act_log_prob"],
            default_interaction_type=ExplorationType.RANDOM,
        )

    def make_tensordict_primer(self) -> TensorDictPrimer:
        """Return the transform that lets an environment carry the memory, zero at each reset.

        Its specs have the keys `("glulam", layer, tensor)` and the shapes of one row.
        """
        module = self.module[0]
        layers = module.policy.memory_layers()
        primers = {}
        for (layer, name), key in module.state_keys.items():
            zero = layers[layer].initial_state(1)[name]
            primers[key] = specs.Unbounded(shape=zero.shape[1:], dtype=zero.dtype)
        return TensorDictPrimer(primers, expand_specs=True)


def _key_map(changes: Mapping[str, Key] | None) -> dict[str, Key]:
    unknown = [name for name in changes or {} if name not in KEYS and name not in OTHERS]
    if unknown:
        msg = f"keys: {unknown[0]!r} is no key of glulam's; there are: {', '.join((*KEYS, *OTHERS))}"
        raise GlulamError(msg)
    return KEYS | dict(changes or {})


def _action_kind(action: str | specs.TensorSpec, count: int) -> str:
    kinds = {specs.OneHot: "one_hot", specs.Categorical: "categorical"}
    if isinstance(action, str):
        kind = action if action in kinds.values() else None
    else:
        kind = kinds.get(type(action))
        if kind is not None and action.space.n != count:
            msg = f"the action spec has {action.space.n} actions, the policy's environment {count}"
            raise GlulamError(msg)
    if kind is None:
        msg = f"action is {action!r}; write 'one_hot', 'categorical', or an action_spec, OneHot or Categorical"
        raise GlulamError(msg)
    return kind


def _log_probs_key(policy: Policy) -> str:
    head = policy.action_head
    key: str = getattr(head.config, "full_log_probs_key", "full_log_probs")
    if key not in head.score_keys or len(head.acted_keys) != 1:
        msg = f"action head {type(head.module).__name__} gives {', '.join(head.score_keys)}; TorchRL needs "
        raise GlulamError(msg + "the log probabilities of all actions, full_log_probs, and one action")
    return key


def _lacks(td: TensorDictBase, key: Key, remedy: str) -> GlulamError:
    return GlulamError(f"the TensorDict lacks {key!r}: {remedy}; it holds: {', '.join(map(str, td.keys()))}")


def _holds_any(states: TensorDictBase) -> bool:
    return any(bool(value.any()) for value in states.values(include_nested=True, leaves_only=True))


def _spans(start: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat index of each step of each span (`[N, T]`), and which of them are in the span.

    Args:
        start: `[B, T]`, True where a span starts, the first step of each row among them.
    """
    first = start.flatten().nonzero().squeeze(1)  # (N,)
    length = torch.diff(first, append=first.new_tensor([start.numel()]))  # (N,)
    rows = first[:, None] + torch.arange(int(length.max()), device=first.device)  # (N, T)
    return rows.clamp_max(start.numel() - 1), rows < (first + length)[:, None]
