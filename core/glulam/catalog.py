"""The registry: names to entry points, each loaded when somebody asks for it, each behind a guard."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam._discovery import EntryPoint, find_distributions
from glulam._errors import GlulamError
from glulam.config import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Catalog", "Entry", "PluginError", "Registry", "registry"]


class PluginError(GlulamError):
    """A registry fault with its code (GL201 to GL204) and remedy."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{code} {message}; {remedy}")
        self.code, self.message, self.remedy = code, message, remedy


@attrs.frozen
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
        """`distribution:name`, which no other distribution can claim."""
        return f"{self.distribution}:{self.name}"

    @property
    def resource(self) -> Path | None:
        """The file, where the entry names one in its package (`package:policy.yaml`)."""
        module, _, attribute = self.point.value.partition(":")
        if not attribute.endswith((".yaml", ".yml")):
            return None
        found = importlib.util.find_spec(module.partition(".")[0])
        if found is None or not found.submodule_search_locations:
            msg = f"its package {module!r} is not there"
            raise self._broken(msg)
        return Path(next(iter(found.submodule_search_locations)), *module.split(".")[1:], attribute)

    def load(self) -> Any:  # noqa: ANN401 - whatever the plugin registered
        """Import the object.

        Raises:
            PluginError: GL203 if the plugin fails to import, whatever it raises; GL204 if it was written for
                another version of the layer protocol.
        """
        module, _, attribute = self.point.value.partition(":")
        try:
            loaded = importlib.import_module(module)
            for part in filter(None, attribute.split(".")):
                loaded = getattr(loaded, part)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            msg = f"{type(error).__name__}: {error}"
            raise self._broken(msg) from error
        protocol = getattr(loaded, "protocol", PROTOCOL_VERSION)
        if protocol != PROTOCOL_VERSION:
            found = f"{self.qualified} speaks layer protocol {protocol}, this glulam speaks {PROTOCOL_VERSION}"
            code = "GL204"
            raise PluginError(code, found, f"install a version of {self.distribution} for this glulam")
        return loaded

    def _broken(self, found: str) -> PluginError:
        message = f"{self.qualified} (version {self.version}) does not import: {found}"
        return PluginError("GL203", message, f"mend or reinstall {self.distribution}")


class Catalog(Mapping[str, Entry]):
    """The entries of one group by name; a name also answers to `distribution:name`."""

    def __init__(self, what: str, entries: Sequence[Entry], index: Mapping[str, Any]) -> None:
        self.what = what
        self._index = index
        self._owners: dict[str, list[Entry]] = {}
        for entry in sorted(entries, key=lambda entry: entry.qualified):
            self._owners.setdefault(entry.name, []).append(entry)
            self._owners.setdefault(entry.qualified, []).append(entry)

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises:
            KeyError: if nothing claims it.
            PluginError: GL202 if several distributions do.
        """
        owners = self._owners[name]
        if len(owners) > 1:
            claims = " and ".join(entry.distribution for entry in owners)
            message = f"{self.what} {name!r} is claimed by {claims}"
            choice = " or ".join(repr(entry.qualified) for entry in owners)
            code = "GL202"
            raise PluginError(code, message, f"write {choice}")
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
            PluginError: GL201 if nothing claims it, saying how to get it or what comes nearest; GL202 as above.
        """
        if name in self._owners:
            return self[name]
        code = "GL201"
        raise PluginError(code, f"unknown {self.what} {name!r}", self._how_to_get(name))

    def _how_to_get(self, name: str) -> str:
        from glulam.faults import suggestion

        owner, _, short = name.rpartition(":")
        for distribution, row in self._index.items():
            if short in row.get(_INDEX_FIELDS[self.what], ()) and owner in ("", distribution):
                return f"pip install {row['source']}  # it comes with {distribution}"
        indexed = [found for row in self._index.values() for found in row.get(_INDEX_FIELDS[self.what], ())]
        otherwise = f"see `glulam list` for each {self.what} there is"
        return suggestion(short, [*self, *indexed], otherwise)


_INDEX_FIELDS = {
    "layer": "layers",
    "policy": "policies",
    "environment": "environments",
    "loss": "losses",
    "command": "commands",
}


class Registry:
    """All that is installed, as lazy mappings from names to entries."""

    def __init__(self, path: Sequence[str] | None = None) -> None:
        self.distributions = find_distributions(path)

    def _catalog(self, what: str) -> Catalog:
        group = _INDEX_FIELDS[what]
        points = (point for item in self.distributions for point in item.entry_points if point.group == group)
        return Catalog(what, [Entry(point) for point in points], self.index)

    @cached_property
    def layers(self) -> Catalog:
        """Layer kinds."""
        return self._catalog("layer")

    @cached_property
    def policies(self) -> Catalog:
        """Policies: YAML files and policy configs."""
        return self._catalog("policy")

    @cached_property
    def environments(self) -> Catalog:
        """Families of environments, the part of a URI before the colon."""
        return self._catalog("environment")

    @cached_property
    def losses(self) -> Catalog:
        """Losses."""
        return self._catalog("loss")

    @cached_property
    def commands(self) -> Catalog:
        """Commands that plugins add to the command line."""
        return self._catalog("command")

    @cached_property
    def index(self) -> dict[str, dict[str, Any]]:
        """`registry.toml`: distribution to what it provides and where it comes from."""
        here = Path(__file__)
        shipped = here.with_name("registry.toml")  # in a wheel; an editable install reads the checkout's own
        file = shipped if shipped.exists() else here.parents[2] / "registry.toml"
        try:
            return dict(tomllib.loads(file.read_text(encoding="utf-8"))["distributions"])
        except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
            msg = f"the index {file} cannot be read: {error}; reinstall glulam"
            raise GlulamError(msg) from error


def registry(path: Sequence[str] | None = None) -> Registry:
    """Return the registry of what is installed now, read afresh from metadata.

    Args:
        path: folders to look in instead of `sys.path`.
    """
    return Registry(path)
