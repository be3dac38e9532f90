"""The assembler: a resolved policy becomes one module that runs its layers over a list of slots.

Each key has a slot. A step takes tensors from slots, calls the layer's own module, and puts the results into
slots; no wrapper runs in between, and a tensor that nobody reads later is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from torch import Tensor, nn

from glulam._errors import GlulamError
from glulam._head import not_offered
from glulam.bound import BoundLayer, as_tuple
from glulam.inputs import INPUTS, OPTIONAL_INPUTS
from glulam.memory import MemoryLayer
from glulam.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import torch
    from tensordict import TensorDictBase

    from glulam.environment import EnvSpec
    from glulam.recurrence import Recurrence
    from glulam.resolver import ResolvedLayer, ResolvedPolicy

__all__ = ["AssembledPolicy", "LayerDict"]


class LayerDict(nn.Module):
    """Layers by name; unlike `nn.ModuleDict` any name will do, `values` and `train` among them."""

    def __init__(self, layers: Mapping[str, BoundLayer]) -> None:
        super().__init__()
        self._modules.update(layers)

    def __getitem__(self, name: str) -> BoundLayer:
        return self._modules[name]  # type: ignore[return-value]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def keys(self) -> Iterable[str]:
        """Return the names, in order of execution."""
        return self._modules.keys()

    def values(self) -> Iterable[BoundLayer]:
        """Return the layers, in order of execution."""
        return self._modules.values()  # type: ignore[return-value]

    def items(self) -> Iterable[tuple[str, BoundLayer]]:
        """Return `(name, layer)` pairs, in order of execution."""
        return self._modules.items()  # type: ignore[return-value]


Kind = Literal["plain", "memory", "native"]


class _Step(NamedTuple):
    """One layer of the plan; `inputs`, `outputs` and `frees` are slots (-1: an optional key that is null)."""

    name: str
    layer: BoundLayer
    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...]


class AssembledPolicy(Policy):
    """A policy made of layers; see `glulam.build`."""

    def __init__(self, resolved: ResolvedPolicy) -> None:
        super().__init__(resolved)
        env = self.env
        self._modules["layers"] = LayerDict({layer.name: _instantiate(layer, env) for layer in resolved.all_layers})
        for layer in resolved.layers:
            if layer.share is not None:
                _tie(layer.name, self.layers[layer.name].module, layer.share, self.layers[layer.share].module)
        head = resolved.action_head
        if head is None:
            msg = f"policy {resolved.name!r} has no action head"
            raise GlulamError(msg)
        self._head_name = head.name
        self.in_keys = self._offered_keys()
        self.out_keys = self._leaf_keys()
        self._plan: list[_Step] | None = None
        self._strips: tuple[str, Callable[[Tensor], Tensor]] | None = None

    @property
    def layers(self) -> LayerDict:  # type: ignore[override]
        """Bound layers by name, in order of execution."""
        return self._modules["layers"]  # type: ignore[return-value]

    @property
    def action_head(self) -> BoundLayer:  # type: ignore[override]
        """The layer that chooses and scores actions."""
        return self.layers[self._head_name]

    def memory_layers(self) -> dict[str, MemoryLayer]:
        """Return the memory layers by layer name."""
        return {name: layer.module for name, layer in self.layers.items() if isinstance(layer.module, MemoryLayer)}

    def compute(self, inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        """Run the plan; see `Policy.compute`."""
        plan, slots, outputs = self._planned()
        values: list[Any] = [None] * (len(slots) + 1)  # the last one stays None, for optional keys
        for key, tensor in inputs.items():
            values[slots[key]] = tensor
        rows = next(iter(inputs.values())).shape[0]
        for name, layer, kind, sources, targets, frees in plan:
            tensors = [values[slot] for slot in sources]
            if kind == "plain":
                result: Any = layer.module(*tensors)
            elif kind == "memory":
                result = recur(name, layer.module, tensors[0])  # type: ignore[arg-type]
            else:
                result = layer.call_native(tensors, rows)
            if len(targets) == 1 and isinstance(result, Tensor):
                values[targets[0]] = result
            else:
                results = as_tuple(result, len(targets), f"layer {name!r} ({type(layer.module).__name__})")
                for slot, tensor in zip(targets, results, strict=True):
                    values[slot] = tensor
            for slot in frees:
                values[slot] = None
        return {key: values[slot] for key, slot in outputs.items()}

    def _inputs(self, td: TensorDictBase, batch: torch.Size) -> dict[str, Tensor]:
        """Read the inputs; padding that no row needs is cut off here, where sizes may depend on data."""
        inputs = super()._inputs(td, batch)
        self._planned()
        if self._strips is not None:
            key, strip = self._strips
            inputs[key] = strip(inputs[key])
        return inputs

    def _find_strip(self) -> tuple[str, Callable[[Tensor], Tensor]] | None:
        """Return the shaper's `strip` and its key, unless another layer reads the same observation."""
        shaper = next(iter(self.layers.values()))
        strip = getattr(shaper.module, "strip", None)
        key = shaper.in_keys[0] if shaper.in_keys else ""
        readers = [layer for layer in self.layers.values() if key in layer.in_keys]
        return (key, strip) if callable(strip) and len(readers) == 1 else None

    def writable_keys(self) -> tuple[str, ...]:
        """Return every key that some layer writes."""
        return tuple(
            key for layer in self.layers.values() for key in dict.fromkeys([*layer.out_keys, *layer.score_keys])
        )

    @property
    def keep(self) -> tuple[str, ...]:
        """Intermediate keys that come out too; see `Policy.keep`."""
        return self._keep

    @keep.setter
    def keep(self, keys: str | Iterable[str]) -> None:
        Policy.keep.fset(self, keys)  # type: ignore[attr-defined]
        self._plan = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the plan: it holds the layers of this very policy, and is made anew."""
        return super().__getstate__() | {"_plan": None, "_strips": None}

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Adapt to a world; see `Policy.initialize_to_environment`."""
        self._plan = None  # it reads what the world offers
        super().initialize_to_environment(env, device)

    # --- planning

    def _planned(self) -> tuple[list[_Step], dict[str, int], dict[str, int]]:
        if self._plan is None:
            self._make_plan()
        return self._plan, self._slots, self._outputs  # type: ignore[return-value]

    def _make_plan(self) -> None:
        body = [(name, layer) for name, layer in self.layers.items() if name != self._head_name]
        written = [key for _, layer in body for key in layer.out_keys]
        self._slots = {key: slot for slot, key in enumerate(dict.fromkeys([*self.in_keys, *written]))}
        head_reads = self.action_head.in_keys
        wanted = dict.fromkeys([*self.out_keys, *head_reads, *self._keep, *self._loss_keys()])
        self._outputs = {key: self._slots[key] for key in wanted if key in self._slots}
        last_use = {key: index for index, (_, layer) in enumerate(body) for key in layer.in_keys}
        self._strips = self._find_strip()
        self._plan = []
        for index, (name, layer) in enumerate(body):
            null = {None} | not_offered(layer, self.env)
            sources = tuple(-1 if key in null else self._slots[key] for key in layer.arguments)  # type: ignore[index]
            targets = tuple(self._slots[key] for key in layer.out_keys)
            done = [
                key
                for key in layer.in_keys
                if last_use[key] == index and key not in self._outputs and key in self._slots
            ]
            frees = tuple(self._slots[key] for key in done)
            kind: Kind = "memory" if layer.is_memory else "native" if layer.is_native else "plain"
            self._plan.append(_Step(name, layer, kind, sources, targets, frees))

    def _offered_keys(self) -> list[str]:
        """Return what the layers read from the environment, each once."""
        read = [
            key for layer in self.layers.values() for key in layer.in_keys if key not in not_offered(layer, self.env)
        ]
        return list(dict.fromkeys(key for key in read if key in INPUTS or key in OPTIONAL_INPUTS))

    def _leaf_keys(self) -> list[str]:
        """Return what comes out without being asked for: what the head reads and what no layer reads."""
        head = self.action_head
        read = {key for layer in self.layers.values() for key in layer.in_keys} - set(head.in_keys)
        batched = {key for key, info in self.resolved.keys.items() if info.batched}
        written = [key for layer in self.layers.values() if layer is not head for key in layer.out_keys]
        return [key for key in written if key not in read and key in batched]


def _tie(name: str, module: nn.Module, owner: str, owners: nn.Module) -> None:
    """Let a module use another's parameters; buffers, and with them rollout memory, stay its own.

    Raises:
        GlulamError: if the two do not have the same parameters.
    """
    theirs = dict(owners.named_parameters())
    ours = {path: parameter.shape for path, parameter in module.named_parameters()}
    if ours != {path: parameter.shape for path, parameter in theirs.items()}:
        msg = f"layer {name!r} cannot share the weights of {owner!r}: their modules have different parameters"
        raise GlulamError(msg)
    for path, parameter in theirs.items():
        parent, _, last = path.rpartition(".")
        setattr(module.get_submodule(parent), last, parameter)


def _instantiate(layer: ResolvedLayer, env: EnvSpec) -> BoundLayer:
    """Build and bind one layer; an observation shaper is given the world, and a stranger's object its keys."""
    from glulam.config import ObsShaperConfig

    config = layer.config
    bound = config.instantiate(env.obs_meta()) if isinstance(config, ObsShaperConfig) else config.instantiate()
    if isinstance(bound, BoundLayer):
        return bound
    module = getattr(bound, "module", bound)
    if not isinstance(module, nn.Module):
        msg = f"layer {layer.name!r}: instantiate() returned {type(bound).__name__}, no module"
        raise GlulamError(msg)
    return BoundLayer(config, module)
