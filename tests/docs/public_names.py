"""What is wrong with the docstrings of public names: what they leave out of fields, errors, shapes and units."""

import ast
import builtins
import importlib
import inspect
import re
import textwrap

import attrs
import click

__all__ = ["CORE", "faults_of", "functions_of"]

CORE = ("glulam", "glulam.testing", "glulam.testing.strategies", "glulam.interop.torchrl")
ERRORS = ("glulam._errors", "glulam.faults", "glulam.catalog", "glulam._guard", "glulam.keys")
TENSORS = re.compile(r"\b(Tensor|TensorDict|TensorDictBase|State)\b")
SHAPE = re.compile(r"\[[^\]]*\]|\([BTND][,)]|scalar|0-d")
UNITS = {
    r"seconds|timeout|grace": r"seconds?",
    r"bytes|memory_limit": r"bytes|MiB|GiB",
    r"(^|_)steps$|interval|horizon|window|burn_in|segment$": r"steps?\b|minibatch|update",
    r"learning_rate": r"step",
}


def faults_of(name, value):
    """Return what the docstring of one public thing leaves out, a line each."""
    if isinstance(value, click.Command):
        return [] if value.help else [f"{name}: no help"]
    found = []
    if inspect.isclass(value):
        doc = value.__dict__.get("__doc__") or ""
        found += fields_left_out(name, value, doc)
    elif inspect.isroutine(value):
        doc = value.__doc__ or ""
    else:
        return []  # a constant: the page of the reference has its text
    if not doc or doc.startswith(f"{value.__name__}("):
        return [f"{name}: no docstring"]
    for path, function, around in functions_of(name, value):
        found += function_faults(path, function, around)
    return found


def functions_of(name, value):
    """Return the public functions of a thing: itself, or a class's own methods and properties."""
    if not inspect.isclass(value):
        return [(name, inspect.unwrap(value), None)]
    own = []
    for key, member in vars(value).items():
        member = getattr(member, "fget", None) or getattr(member, "__func__", None) or member  # noqa: PLW2901
        if inspect.isfunction(member) and not key.startswith("_") and member.__module__.startswith("glulam"):
            own.append((f"{name}.{key}", inspect.unwrap(member), value))
    return own


def function_faults(name, function, around):
    doc = inspect.getdoc(getattr(around, function.__name__) if around else function) or ""
    if not doc:
        return [f"{name}: no docstring"]
    found = []
    for error in sorted(raised(function, around)):
        names = {cls.__name__ for cls in error_class(function, error).__mro__} - {
            "Exception",
            "BaseException",
            "object",
        }
        section = doc.partition("Raises:")[2]
        if not any(re.search(rf"\b{known}\b", section) for known in names):
            found.append(f"{name}: raises {error} and does not say so")
    signature = " ".join(map(str, function.__annotations__.values()))
    both = doc + (around.__doc__ or "" if around else "")
    if TENSORS.search(signature) and not SHAPE.search(both):
        found.append(f"{name}: has tensors and says no shape")
    return found


def fields_left_out(name, cls, doc):
    if not attrs.has(cls):
        return []
    found = []
    for field in attrs.fields(cls):
        if field.name.startswith("_") or not field.init:
            continue
        told = re.search(rf"(?<!\w){field.name}\b(.*?)(?=\n\s*\w+: |\Z)", doc, re.DOTALL)
        if told is None:
            found.append(f"{name}: field {field.name} is not described")
            continue
        for pattern, unit in UNITS.items():
            if (
                field.type not in (str, "str", bool, "bool")
                and re.search(pattern, field.name)
                and not re.search(unit, told[1])
            ):
                found.append(f"{name}: field {field.name} has no unit")
    return found


def error_class(function, name):
    """Return the class of an error by the name that a function's module has for it, or for what makes it."""
    home = inspect.getmodule(function)
    made = getattr(home, name, None) or getattr(builtins, name, None)
    if inspect.isfunction(made):
        return error_class(made, made.__annotations__["return"])
    return made or next(getattr(place, name) for place in map(importlib.import_module, ERRORS) if hasattr(place, name))


def raised(function, around, seen=None):
    """Return the names of errors that a function makes, itself or in private helpers of its module and class."""
    seen = set() if seen is None else seen
    if function in seen:
        return set()
    seen.add(function)
    found, home = set(), inspect.getmodule(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        return set()
    if isinstance(tree.body[0].body[-1], ast.Raise):
        return set()  # for a subclass to write
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            found.add(node.exc.func.id)
        helper = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("_"):
            helper = getattr(home, node.func.id, None)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("_"):
            if isinstance(node.func.value, ast.Name) and node.func.value.id in {"self", "cls"} and around:
                helper = getattr(around, node.func.attr, None)
        helper = getattr(helper, "__func__", helper)
        if inspect.isfunction(helper) and inspect.getmodule(helper) is home:
            found |= raised(helper, around, seen)
    return found - {"NotImplementedError", "AttributeError", "SystemExit", "AssertionError"}
