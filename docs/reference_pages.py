"""A Sphinx extension: the pages of the reference, made of the code when the site is built, so that none goes stale."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from glulam.catalog import Registry
from glulam.explain import RULES, page
from glulam.schema import policy_schema

if TYPE_CHECKING:
    from collections.abc import Container

    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

__all__ = ["data_doc", "left_out", "public_modules", "public_names", "setup", "shown_modules"]

CORE = ("glulam", "glulam.interop.torchrl", "glulam.picture", "glulam.testing", "glulam.testing.strategies")
PACKAGES = [f"glulam_{folder.parent.name}" for folder in Path(__file__).parents[1].glob("plugins/*/pyproject.toml")]


def shown_modules() -> list[str]:
    """Return every module whose public names the reference has; a plug-in that cannot be installed here has none."""
    return [
        *CORE,
        *(module for package in sorted(PACKAGES) if find_spec(package) for module in public_modules(package)),
    ]


def left_out(shown: Container[str]) -> list[str]:
    """Return the public names that are not among those shown."""
    names = [f"{module}.{name}" for module in shown_modules() for name in public_names(module)]
    return [name for name in names if name not in shown]


def public_modules(package: str) -> list[str]:
    """Return the modules of a package that have public names, the package itself first."""
    inner = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    names = [package, *(found.name for found in inner)]
    return [name for name in names if "._" not in name and public_names(name)]


def public_names(module: str) -> list[str]:
    """Return what a module offers; commands are left out, which the reference of the command line has."""
    home = import_module(module)
    return [name for name in getattr(home, "__all__", ()) if not isinstance(getattr(home, name), click.Command)]


class _Made(SphinxDirective):
    """A directive whose content is Markdown that is made of the code."""

    optional_arguments, final_argument_whitespace = 1, True

    def run(self) -> list[nodes.Node]:
        """Return what the Markdown says."""
        self.env.note_reread()  # Sphinx cannot tell when the code has changed
        return self.parse_text_to_nodes(self.markdown(" ".join(self.arguments).split()), allow_section_headings=True)

    def markdown(self, arguments: list[str]) -> str:
        """Return the Markdown."""
        raise NotImplementedError


class PublicNames(_Made):
    """`{public-names} MODULE NAME ...`: what a module offers, all of it or these names."""

    def markdown(self, arguments: list[str]) -> str:
        """Return what asks autodoc for each name."""
        module, *names = arguments
        return "\n\n".join(_described(module, name) for name in names or public_names(module))


def data_doc(module: str, name: str) -> list[str]:
    """Return the docstring below a constant or type alias, which its value cannot hold; empty if there is none."""
    home = getattr(import_module(module), "_HOMES", {}).get(name, module)
    return ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name), [])


def _described(module: str, name: str) -> str:
    value = getattr(import_module(module), name)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        lines = [f".. auto{kind}:: {module}.{name}", "   :members:"]
    elif inspect.isroutine(value):
        lines = [f".. autofunction:: {module}.{name}"]
    else:
        lines = [f".. py:data:: {module}.{name}", "", *(f"   {line}" for line in data_doc(module, name))]
    return "\n".join(["```{eval-rst}", *lines, "```"])


class PublicModules(_Made):
    """`{public-modules} PACKAGE`: each module of a distribution and what it offers."""

    def markdown(self, arguments: list[str]) -> str:
        """Return a section a module."""
        (package,) = arguments
        if find_spec(package) is None:
            return f"`{package}` was not installed where this site was built."
        return "\n\n".join(
            f"## {module}\n\n{inspect.getdoc(import_module(module))}\n\n{_names(module)}"
            for module in public_modules(package)
        )


def _names(module: str) -> str:
    return f"```{{public-names}} {module}\n```"


class FaultPages(_Made):
    """`{fault-pages}`: the page of each code, as `glulam explain` prints it, under a target of the code's name."""

    def markdown(self, arguments: list[str]) -> str:
        """Return a section a code."""
        del arguments
        return "\n\n".join(f"({code})=\n#{page(code)}" for code in RULES)


class PolicyFormat(_Made):
    """`{policy-format}`: the top of a policy file, from the schema that `glulam schema` writes."""

    def markdown(self, arguments: list[str]) -> str:
        """Return a table, a row a field."""
        del arguments
        schema, _ = policy_schema(Registry.installed())
        whole = schema["else"]["else"]  # of a file that neither extends nor names a class
        never = [name for case in whole["not"]["anyOf"] for name in case["required"]]
        rows = ["| field | type | stands | |", "|---|---|---|---|"]
        for name, field in schema["properties"].items():
            kind = field.get("type") or (f"`{field['const']}`" if "const" in field else "an entry")
            if kind == "array":
                kind = "list of strings" if field["items"].get("type") == "string" else "list"
            kind = "mapping" if kind == "object" else kind
            stands = "always" if name in schema["required"] else "may stand"
            stands = "unless the file has `extends` or `policy`" if name in whole["required"] else stands
            stands = "beside `extends` only" if name in never else stands
            rows.append(f"| `{name}` | {kind} | {stands} | {field['description']} |")
        return "\n".join(rows)


class News(_Made):
    """`{news}`: what has changed since the last release, as towncrier will write it into the changelog."""

    def markdown(self, arguments: list[str]) -> str:
        """Return a section a kind of change."""
        del arguments
        command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "Not released yet"]
        folder = Path(self.env.srcdir).parent
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
        return done.stdout


def _check(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn of what is public and on no page."""
    labels = env.domaindata["std"]["anonlabels"]
    codes = [code for code in RULES if code.lower() not in labels]
    for name in [*left_out(env.domaindata["py"]["objects"]), *codes]:
        logging.getLogger(__name__).warning("%s is on no page of the reference", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known to Sphinx."""
    app.add_directive("public-names", PublicNames)
    app.add_directive("public-modules", PublicModules)
    app.add_directive("fault-pages", FaultPages)
    app.add_directive("policy-format", PolicyFormat)
    app.add_directive("news", News)
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": True}
