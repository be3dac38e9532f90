"""The registry: names to entry points, each loaded when somebody asks for it, each behind a guard."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam._discovery import Distribution, EntryPoint, find_distributions, normalise
from glulam._errors import GlulamError
from glulam._guard import TooSlowError, guarded, import_limit, told
from glulam.config import PROTOCOL_VERSION
from glulam.faults import shorten, suggestion
from glulam.index import Index, read_index
from glulam.kinds import mistake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Catalog", "Entry", "PluginError", "Registry", "registry"]

SINGULAR = {
    "layers": "layer",
    "policies": "policy",
    "environments": "environment",
    "losses": "loss",
    "commands": "command",
    "exporters": "exporter",
    "hooks": "hook module",
}


class PluginError(GlulamError):
    """A registry fault with its code (GL201 to GL205) and remedy."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{code} {message}; {remedy}")
        self.code, self.message, self.remedy = code, message, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message, self.remedy)


@attrs.frozen(slots=False)
class Entry:
    """A registered name and its owner; `load` imports it."""

    point: EntryPoint

    @property
    def name(self) -> str:
        """The name that a policy uses."""
        return self.point.name

    @property
    def distribution(self) -> str:
        """The distribution that owns the name."""
        return self.point.distribution

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.point.version

    @property
    def qualified(self) -> str:
        """The name behind its distribution and a colon, which no other distribution can claim."""
        return f"{self.distribution}:{self.name}"

    @property
    def owner(self) -> str:
        """The distribution and its version, as faults print them."""
        return f"{self.distribution} {self.version}"

    @property
    def resource(self) -> Path | None:
        """The file, where the entry names one in its package."""
        module, _, attribute = self.point.value.partition(":")
        if not attribute.endswith((".yaml", ".yml")):
            return None
        found = importlib.util.find_spec(module.partition(".")[0])
        if found is None or not found.submodule_search_locations:
            msg = f"its package {module!r} is not there"
            raise self._broken(msg)
        return Path(next(iter(found.submodule_search_locations)), *module.split(".")[1:], attribute)

    def load(self) -> Any:  # noqa: ANN401 - whatever the plugin registered
        """Import the object, once.

        Raises:
            PluginError: GL203 if the plugin fails to import, whatever it raises and however long it takes, or
                is no such thing; GL204 if it was written for another version of the layer protocol.
        """
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    @cached_property
    def _outcome(self) -> tuple[Any, PluginError | None]:
        limit = import_limit()
        try:
            with guarded(limit):
                loaded = self._import()
        except KeyboardInterrupt:
            raise
        except TooSlowError as error:
            return None, self._broken(str(error))
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
            return None, self._broken(shorten(told(error), 300))
        protocol = getattr(loaded, "protocol", PROTOCOL_VERSION)
        if protocol != PROTOCOL_VERSION:
            found = f"{self.qualified} speaks layer protocol {protocol}, this glulam speaks {PROTOCOL_VERSION}"
            return None, PluginError("GL204", found, f"install a version of {self.distribution} for this glulam")
        wrong = mistake(self.point.group, loaded)
        if wrong is not None:
            found = f"{self.qualified} (version {self.version}) is {wrong}"
            return None, PluginError("GL203", found, f"tell the authors of {self.distribution}")
        return loaded, None

    def stands_for(self, cls: type) -> bool:
        """Whether this names a class, which may live in another module; not while its own module is not imported."""
        module, _, attribute = self.point.value.partition(":")
        found: object = sys.modules.get(module)
        for part in attribute.split("."):
            found = getattr(found, "__dict__", {}).get(part)  # a getattr might import more
        return found is cls

    def _import(self) -> Any:  # noqa: ANN401 - whatever the plugin registered
        module, _, attribute = self.point.value.partition(":")
        loaded = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            loaded = getattr(loaded, part)
        return loaded

    def _broken(self, found: str) -> PluginError:
        message = f"{self.qualified} (version {self.version}) does not import: {found}"
        return PluginError("GL203", message, f"mend or reinstall {self.distribution}; `glulam doctor` tells more")


class Catalog(Mapping[str, Entry]):
    """The entries of one kind by name; a name also answers to `distribution:name`."""

    def __init__(self, kind: str, registry: Registry) -> None:
        self.kind = kind
        self._registry = registry
        self._owners: dict[str, list[Entry]] = {}
        self._by_value: dict[str, Entry] = {}
        self._unknown: dict[str, PluginError] = {}  # a file may name the same one a thousand times
        for item in registry.distributions:
            for point in item.entry_points:
                if point.group == kind:
                    entry = Entry(point)
                    self._owners.setdefault(entry.name, []).append(entry)
                    self._owners.setdefault(entry.qualified, []).append(entry)
                    self._by_value.setdefault(point.value, entry)

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises:
            KeyError: if nothing claims it.
            PluginError: GL202 if several distributions do.
        """
        owners = self._owners[name]
        if len(owners) > 1:
            claims = " and ".join(entry.owner for entry in owners)
            choice = " or ".join(repr(entry.qualified) for entry in owners)
            code = "GL202"
            raise PluginError(code, f"{SINGULAR[self.kind]} {name!r} is claimed by {claims}", f"write {choice}")
        return owners[0]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._owners if ":" not in name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def claims(self, name: str) -> list[Entry]:
        """Return every entry that claims a name."""
        return list(self._owners.get(name, ()))

    def find(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises:
            PluginError: GL201 if nothing claims it, saying how to get it or what comes nearest; GL205 if its
                distribution is blocked; GL202 as above.
        """
        if name in self._owners:
            return self[name]
        for item in self._registry.blocked:
            if any(point.group == self.kind and name in (point.name, f"{item.name}:{point.name}")
                   for point in item.entry_points):  # fmt: skip
                found = f"{SINGULAR[self.kind]} {name!r} comes from {item.name} {item.version}, which is blocked"
                code = "GL205"
                raise PluginError(code, found, self._registry.unblock(item.name))
        if name not in self._unknown:
            message = f"unknown {SINGULAR[self.kind]} {shorten(name)!r}"
            self._unknown[name] = PluginError("GL201", message, self._how_to_get(name))
        raise self._unknown[name]

    def entry_of(self, cls: type) -> Entry | None:
        """Return the entry that registers a class, without importing anything."""
        entry = self._by_value.get(f"{cls.__module__}:{cls.__qualname__}")
        return entry or next((other for other in self._by_value.values() if other.stands_for(cls)), None)

    def _how_to_get(self, name: str) -> str:
        index = self._registry.index
        versions = {item.name: item.version for item in self._registry.distributions}
        command = index.remedy(self.kind, name, versions)
        if command is not None:
            return command
        otherwise = f"see `glulam list` for all {self.kind} that are installed"
        return suggestion(name.rpartition(":")[2], [*self, *index.names(self.kind)], otherwise)


class Registry:
    """All that is installed, as lazy mappings from names to entries.

    Args:
        path: folders to look in; `sys.path` when None.
        allow: distributions to use; all when None.
        block: distributions not to use.
        index: the curated index; the shipped `registry.toml` when None.
    """

    def __init__(
        self,
        path: Sequence[str] | None = None,
        *,
        allow: Iterable[str] | None = None,
        block: Iterable[str] = (),
        index: Index | None = None,
    ) -> None:
        self.allow = None if allow is None else frozenset(map(normalise, allow))
        self.block = frozenset(map(normalise, block))
        found = find_distributions(path)
        self.distributions: list[Distribution] = [item for item in found if self._is_allowed(item.name)]
        self.blocked: list[Distribution] = [item for item in found if not self._is_allowed(item.name)]
        if index is not None:
            self.index = index

    @classmethod
    def installed(cls) -> Registry:
        """Return what is installed now, less what `GLULAM_PLUGINS` leaves out or `GLULAM_BLOCK` names."""
        allow, block = (_names_in(variable) for variable in ("GLULAM_PLUGINS", "GLULAM_BLOCK"))
        return cls(allow=allow or None, block=block)

    def _is_allowed(self, name: str) -> bool:
        return name not in self.block and (self.allow is None or name in self.allow)

    def unblock(self, name: str) -> str:
        """Return what to do to use a blocked distribution."""
        return f"take {name} out of GLULAM_BLOCK" if name in self.block else f"add {name} to GLULAM_PLUGINS"

    @cached_property
    def layers(self) -> Catalog:
        """Layer kinds."""
        return Catalog("layers", self)

    @cached_property
    def policies(self) -> Catalog:
        """Policies: YAML files and policy configs."""
        return Catalog("policies", self)

    @cached_property
    def environments(self) -> Catalog:
        """Families of environments, the part of a URI before the colon."""
        return Catalog("environments", self)

    @cached_property
    def losses(self) -> Catalog:
        """Losses."""
        return Catalog("losses", self)

    @cached_property
    def commands(self) -> Catalog:
        """Commands that plugins add to the command line."""
        return Catalog("commands", self)

    @cached_property
    def exporters(self) -> Catalog:
        """What writes a policy in another form, by the name that `glulam export --to` takes."""
        return Catalog("exporters", self)

    @cached_property
    def hooks(self) -> Catalog:
        """Modules of hook implementations; see `glulam.hookimpl`."""
        return Catalog("hooks", self)

    @cached_property
    def index(self) -> Index:
        """The curated index: what known distributions provide, installed or not."""
        return read_index()


def registry(path: Sequence[str] | None = None) -> Registry:
    """Return the registry of what is installed now, read afresh from metadata.

    `GLULAM_PLUGINS` and `GLULAM_BLOCK` (distributions, separated by commas) allow and block.

    Args:
        path: folders to look in instead of `sys.path`, without regard to those variables.
    """
    return Registry.installed() if path is None else Registry(path)


def _names_in(variable: str) -> list[str]:
    return [name for name in os.environ.get(variable, "").split(",") if name.strip()]
