"""The assembler: a resolved policy becomes one module that runs its layers as one function (see `glulam.plan`).

No wrapper runs between the layers' own modules, and a tensor that nobody reads later is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from glulam._errors import GlulamError
from glulam._head import not_offered
from glulam.bound import BoundLayer
from glulam.inputs import INPUTS, OPTIONAL_INPUTS
from glulam.memory import MemoryLayer
from glulam.plan import Plan
from glulam.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tensordict import TensorDictBase

    from glulam.environment import EnvSpec
    from glulam.policy import Run
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
        self._plans: dict[bool, Plan] = {}
        self._strips: tuple[str, Callable[[Tensor], Tensor] | None] | None = None

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
        # `layer.module` takes torch ten times as long to find, and this is asked for in each step.
        modules = {name: layer._modules["module"] for name, layer in self.layers.items()}  # noqa: SLF001
        return {name: module for name, module in modules.items() if isinstance(module, MemoryLayer)}

    @property
    def source(self) -> str:
        """The function that runs the layers of a step of rollout, as Python: keys are variables."""
        return self._plans[True].source

    def compute(self, inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        """Run the layers; see `Policy.compute`."""
        plan = self._plans[False]
        plan.refresh()
        return plan.run(inputs, recur)

    def _runner(self, *, acting: bool) -> tuple[Mapping[str, MemoryLayer], Run]:
        plan = self._plans[acting]
        plan.refresh()
        return plan.memories, plan.run

    def _changed(self) -> None:
        super()._changed()
        self._strips = None
        self._plans = {acting: self._made_plan(acting=acting) for acting in (True, False)}

    def _inputs(self, td: TensorDictBase, batch: torch.Size) -> dict[str, Tensor]:
        """Read the inputs; padding that no row needs is cut off here, where sizes may depend on data."""
        inputs = super()._inputs(td, batch)
        if torch.compiler.is_compiling():
            return inputs
        self._strips = self._strips or self._find_strip()
        key, strip = self._strips
        if strip is not None and inputs[key].device.type == "cpu":  # another device would have to be waited for
            inputs[key] = strip(inputs[key])
        return inputs

    def _find_strip(self) -> tuple[str, Callable[[Tensor], Tensor] | None]:
        """Return the shaper's key and its `strip`; None where another layer, or a loss, reads the same observation."""
        shaper = next(iter(self.layers.values()))
        strip = getattr(shaper.module, "strip", None)
        key = shaper.in_keys[0] if shaper.in_keys else ""
        readers = [layer for layer in self.layers.values() if key in layer.in_keys]
        alone = len(readers) == 1 and key not in self._loss_keys()
        return key, strip if callable(strip) and alone else None

    def writable_keys(self) -> tuple[str, ...]:
        """Return every key that some layer writes."""
        return tuple(
            key for layer in self.layers.values() for key in dict.fromkeys([*layer.out_keys, *layer.score_keys])
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the plans: they hold the layers of this very policy, and are made anew."""
        return super().__getstate__() | {"_plans": {}, "_strips": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the plans of a copy."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's
        self._changed()

    # --- planning

    def _made_plan(self, *, acting: bool) -> Plan:
        body = {name: layer for name, layer in self.layers.items() if name != self._head_name}
        absent = {key for layer in body.values() for key in not_offered(layer, self.env)}
        asked = self.rollout_keys if acting else [*self.out_keys, *self._loss_keys()]
        wanted = dict.fromkeys([*asked, *self.action_head.in_keys, *self._keep])
        return Plan(body, self.in_keys, wanted, absent, self._compiler)

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
