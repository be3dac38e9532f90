"""The outside of every policy: act, evaluate, memory, environment, experience; whatever is inside.

Legend: `B` rows, `T` steps. Inside, every tensor has one flat batch dim, `B` or `B*T`.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from glulam._errors import GlulamError
from glulam._head import Outlet, spread
from glulam._methods import outermost_methods
from glulam.experience import ExperienceSpec, merge_specs
from glulam.inputs import read_input, read_reset
from glulam.memory import MemoryLayer, Rows
from glulam.plan import compiled
from glulam.recurrence import Recurrence, state_of
from glulam.resolver import in_environment
from glulam.specs import layer_specs, loss_specs, policy_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from glulam.bound import BoundLayer
    from glulam.environment import EnvSpec
    from glulam.resolver import ResolvedPolicy

    Run = Callable[[dict[str, Tensor], Recurrence], dict[str, Tensor]]

__all__ = ["Policy"]


class Policy(nn.Module):
    """A policy: `policy(td)` acts in a world, `policy.evaluate(td, state)` scores what was done.

    A subclass sets `action_head` and `layers`, lists `in_keys`, `out_keys` and writes `compute`; memory, time,
    slots, initialisation and experience are taken care of here. Memory layers (`glulam.MemoryLayer`) may sit
    anywhere inside; `compute` runs them through the `recur` that it is given.
    """

    action_head: BoundLayer

    def __init__(self, resolved: ResolvedPolicy) -> None:
        super().__init__()
        if resolved.env is None:
            msg = f"policy {resolved.name!r} is built for an environment: give one to glulam.build"
            raise GlulamError(msg)
        self.resolved, self.env = resolved, resolved.env
        self.in_keys: list[str] = ["env_obs"]
        self.out_keys: list[str] = []
        self.aliases: dict[str, str] = {}
        """Names of the environment's features, tags and actions that the policy knows by another name."""
        self._rows: Rows | None = None
        self._keep: tuple[str, ...] = ()
        self._rollout_keys: tuple[str, ...] | None = None
        self._compiler: dict[str, Any] | None = None
        self._quick: Run | None = None
        self._outlet: Outlet | None = None
        self._place = torch.device("cpu")

    @abstractmethod
    def compute(self, inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        """Return tensors by key, the inputs of the action head and the values among them.

        Args:
            inputs: the `in_keys`, each with one flat batch dim: `[B, ...]`, or `[B * T, ...]` in training.
            recur: `recur(name, memory_layer, x)` runs a memory layer, in rollout as in training.
        """

    @property
    def layers(self) -> Mapping[str, BoundLayer]:
        """Bound layers by name, in order of execution; empty for a policy that has none."""
        return {}

    def memory_layers(self) -> dict[str, MemoryLayer]:
        """Return the layers that keep a state, by the name under which experience stores it."""
        return {
            name.replace(".", "_"): module for name, module in self.named_modules() if isinstance(module, MemoryLayer)
        }

    # --- acting and scoring

    def forward(self, td: TensorDictBase) -> TensorDictBase:
        """Act: read the input keys of a TensorDict `[B]`, write actions, their log-probs and the kept keys.

        Raises:
            GlulamError: if an input is missing, the batch or a flag has other dims, or `env_id` repeats an id.
        """
        outputs, outlet = self._advance(td), self._present_outlet()
        outputs |= outlet.act(outputs)
        for key, value in spread(outputs, outlet.acted, td.batch_size):
            td.set(key, value)
        return td

    def follow(self, td: TensorDictBase) -> TensorDict:
        """Go along with what another policy did: score the actions of a TensorDict `[B]` and return a new one.

        The rollout memory goes on as if this policy had acted; a teacher follows its student so.

        Raises:
            GlulamError: if an input or an action is missing, or `env_id` repeats an id.
        """
        outputs, outlet = self._advance(td), self._present_outlet()
        outputs |= outlet.score(outputs, [read_input(td, key) for key in outlet.head.acted_keys])
        return TensorDict(dict(spread(outputs, outlet.followed, td.batch_size)), batch_size=td.batch_size)

    def _advance(self, td: TensorDictBase) -> dict[str, Tensor]:
        """Compute one step from the rollout memory, and write what is remembered."""
        inputs = self._inputs(td, td.batch_size)
        memories, run = self._runner(acting=True)
        if not memories:
            return inputs | run(inputs, Recurrence({}))
        if td.batch_dims != 1:
            msg = f"policy(td) acts on a batch [B], and this TensorDict is {list(td.batch_size)}; evaluate takes [B, T]"
            raise GlulamError(msg)
        rows = self._rows_of(read_input(td, "env_id"))
        reset = read_reset(td)
        recur = Recurrence({name: layer.slots.read(rows, reset) for name, layer in memories.items()})
        outputs = run(inputs, recur)
        for name, state in recur.after.items():
            memories[name].slots.write(rows, state, f"layer {name!r}")
        return inputs | outputs

    def evaluate(self, td: TensorDictBase, state: TensorDictBase | None = None) -> TensorDict:
        """Score the actions of a TensorDict `[B, T]` (or `[B]`, one step) and return a new one.

        Args:
            td: inputs and `actions`; without actions the result holds values and logits alone. Never written.
            state: what `memory_state` returned before the first step (its resets are applied here); zeros if
                None. Rollout memory is neither read nor written.

        Raises:
            GlulamError: if an input is missing, the batch has other dims, or the state another shape than the memory.
        """
        return self.unroll(td, state)[0]

    def unroll(self, td: TensorDictBase, state: TensorDictBase | None = None) -> tuple[TensorDict, TensorDict]:
        """Do what `evaluate` does and return the state after the last step too, `[B]`, keys `(layer, tensor)`.

        With the state in and out this is the functional form of the policy: what was played step by step, or in
        parts of any length, gives the same.

        Raises:
            GlulamError: as `evaluate` does.
        """
        batch = td.batch_size
        inputs = self._inputs(td, batch)
        memories, run = self._runner(acting=False)
        recur = Recurrence({})
        if memories:
            reset = read_reset(td)
            time = batch[1] if len(batch) > 1 else None
            states = {name: state_of(name, layer, state, batch[0]) for name, layer in memories.items()}
            recur = Recurrence(states, reset, time)
        outputs, outlet = inputs | run(inputs, recur), self._present_outlet()
        acted = outlet.head.acted_keys
        if all(key in td.keys() for key in acted):  # noqa: SIM118 - a TensorDict is no dict
            outputs |= outlet.score(outputs, [td.get(key).flatten(0, len(batch) - 1) for key in acted])
        result = TensorDict(dict(spread(outputs, outlet.evaluated, batch)), batch_size=batch)
        return result, TensorDict(recur.after, batch_size=batch[:1])

    def _runner(self, *, acting: bool) -> tuple[Mapping[str, MemoryLayer], Run]:
        """Return the memory layers, and what computes what acting needs, or what training does."""
        if not acting or self._compiler is None:
            return self.memory_layers(), self.compute
        self._quick = self._quick or compiled(self.compute, self._compiler)
        return self.memory_layers(), self._quick

    def _present_outlet(self) -> Outlet:
        if self._outlet is None or self._outlet.head is not self.action_head:
            self._outlet = self._made_outlet()
        return self._outlet

    def _made_outlet(self) -> Outlet:
        acting = [*self.rollout_keys, *self._keep]
        evaluating = [*self._loss_keys(), *self.out_keys, *self._keep]
        return Outlet.of(self.action_head, self.env, self.resolved, acting, evaluating)

    def compile(self, backend: str | Callable[..., Any] | None = "inductor", **options: Any) -> None:  # noqa: ANN401
        """Have `torch.compile` make one graph of a step, for any number of rows: tensors in, tensors out.

        Reading and writing of TensorDicts, memory slots, padding that is cut off and the action head stay outside.
        Assembled policies train through compiled code too: one graph before and one behind each memory. The first
        calls take a minute or so, and a batch of one row is a graph of its own.

        Args:
            backend: of `torch.compile`; None to run as before.
            options: other arguments of `torch.compile`, such as `mode="reduce-overhead"` on a GPU.
        """
        self._compiler = None if backend is None else {"backend": backend, **options}
        self._changed()

    def _changed(self) -> None:
        """Drop what was made for the world, the keys and the compiler of before."""
        self._quick = None
        self._outlet = self._made_outlet()

    def _inputs(self, td: TensorDictBase, batch: torch.Size) -> dict[str, Tensor]:
        flat = len(batch) > 1
        if not 1 <= len(batch) <= 2:  # noqa: PLR2004 - rows, and steps
            msg = f"this TensorDict has the batch {list(batch)}; a policy takes [B], or [B, T] in evaluate"
            raise GlulamError(msg)
        inputs = {key: read_input(td, key) for key in self.in_keys}
        return {key: value.flatten(0, len(batch) - 1) for key, value in inputs.items()} if flat else inputs

    # --- what comes out

    @property
    def keep(self) -> tuple[str, ...]:
        """Intermediate keys that come out too, beside `out_keys`; set to keys or to `"all"`."""
        return self._keep

    @keep.setter
    def keep(self, keys: str | Iterable[str]) -> None:
        self._keep = self._known("keep", self.writable_keys() if keys == "all" else keys)
        self._changed()

    @property
    def rollout_keys(self) -> tuple[str, ...]:
        """Keys that come out of `policy(td)` beside the head's and the kept ones: `out_keys` unless set to fewer.

        Layers that only the others need do not run in rollout then; set it to None for all again.
        """
        return tuple(self.out_keys) if self._rollout_keys is None else self._rollout_keys

    @rollout_keys.setter
    def rollout_keys(self, keys: str | Iterable[str] | None) -> None:
        self._rollout_keys = None if keys is None else self._known("rollout_keys", keys)
        self._changed()

    def _known(self, what: str, keys: str | Iterable[str]) -> tuple[str, ...]:
        known, wanted = self.writable_keys(), (keys,) if isinstance(keys, str) else tuple(keys)
        unknown = [key for key in wanted if key not in known]
        if unknown:
            msg = f"{what}: {unknown[0]!r} is no key of policy {self.resolved.name!r}; there are: {', '.join(known)}"
            raise GlulamError(msg)
        return wanted

    def writable_keys(self) -> tuple[str, ...]:
        """Return every key that the policy can give out."""
        return tuple(self.out_keys)

    def _loss_keys(self) -> list[str]:
        return [key for loss in self.resolved.losses for key in loss.in_keys]

    # --- memory

    def memory_state(self, env_id: Tensor) -> TensorDict:
        """Return the state (`[B]`, keys `(layer, tensor)`) before the next step of some rows, resets not applied.

        Raises:
            GlulamError: if `env_id` (`[B]`, int) repeats an id, or holds a negative one.
        """
        rows = self._rows_of(env_id)
        states = {name: layer.slots.read(rows) for name, layer in self.memory_layers().items()}
        return TensorDict(states, batch_size=[env_id.shape[0]])

    def reserve(self, count: int) -> None:
        """Make room for the memory of rows with ids below `count`, once and for all."""
        for layer in self.memory_layers().values():
            layer.slots.reserve(count)

    def reset_memory(self) -> None:
        """Forget the rollout memory of every row."""
        self.each("reset_memory")

    def _rows_of(self, env_id: Tensor) -> Rows:
        if torch.compiler.is_compiling():
            return Rows(env_id)
        if self._rows is None or not self._rows.still(env_id):
            try:
                self._rows = Rows(env_id)
            except GlulamError as error:
                msg = f"memory of layer {', '.join(map(repr, self.memory_layers()))}: {error}"
                raise GlulamError(msg) from error
        return self._rows

    # --- environment, layers, experience

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Move to `device` and let every layer that wants to adapt to `env` do so; memory is forgotten.

        The layers see `env` under the names that the policy knows (`aliases`).

        Raises:
            GlulamError: if a layer cannot follow there (a PolicyError where its sizes do not fit); the policy stays
                where it is then, and remembers.
        """
        before, place = self.resolved, next((weight.device for weight in self.parameters()), device)
        if env != before.env:
            self.resolved = in_environment(before, env)
        try:
            self._adapt(env, device)
        except Exception:
            if before.env is not None and env != before.env:  # the first layers have moved
                self.resolved = before
                self._adapt(before.env, place)
            raise
        self.reset_memory()

    def _adapt(self, env: EnvSpec, device: torch.device | str) -> None:
        self.env = env
        self.in_keys = self._offered_keys()
        self._changed()
        self._place = torch.device(device)
        self.to(device)
        self.each("initialize_to_environment", env.renamed(self.aliases), torch.device(device))

    def learn_names(self, env: EnvSpec) -> dict[str, Any]:
        """Let layers give what they do not know of `env` rows of its own, before they are initialised to it."""
        return self.each("learn_names", env.renamed(self.aliases))

    def _offered_keys(self) -> list[str]:
        """Return the keys that are read from the present environment: the head's optional ones as it offers them."""
        optional = self.action_head.if_offered
        return [
            *(key for key in self.in_keys if key not in optional),
            *sorted(optional.intersection(self.env.optional_inputs)),
        ]

    def each(self, method: str, *args: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the layers' method takes
        """Call a method on every layer that has it and return the results by layer."""
        return {name: call(*args) for name, call in outermost_methods(self, method)}

    def experience_spec(self) -> ExperienceSpec:
        """Return what the experience buffer must store for this policy and its losses.

        Raises:
            GlulamError: GL502 if two owners want one key stored differently, or GL501 if a loss wants a key
                stored that nothing writes.
        """
        return merge_specs([*policy_specs(self), *layer_specs(self), *loss_specs(self)])

    @property
    def device(self) -> torch.device:
        """Where the parameters are, or else the buffers; without either, where it was initialised last."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), self._place)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters, `float` in the shapes of layers; else of float buffers, or torch's default."""
        held = chain(self.parameters(), self.buffers())
        return next((tensor.dtype for tensor in held if tensor.is_floating_point()), torch.get_default_dtype())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only speeds up the process it was made in."""
        return self.__dict__ | {"_rows": None, "_quick": None, "_outlet": None}
