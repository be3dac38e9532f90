"""One case of a layer under test: a complete config in a world, what it reads, and its module made anew each time.

`B` rows, `T` steps. A memory layer's state is read and written like any key, under `state.NAME`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import attrs
import torch
from tensordict.nn import TensorDictModuleBase
from torch import Tensor, nn

from glulam.bound import BoundLayer, as_tuple
from glulam.config import ObsShaperConfig
from glulam.memory import MemoryLayer
from glulam.testing._draws import BY_KEY, draw_observations, draw_tensor
from glulam.testing._fit import Fit, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glulam.environment import EnvSpec
    from glulam.resolver._dims import KeyInfo

__all__ = ["Case", "Tensors"]

Tensors = dict[str, Tensor]
STATE = "state."
WARM_UP = 2  # steps that bring a memory to a state in the middle of an episode


@attrs.frozen(eq=False, kw_only=True)
class Case:
    """A layer's config, a world and sizes.

    Attributes:
        raw: the config as a policy file would have it.
        env: the world.
        widths: sizes of dims by name.
        rows: B.
        steps: T, for memory layers.
        seed: of weights and inputs.
        draws: what an author says some keys hold: `draw(env, size, generator) -> Tensor` by key field's default.
    """

    raw: Any
    env: EnvSpec
    widths: Mapping[str, int]
    rows: int = 3
    steps: int = 4
    seed: int = 0
    draws: Mapping[str, Callable[[EnvSpec, tuple[int, ...], torch.Generator], Tensor]] = attrs.field(factory=dict)
    fit: Fit = attrs.field(init=False)
    notes: dict[str, Any] = attrs.field(factory=dict, init=False)  # what laws have found out about it already

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "fit", fit(self.raw, self.env, self.widths))

    @property
    def config(self) -> Any:  # noqa: ANN401 - the protocol is structural
        """The complete config."""
        return self.fit.config

    # --- modules

    def bound(self, seed: int = 0, env: EnvSpec | None = None) -> BoundLayer:
        """Return a new layer, bound to its keys and initialised to a world; equal seeds give equal weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + seed)
            return self.build(env)

    def build(self, env: EnvSpec | None = None) -> BoundLayer:
        """Return a new layer from torch's random numbers as they are."""
        world, config = env or self.env, self.config
        made = config.instantiate(world.obs_meta()) if isinstance(config, ObsShaperConfig) else config.instantiate()
        bound: BoundLayer = made if isinstance(made, BoundLayer) else BoundLayer(config, made)
        initialize = getattr(bound.module, "initialize_to_environment", None)
        if callable(initialize):
            initialize(world, torch.device("cpu"))
        return bound

    @property
    def module(self) -> nn.Module:
        """A module of the layer to look at, never to call."""
        if "module" not in self.notes:
            self.notes["module"] = self.bound().module
        return self.notes["module"]  # type: ignore[no-any-return]

    @property
    def is_head(self) -> bool:
        """Whether the layer is an action head."""
        return any(phase == "act" for phase in _phases(self.config))

    # --- tensors

    def generator(self, what: str, seed: int = 0) -> torch.Generator:
        """Return a source of random numbers of its own for each use."""
        return torch.Generator().manual_seed(zlib.crc32(f"{what} {self.seed} {seed}".encode()))

    def inputs(self, bound: BoundLayer, rows: int | None = None, seed: int = 0, *, state: bool = True) -> Tensors:
        """Return what the layer reads, `[B, ...]` by key: of a memory its state too, of a head the actions to score."""
        count = self.rows if rows is None else rows
        found = {key: self.draw(key, info, count, seed) for key, info in self.fit.reads.items()}
        if state and isinstance(bound.module, MemoryLayer):
            found |= self._state(count, seed)
        if bound.acted_keys:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(self.seed + seed)
                acted = bound.module.act(*self._arguments(bound, found))  # type: ignore[operator]
            chosen = dict(zip(bound.act_keys, as_tuple(acted, len(bound.act_keys), "act"), strict=True))
            found |= {key: chosen[key] for key in bound.acted_keys}
        return found

    def draw(self, key: str, info: KeyInfo, rows: int, seed: int = 0) -> Tensor:
        """Return one key's tensor, `[B, ...]`, or without rows where all share it."""
        generator = self.generator(key, seed)
        dims = tuple(int(dim) for dim in info.dims or ())
        size = (rows, *dims) if info.batched else dims
        usual = self.usual_name(key)
        own = self.draws.get(usual) or self.draws.get(key) or BY_KEY.get(usual)
        if own is not None:
            return own(self.env, size, generator)
        if key == "env_obs":
            return draw_observations(self.env, rows, generator)
        if key == "env_id":
            return torch.randperm(rows, generator=generator)
        return draw_tensor(info.dtype, size, generator)

    def usual_name(self, key: str) -> str:
        """Return the default of the field that names a key: what the key is by the layer's own account."""
        cls = type(self.config)
        for field in attrs.fields(cls) if attrs.has(cls) else ():
            if getattr(self.config, field.name, None) == key and isinstance(field.default, str):
                return field.default
        return key

    def _state(self, rows: int, seed: int) -> Tensors:
        """Return the state after a few steps, so that it is one which the layer itself could have left."""
        states = self.notes.setdefault("states", {})
        if (rows, seed) not in states:  # many laws ask for it, and it takes longer than what they do with it
            layer = self.bound().module
            (key,) = list(self.fit.reads)[:1]
            state = layer.initial_state(rows)  # type: ignore[operator]
            with torch.no_grad():
                for step in range(WARM_UP):
                    x = self.draw(key, self.fit.reads[key], rows, 1_000 * (step + 1) + seed)
                    _, state = layer.step(x, state)  # type: ignore[operator]
            states[rows, seed] = state
        return {STATE + name: value.clone() for name, value in states[rows, seed].items()}

    def _arguments(self, bound: BoundLayer, inputs: Mapping[str, Tensor]) -> list[Tensor | None]:
        return [None if key is None else inputs.get(key) for key in bound.arguments]

    # --- running

    def call(self, bound: BoundLayer, inputs: Mapping[str, Tensor]) -> Tensors:
        """Run the layer once and return what it wrote, by key; an action head scores."""
        module: nn.Module = bound.module
        arguments = self._arguments(bound, inputs)
        if isinstance(module, MemoryLayer):
            x = next(value for value in arguments if value is not None)
            state = {key.removeprefix(STATE): value for key, value in inputs.items() if key.startswith(STATE)}
            y, after = module.step(x, state)
            return {bound.out_keys[0]: y} | {STATE + name: value for name, value in after.items()}
        if bound.acted_keys:
            actions = [inputs[key] for key in bound.acted_keys]
            result: Any = module.score(*arguments, *actions)  # type: ignore[operator]
            keys = bound.score_keys
        elif isinstance(module, TensorDictModuleBase):
            rows = next(iter(inputs.values())).shape[0] if inputs else self.rows
            return dict(zip(bound.out_keys, bound.call_native(arguments, rows), strict=True))
        else:
            result, keys = module(*arguments), bound.out_keys
        return dict(zip(keys, as_tuple(result, len(keys), type(module).__name__), strict=True))

    # --- rows

    def shared(self, key: str) -> bool:
        """Whether all rows have one tensor under a key."""
        info = self.fit.reads.get(key) or self.fit.writes.get(key)
        return info is not None and not info.batched

    def pick(self, tensors: Mapping[str, Tensor], rows: Tensor) -> Tensors:
        """Return some rows of each tensor."""
        return {key: value if self.shared(key) else value.index_select(0, rows) for key, value in tensors.items()}


def _phases(config: object) -> list[str]:
    from glulam.keys import declared_keys

    return [spec.phase for spec in declared_keys(type(config)).values() if spec.direction == "write"]
