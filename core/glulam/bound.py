"""A module bound to its keys: what `instantiate()` returns, and what runs alone on a TensorDict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensordict import TensorDict, TensorDictBase
from tensordict.nn import TensorDictModuleBase

from glulam._errors import GlulamError
from glulam.inputs import read_input, read_reset
from glulam.keys import declared_keys
from glulam.memory import MemoryLayer, Rows

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["BoundLayer", "bind"]


class BoundLayer(TensorDictModuleBase):  # type: ignore[misc]  # tensordict ships no types
    """A layer's `module` with the keys that its config names.

    Args:
        config: the layer's config.
        module: an `nn.Module` whose `forward` takes the read keys in field order and returns the written ones,
            or a `TensorDictModuleBase`, which is given a TensorDict that holds the read keys alone.

    `forward(td)` reads `in_keys` from a TensorDict `[B]` and writes `out_keys` into it. A memory layer uses its
    slots, so the TensorDict holds `env_id`, `dones` and `truncateds` too. An action head acts.
    """

    def __init__(self, config: Any, module: nn.Module) -> None:  # noqa: ANN401 - the protocol is structural
        super().__init__()
        self.config = config
        self.module = module
        self.arguments = _arguments(config)
        self.if_offered = _if_offered(config)
        self.in_keys = list(config.in_keys)
        self.out_keys = [key for key, phase in _outputs(config) if phase != "score"]
        if self.is_memory and (len(self.arguments), len(self.out_keys)) != (1, 1):
            msg = f"{type(config).__name__}: a memory layer reads one key and writes one; it reads {self.arguments} "
            msg += f"and writes {list(self.out_keys)}: join what is read with 'concat' first"
            raise GlulamError(msg)
        self.act_keys = self.out_keys
        self.score_keys = [key for key, phase in _outputs(config) if phase != "act"]
        self.acted_keys = [key for key, phase in _outputs(config) if phase == "act"]

    @property
    def is_native(self) -> bool:
        """Whether the module wants the TensorDict itself."""
        return isinstance(self.module, TensorDictModuleBase)

    @property
    def is_memory(self) -> bool:
        """Whether the module keeps a state from step to step."""
        return isinstance(self.module, MemoryLayer)

    def call_native(self, tensors: list[Tensor | None], batch_size: int) -> list[Tensor]:
        """Run a module that wants a TensorDict: it sees its declared keys and no other.

        Args:
            tensors: one a read key, in field order, each `[B, ...]`; None where a world offers none.
            batch_size: B.

        Raises:
            GlulamError: if the module does not write a key that it declares.
        """
        pairs = zip(self.arguments, tensors, strict=True)
        given = {key: value for key, value in pairs if key is not None and value is not None}
        result = self.module(TensorDict(given, batch_size=[batch_size]))
        written = [result.get(key, None) for key in self.out_keys]
        for key, value in zip(self.out_keys, written, strict=True):
            if value is None:
                msg = f"{type(self.module).__name__} did not write its key {key!r}"
                raise GlulamError(msg)
        return written

    def forward(self, td: TensorDictBase) -> TensorDictBase:
        """Read `in_keys`, run the module, write `out_keys`; a key that a world need not offer may be missing."""
        inputs = [None if key is None else self._read(td, key) for key in self.arguments]
        if isinstance(self.module, MemoryLayer):
            rows = Rows(read_input(td, "env_id"))
            state = self.module.slots.read(rows, read_reset(td))
            result: Any
            result, state = self.module.step(td.get(self.in_keys[0]), state)
            self.module.slots.write(rows, state)
        elif self.is_native:
            result = self.call_native(inputs, td.batch_size[0])
        else:
            result = (self.module.act if self.acted_keys else self.module)(*inputs)  # type: ignore[operator]
        outputs = as_tuple(result, len(self.out_keys), type(self.module).__name__)
        for key, value in zip(self.out_keys, outputs, strict=True):
            batched = value.shape[: td.batch_dims] == td.batch_size
            td.set(key, value if batched else value.expand(*td.batch_size, *value.shape))
        return td

    def _read(self, td: TensorDictBase, key: str) -> Tensor | None:
        return td.get(key, None) if key in self.if_offered else read_input(td, key)


def bind(config: Any, module: nn.Module) -> BoundLayer:  # noqa: ANN401 - the protocol is structural
    """Return a module bound to the keys of its config."""
    return module if isinstance(module, BoundLayer) else BoundLayer(config, module)


def as_tuple(result: Any, count: int, who: str) -> tuple[Tensor, ...]:  # noqa: ANN401 - what a stranger returns
    """Return what a module returned as a tuple of `count` tensors.

    Raises:
        GlulamError: if it returned another number of outputs than its config declares.
    """
    outputs = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    if len(outputs) != count:
        msg = f"{who} returned {len(outputs)} outputs; its config declares {count}"
        raise GlulamError(msg)
    if any(output is None for output in outputs):
        msg = f"{who} returned None; its config declares {'a tensor' if count == 1 else f'{count} tensors'}"
        raise GlulamError(msg)
    return outputs


def _arguments(config: Any) -> list[str | None]:  # noqa: ANN401 - the protocol is structural
    """Return the key of each argument of the module, None for an optional key that is null."""
    specs = declared_keys(type(config))
    if not specs:
        return list(config.in_keys)
    arguments: list[str | None] = []
    for field, spec in specs.items():
        if spec.direction == "read":
            value = getattr(config, field)
            arguments += value if spec.many else [value]
    return arguments


def _if_offered(config: Any) -> frozenset[str]:  # noqa: ANN401 - the protocol is structural
    """Return the keys that are read only where the environment offers them."""
    specs = declared_keys(type(config))
    return frozenset(getattr(config, field) or "" for field, spec in specs.items() if spec.if_offered)


def _outputs(config: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - the protocol is structural
    specs = declared_keys(type(config))
    if not specs:
        return [(key, "both") for key in config.out_keys]
    written = [(getattr(config, field), spec.phase) for field, spec in specs.items() if spec.direction == "write"]
    return [(key, phase) for key, phase in written if key is not None]
