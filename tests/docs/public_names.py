"""What is wrong with the docstrings of public names: what they leave out of fields, errors, shapes and units."""

import ast
import builtins
import importlib
import inspect
import operator
import re
import textwrap

import attrs
import click

__all__ = ["faults_of"]

# Where errors are that a function imports for itself.
ERRORS = ("glulam._errors", "glulam.faults", "glulam.catalog", "glulam._guard", "glulam.keys")
TOO_WIDE = (Exception, BaseException, object)
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
        inherited = [base.__doc__ or "" for base in value.__mro__ if attrs.has(base)]
        found += fields_left_out(name, value, "\n".join([doc, *inherited]))
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
    """Return the public functions of a thing, each with its class: itself, or a class's own methods and properties."""
    if not inspect.isclass(value):
        return [(name, inspect.unwrap(value), None)]
    own = []
    for key, member in vars(value).items():
        member = getattr(member, "fget", None) or getattr(member, "__func__", None) or member  # noqa: PLW2901
        if inspect.isfunction(member) and not key.startswith("_") and package_of(member) == package_of(value):
            own.append((f"{name}.{key}", inspect.unwrap(member), value))
    return own


def package_of(thing):
    return thing.__module__.partition(".")[0]


def function_faults(name, function, around):
    doc = inspect.getdoc(getattr(around, function.__name__) if around else function) or ""
    if not doc:
        return [f"{name}: no docstring"]
    found = []
    for error in sorted(raised(function, around)):
        names = [cls.__name__ for cls in error_class(error, function, around).__mro__ if cls not in TOO_WIDE]
        if not any(re.search(rf"\b{known}\b", doc) for known in names):
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
        told = re.findall(rf"(?<!\w){field.name}\b(.*?)(?=\n\s*\w+: |\Z)", doc, re.DOTALL)
        if not told:
            found.append(f"{name}: field {field.name} is not described")
        elif field.type not in {str, "str", bool, "bool"}:
            wanted = [unit for pattern, unit in UNITS.items() if re.search(pattern, field.name)]
            if not all(re.search(unit, " ".join(told), re.IGNORECASE) for unit in wanted):
                found.append(f"{name}: field {field.name} has no unit")
    return found


def error_class(name, function, around):
    """Return the class of an error by the name that a function's module has for it, or for what makes it."""
    places = [around, inspect.getmodule(function), builtins, *map(importlib.import_module, ERRORS)]
    last = name.rpartition(".")[2]
    for place in places:
        try:
            made = operator.attrgetter(name)(place)
        except AttributeError:
            made = getattr(place, last, None)
        if inspect.isfunction(made):
            return error_class(made.__annotations__["return"], made, around)
        if inspect.isclass(made):
            return made
    raise LookupError(name)


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
        match node:
            case ast.Raise(exc=ast.Call(func=(ast.Name() | ast.Attribute()) as error)):
                found.add(ast.unparse(error))
        helper = private_helper(node, home, around)
        if inspect.isfunction(helper) and inspect.getmodule(helper) is home:
            found |= raised(helper, around, seen)
    return found - {"NotImplementedError", "AttributeError", "SystemExit", "AssertionError"}


def private_helper(node, home, around):
    """Return the private function of the module, or of the class, that a node calls; None if it calls none."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name.startswith("_"):
            found = getattr(home, name, None)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)) if name.startswith("_"):
            found = getattr(around, name, None)
        case _:
            return None
    return inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else None
