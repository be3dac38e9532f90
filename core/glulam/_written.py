"""Layers written out as one Python function, with their keys for variables.

Modules of torch that are one function call (linear maps, activations, norms) are written as that call, which halves
what a small layer costs; all others are called as they are. Weights are looked up where torch keeps them each time, so
that whatever replaces them there is seen. What else the shortcut rests on is watched.
"""

from __future__ import annotations

import keyword
import linecache
import re
import weakref
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module

from glulam.bound import as_tuple
from glulam.repeated import Repeated, goes_with_forward

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from glulam.bound import BoundLayer
    from glulam.recurrence import Recurrence

__all__ = ["Watch", "Written"]

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple(getattr(torch_module, f"_global{name}") for name in HOOKS)
# What a leaf module computes: x is its input, w its parameters, m the module.
LEAVES: dict[type[nn.Module], str] = {
    nn.Identity: "{x}",
    nn.Linear: "linear({x}, {w}['weight'], {w}['bias'])",
    nn.LayerNorm: "layer_norm({x}, {m}.normalized_shape, {w}['weight'], {w}['bias'], {m}.eps)",
    nn.Tanh: "tanh({x})",
    nn.Sigmoid: "sigmoid({x})",
    nn.GELU: "gelu({x}, approximate={m}.approximate)",
    nn.ReLU: "relu({x})",
    nn.SiLU: "silu({x})",
}
FUNCTIONS = {
    "linear": functional.linear,
    "layer_norm": torch.layer_norm,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "relu": torch.relu,
    "silu": functional.silu,
}
_FORWARDS = {cls.forward: code for cls, code in LEAVES.items()}
_numbers = count()


class Watch:
    """What a shortcut rests on: the modules that it goes past are the same, and nobody listens to them."""

    def __init__(self, holders: list[nn.Module], passed: list[nn.Module]) -> None:
        self.holders = [holder._modules for holder in holders]  # noqa: SLF001 - torch's own place for them
        self.children = self._children()
        self.namespaces = [vars(module) for module in passed]
        self.passed = passed
        self.kinds, self.sizes = self._kinds()
        self.hooks = [*GLOBAL_HOOKS, *(getattr(module, name) for module in passed for name in HOOKS)]

    def _children(self) -> list[nn.Module | None]:
        return list(chain.from_iterable(map(dict.values, self.holders)))

    def _kinds(self) -> tuple[list[type], list[int]]:
        return list(map(type, self.passed)), list(map(len, self.namespaces))

    def has_changed(self) -> bool:
        """Whether a module was replaced, or has another class or attributes (a `forward` of its own) by now."""
        return (
            list(chain.from_iterable(map(dict.values, self.holders))) != self.children
            or list(map(len, self.namespaces)) != self.sizes
            or list(map(type, self.passed)) != self.kinds
        )

    def is_hooked(self) -> bool:
        """Whether some hook is there to be called."""
        return any(self.hooks)


class Written:
    """One function: its source, what it is in Python, and what it takes for granted.

    Args:
        layers: by name, in order of execution.
        inputs: keys that come from outside.
        outputs: keys that are wanted.
        absent: optional inputs that the environment does not offer; their readers are given None.
        shortcuts: whether calls of modules may be left out.
    """

    def __init__(
        self,
        layers: Mapping[str, BoundLayer],
        inputs: Collection[str],
        outputs: Collection[str],
        absent: Collection[str] = (),
        *,
        shortcuts: bool = False,
    ) -> None:
        self.inputs, self.shortcuts = tuple(inputs), shortcuts
        self.names = _Names()
        self.scope: dict[str, Any] = FUNCTIONS | HELPERS
        self.holders: list[nn.Module] = []
        self.passed: list[nn.Module] = []
        self.lines = [f"    {self.names[key]} = inputs[{key!r}]" for key in inputs]
        last = {key: name for name, layer in layers.items() for key in layer.in_keys}
        self.kept = {*outputs}
        self.absent = absent
        self.repeated: set[str] = set()  # keys whose tensors may be handed on as `glulam.Repeated`
        for name, layer in layers.items():
            self._layer(name, layer)
            done = [key for key in dict.fromkeys([*layer.in_keys, *layer.out_keys]) if last.get(key, name) == name]
            done = [self.names[key] for key in done if key not in {*self.kept, *self.absent}]
            if done:
                self.lines.append(f"    del {', '.join(done)}")
        made = {key for layer in layers.values() for key in layer.out_keys}.union(inputs)
        result = ", ".join(f"{key!r}: {self._dense(key)}" for key in outputs if key in made)
        self.source = "\n".join(["def compute(inputs, recur):", *self.lines, f"    return {{{result}}}", ""])
        self.run: Callable[[dict[str, Tensor], Recurrence], dict[str, Tensor]] = self._made()
        self.watch = Watch(self.holders, self.passed)

    def _made(self) -> Any:  # noqa: ANN401 - a function made from text
        file = f"<glulam plan {next(_numbers)}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)  # tracebacks show its lines as long as it lives
        exec(compile(self.source, file, "exec"), self.scope)  # noqa: S102 - every name in it is an identifier of ours
        return self.scope.pop("compute")  # or it would hold itself, and the weights would wait for the collector

    def _layer(self, name: str, layer: BoundLayer) -> None:
        module = layer.module
        taken = self._says(module, "takes_repeated")
        given = [
            "None" if key is None or key in self.absent else self.names[key] if taken else self._dense(key)
            for key in layer.arguments
        ]
        written = [self.names[key] for key in layer.out_keys]
        alone = len(given) == len(written) == 1
        who = f"layer {name!r} ({type(module).__name__})"
        self.holders.append(layer)
        if layer.is_memory:
            called = f"recur({name!r}, {self._global(name, module)}, {given[0]})"
        elif layer.is_native:
            called = f"{self._global(name, layer)}.call_native([{', '.join(given)}], rows_of(inputs))"
        elif (
            alone and not self.repeated.isdisjoint(layer.in_keys) and (_code(module) or self._says(module, "row_wise"))
        ):
            self.repeated.update(layer.out_keys)
            read = self.names[layer.in_keys[0]]
            self.lines.append(f"    {written[0]} = each({self._entered(name, module)}, {read}, {who!r})")
            return
        elif self.shortcuts and alone and (_code(module) or _is_sequence(module)):
            self._short(name, module, given[0], written[0])
            return
        elif self._says(module, "repeated"):
            self.repeated.update(layer.out_keys)
            called = f"{self._entered(name, module, 'repeated')}({', '.join(given)})"
        else:
            called = f"{self._entered(name, module)}({', '.join(given)})"
        if len(written) == 1 and not layer.is_native:
            self.lines.append(f"    {written[0]} = single({called}, {who!r})")
        else:
            self.lines.append(f"    [{', '.join(written)}] = several({called}, {len(written)}, {who!r})")

    def _short(self, name: str, module: nn.Module, given: str, written: str) -> None:
        """Write a leaf or a sequence, whose steps all go by the name of what comes out."""
        if _is_sequence(module):
            self.passed.append(module)
            self.holders.append(module)
            for number, child in module._modules.items():  # noqa: SLF001 - as the watch sees them
                self._short(f"{name}_{number}", child, given, written)  # type: ignore[arg-type]
                given = written
            if given != written:  # an empty one
                self.lines.append(f"    {written} = {given}")
            return
        code = _code(module)
        if code:
            self.passed.append(module)
            weights = self._global(name, module._parameters) if "{w}" in code else ""  # noqa: SLF001 - as above
            whole = self._global(f"{name}_module", module) if "{m}" in code else ""
            code = code.format(x=given, w=weights, m=whole)
        else:
            code = f"single({self._entered(name, module)}({given}), {f'{name} ({type(module).__name__})'!r})"
        if code != written:
            self.lines.append(f"    {written} = {code}")

    def _says(self, module: nn.Module, what: str) -> bool:
        return self.shortcuts and goes_with_forward(module, what)

    def _dense(self, key: str) -> str:
        """Return the expression of a key's tensor."""
        return f"dense({self.names[key]})" if key in self.repeated else self.names[key]

    def _entered(self, name: str, module: nn.Module, method: str = "forward") -> str:
        """Return the name of what is called to run a module: past its `__call__` where that does nothing more."""
        if not self.shortcuts or not _is_ordinary(module) or "forward" in vars(module):
            return self._global(name, module)
        self.passed.append(module)
        return self._global(name, getattr(module, method))

    def _global(self, name: str, value: object) -> str:
        variable = self.names.new(name)
        self.scope[variable] = value
        return variable


class _Names:
    """Python names for keys and for layers, each as like it as can be."""

    def __init__(self) -> None:
        self.taken = {*keyword.kwlist, *FUNCTIONS, *HELPERS, "inputs", "recur", "compute"}
        self.keys: dict[str, str] = {}

    def __getitem__(self, key: str) -> str:
        if key not in self.keys:
            self.keys[key] = self.new(key)
        return self.keys[key]

    def new(self, like: str) -> str:
        """Return a name that is not taken yet."""
        plain = re.sub(r"\W", "_", like, flags=re.ASCII)  # Python takes some other letters for one another
        plain = plain if plain.isidentifier() else f"_{plain}"
        while plain in self.taken:
            plain += "_"
        self.taken.add(plain)
        return plain


def _is_ordinary(module: nn.Module) -> bool:
    """Whether calling a module is calling its `forward`, but for hooks."""
    return type(module).__call__ is nn.Module.__call__ and module._compiled_call_impl is None  # noqa: SLF001 - no other way to tell


def _is_sequence(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other, and does no more."""
    return _is_ordinary(module) and _forward(module) is nn.Sequential.forward


def _code(module: nn.Module) -> str:
    """Return the call of a function that a leaf module is, empty for any other module."""
    code = _FORWARDS.get(_forward(module), "") if _is_ordinary(module) else ""
    computed = "{w}" in code and not {"weight", "bias"} <= module._parameters.keys()  # noqa: SLF001 - as above
    return "" if computed or getattr(module, "inplace", False) else code


def _forward(module: nn.Module) -> Any:  # noqa: ANN401 - a function
    return vars(module).get("forward", type(module).forward)


def _single(result: Any, who: str) -> Any:  # noqa: ANN401 - what a stranger's module returns
    return result if type(result) is Tensor else as_tuple(result, 1, who)[0]


def _rows_of(inputs: Mapping[str, Tensor]) -> int:
    return next(iter(inputs.values())).shape[0]


def _each(forward: Callable[[Tensor], Any], x: Tensor | Repeated, who: str) -> Tensor | Repeated:
    """Run a module that treats each row alone."""
    if isinstance(x, Repeated):
        return x.map(lambda rows: _single(forward(rows), who))  # type: ignore[no-any-return]
    return _single(forward(x), who)  # type: ignore[no-any-return]


def _tensor(x: Tensor | Repeated) -> Tensor:
    return x.dense() if isinstance(x, Repeated) else x


HELPERS: dict[str, Any] = {
    "dense": _tensor,
    "each": _each,
    "rows_of": _rows_of,
    "several": as_tuple,
    "single": _single,
}
