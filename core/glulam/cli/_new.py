"""`glulam new`: a plug-in project to start from."""

from __future__ import annotations

import keyword
import os
import re
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from glulam._discovery import normalise
from glulam._errors import GlulamError

__all__ = ["new"]

_TEMPLATE = Path(__file__).parents[1] / "template"
# Each by name: an installed template has compiled files beside these, a linted one has caches.
_FILES = (
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "plugin_name/__init__.py",
    "plugin_name/configs.py",
    "plugin_name/gated_linear.py",
    "plugin_name/py.typed",
    "policy.yaml",
    "pyproject.toml",
    "tests/test_contract.py",
)
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # as PEP 508 has it
# What the project itself imports or holds, or its tests do.
_TAKEN = frozenset({"attr", "attrs", "hypothesis", "pytest", "tensordict", "test", "tests", "torch"})


@click.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(exists=True, file_okay=False), default=".", help="The folder to make it in, if not here."
)
def new(name: str, into: str) -> None:
    """Make a plug-in project NAME, such as my-layers, in a folder of that name.

    It has one layer, a policy that uses it, and a test module that runs the contract suite on all layers that it
    registers. It passes that as it is.
    """
    fault = _fault(name)
    if fault is not None:
        folder = os.path.dirname(name)  # noqa: PTH120 - a name's, not a path's
        where = f" --into {shlex.quote(folder)}" if folder else ""
        msg = f"{name!r} {fault}; write for instance: glulam new {_better(name)}{where}"
        raise click.UsageError(msg)
    target = Path(into) / name
    _make(target, distribution=normalise(name))
    click.echo(f"made {target}: the layer gated_linear, a policy that uses it and a contract test\n\nnext:")
    for command in (
        ("pip", "install", "-e", f"{target}[test]"),
        ("pytest", str(target)),
        ("glulam", "check", str(target / "policy.yaml")),
    ):
        click.echo(f"  {shlex.join(command)}")


def _fault(name: str) -> str | None:
    """Return what is wrong with a distribution's name, None if nothing is."""
    if not _DISTRIBUTION.fullmatch(name):
        return "is no name of a distribution: letters, digits, and between them '-', '_' and '.'"
    package = _package(name)
    if package.split("_")[0] == "glulam":
        return "begins as glulam's own distributions do"
    if not package.isidentifier() or keyword.iskeyword(package):
        return f"would be imported as {package}, which Python cannot read as a name"
    if package in sys.stdlib_module_names:
        return f"would be imported as {package}, as a module of Python itself is"
    if package in _TAKEN:
        return f"would be imported as {package}, which is something else already"
    return None


def _better(name: str) -> str:
    """Return a name without fault that is close to one with."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", re.split(r"[\\/]", name)[-1]).strip("-").lower()
    words = words.removeprefix("glulam").strip("-")
    return next(close for close in (words, f"{words}-layers", f"my-{words}", "my-layers") if _fault(close) is None)


def _package(name: str) -> str:
    return normalise(name).replace("-", "_")


def _make(target: Path, *, distribution: str) -> None:
    """Write the whole project or nothing of it."""
    if os.path.lexists(target):
        msg = f"{target} is there already: take another name, or another folder with --into FOLDER"
        raise GlulamError(msg)
    try:
        with TemporaryDirectory(prefix=".glulam-new-", dir=target.parent) as beside:
            project = Path(beside) / target.name
            for file in _FILES:
                path = project / _filled(file, distribution)
                path.parent.mkdir(parents=True, exist_ok=True)
                text = (_TEMPLATE / file).read_text(encoding="utf-8")
                path.write_text(_filled(text, distribution), encoding="utf-8")
            project.rename(target)
    except OSError as error:
        msg = f"cannot make {target}: {error.strerror or error}"
        raise GlulamError(msg) from error


def _filled(text: str, distribution: str) -> str:
    return text.replace("plugin-name", distribution).replace("plugin_name", _package(distribution))
