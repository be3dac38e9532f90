"""The plan: a policy's layers as one function, which is written anew where what it rests on changes.

Where a module has a hook, all modules are called in full. Compiled, a step is one graph, and a segment is one before
and one behind each memory, which runs as it is: a graph of its every step would take minutes to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from glulam._errors import GlulamError
from glulam._written import Written
from glulam.memory import MemoryLayer
from glulam.recurrence import Recurrence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from torch import Tensor

    from glulam.bound import BoundLayer
    from glulam.memory import State

__all__ = ["Plan", "compiled"]


class Plan:
    """The function from inputs to outputs that a policy's layers are, and its source.

    Args:
        layers: by name, in order of execution; those that nothing needs are left out, memories are not.
        inputs: keys that come from outside.
        outputs: keys that are wanted.
        absent: optional inputs that the environment does not offer; their readers are given None.
        compiler: options of `torch.compile`; None to run as it is.
    """

    def __init__(
        self,
        layers: Mapping[str, BoundLayer],
        inputs: Iterable[str],
        outputs: Collection[str],
        absent: Collection[str] = (),
        compiler: Mapping[str, Any] | None = None,
    ) -> None:
        self.inputs, self.outputs, self.absent = tuple(inputs), tuple(outputs), frozenset(absent)
        needed = _needed(layers, outputs)
        self.layers = {name: layer for name, layer in layers.items() if name in needed}
        self.compiler = compiler
        self._write()

    @property
    def source(self) -> str:
        """The function that runs, as Python."""
        return self._fast.source

    def refresh(self) -> None:
        """Write the function anew if what it rests on has changed."""
        if not torch.compiler.is_compiling() and self._fast.watch.has_changed():
            self._write()

    def run(self, inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        """Return the outputs by key; call `refresh` before."""
        if torch.compiler.is_compiling() or self._fast.watch.is_hooked():  # a compiler has shortcuts of its own
            return self._full.run(inputs, recur)
        if self.compiler is None:
            return self._fast.run(inputs, recur)
        return self._step(inputs, recur) if recur.time is None else self._segments(inputs, recur)

    def _write(self) -> None:
        modules = {name: layer.module for name, layer in self.layers.items()}
        self.memories = {name: module for name, module in modules.items() if isinstance(module, MemoryLayer)}
        whole = (self.layers, self.inputs, self.outputs, self.absent)
        self._fast, self._full = Written(*whole, shortcuts=True), Written(*whole)
        if self.compiler is not None:
            self._step = compiled(self._full.run, self.compiler)
            self._parts = [part if isinstance(part, str) else _whole(part, self.compiler) for part in self._stretches()]

    def _stretches(self) -> list[Written | str]:
        """Return the layers between memories, written out, and the names of the memories, in order."""
        names = list(self.layers)
        cuts = [number for number, name in enumerate(names) if self.layers[name].is_memory]
        parts: list[Written | str] = []
        for begin, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(names)], strict=True):
            stretch = {name: self.layers[name] for name in names[begin:end]}
            made = {key for layer in stretch.values() for key in layer.out_keys}
            read = {key for layer in stretch.values() for key in layer.in_keys} - made - self.absent
            later = {key for name in names[end:] for key in self.layers[name].in_keys}.union(self.outputs)
            if stretch:
                parts.append(Written(stretch, sorted(read), sorted(made & later), self.absent))
            parts += names[end : end + 1]
        return parts

    def _segments(self, inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        """Run segments: the stretches compiled, the memories between them as they are."""
        values = dict(inputs)
        for part in self._parts:
            if isinstance(part, str):
                layer = self.layers[part]
                values[layer.out_keys[0]] = recur(part, layer.module, values[layer.in_keys[0]])  # type: ignore[arg-type]
            else:
                keys, run = part
                values |= run({key: values[key] for key in keys})
        return {key: values[key] for key in self.outputs if key in values}


def compiled(
    run: Callable[[dict[str, Tensor], Recurrence], dict[str, Tensor]], options: Mapping[str, Any]
) -> Callable[[dict[str, Tensor], Recurrence], dict[str, Tensor]]:
    """Return the same function of one step, compiled as tensors to tensors with any number of rows."""

    def core(
        inputs: dict[str, Tensor], states: dict[str, State], reset: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, State]]:
        recur = Recurrence(states, reset)
        return run(inputs, recur), recur.after

    quick = _compile(core, options)

    def step(inputs: dict[str, Tensor], recur: Recurrence) -> dict[str, Tensor]:
        outputs, recur.after = quick(inputs, dict(recur.states), recur.reset)
        return outputs  # type: ignore[no-any-return]

    return step


def _whole(written: Written, options: Mapping[str, Any]) -> tuple[tuple[str, ...], Callable[..., dict[str, Tensor]]]:
    """Return what a stretch without memory reads, and the stretch compiled."""
    run = written.run

    def core(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return run(inputs, Recurrence({}))

    return written.inputs, _compile(core, options)


def _compile(core: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    quick = torch.compile(core, fullgraph=True, dynamic=True, **options)

    def call(*args: Any) -> Any:  # noqa: ANN401 - as `core`
        try:
            return quick(*args)
        except torch._dynamo.exc.Unsupported as error:  # noqa: SLF001 - dynamo's errors have no public name
            first = str(error).strip().partition("\n")[0]
            msg = f"a layer cannot be compiled: {first}; run the policy as it is: policy.compile(backend=None)"
            raise GlulamError(msg) from error

    return call


def _needed(layers: Mapping[str, BoundLayer], outputs: Iterable[str]) -> set[str]:
    """Return the names of the layers that outputs rest on, and of memories, which must not miss a step."""
    wanted, found = set(outputs), set()
    for name, layer in reversed(list(layers.items())):
        if layer.is_memory or wanted.intersection(layer.out_keys):
            found.add(name)
            wanted.update(layer.in_keys)
    return found
