"""`registry.toml`, the curated index: what each known distribution provides and where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam._discovery import normalise
from glulam._errors import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.catalog import Registry

__all__ = ["KINDS", "Index", "Row", "check_index", "read_index"]

KINDS = ("layers", "policies", "environments", "losses", "commands", "exporters", "hooks")
FIELDS = ("summary", "source", "versions", *KINDS)


@attrs.frozen(kw_only=True)
class Row:
    """One distribution: its summary, the versions that were checked, what it offers by kind, and its source.

    `source` is what pip installs: a path in glulam's repository, an address, or a published name.
    """

    summary: str
    source: str
    versions: tuple[str, ...] = ()
    offers: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    @property
    def is_path(self) -> bool:
        """Whether the source is a folder of glulam's repository."""
        return self.source.startswith(("./", "/", "../"))

    @property
    def is_name(self) -> bool:
        """Whether the source is the name of a published distribution."""
        return not self.is_path and "://" not in self.source


class Index(Mapping[str, Row]):
    """The rows of a `registry.toml` by distribution; `file` says where it was read."""

    def __init__(self, rows: Mapping[str, Row], file: Path | None = None) -> None:
        self._rows, self.file = dict(rows), file

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def names(self, kind: str) -> list[str]:
        """Return every name of a kind that some row offers."""
        return [name for row in self.values() for name in row.offers.get(kind, ())]

    def remedy(self, kind: str, name: str, installed: Mapping[str, str]) -> str | None:
        """Return the command that installs what offers a name, or None if no row does.

        Args:
            kind: `layers`, `policies`, ...
            name: a name, or `distribution:name`.
            installed: versions of installed distributions by name.
        """
        owner, colon, short = name.rpartition(":")
        if colon and not owner:
            return None
        for distribution, row in self.items():
            if short in row.offers.get(kind, ()) and owner in ("", distribution):
                where = "in a checkout of glulam; " if row.is_path else ""
                if distribution in installed:
                    has = f"{distribution} {installed[distribution]} is there without it"
                    return f"pip install --upgrade {row.source}  # {where}{has}"
                return f"pip install {row.source}  # {where}it comes with {distribution}"
        return None


def read_index(file: Path | None = None) -> Index:
    """Read an index: the one that glulam ships, or another.

    Raises:
        GlulamError: if the file cannot be read or a row is not of the form that `Row` describes.
    """
    import tomllib

    file = file or _shipped()
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("distributions")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"the index {file} cannot be read: {error}"
        raise GlulamError(msg) from error
    if not isinstance(rows, dict):
        msg = f"the index {file} has no table [distributions.NAME]"
        raise GlulamError(msg)
    return Index({name: _row(file, name, row) for name, row in rows.items()}, file)


def check_index(index: Index, registry: Registry) -> list[str]:
    """Return what contradicts itself in an index, or what is installed here in other than its form."""
    return [*_contradictions(index), *_differences(index, registry)]


def _shipped() -> Path:
    here = Path(__file__)
    shipped = here.with_name("registry.toml")  # in a wheel; an editable install reads the checkout's own
    return shipped if shipped.exists() else here.parents[2] / "registry.toml"


def _row(file: Path, name: str, row: Any) -> Row:  # noqa: ANN401 - any TOML value
    problem = _malformed(row)
    if problem:
        msg = f"{file}: distribution {name!r}: {problem}"
        raise GlulamError(msg)
    offers = {kind: tuple(row[kind]) for kind in KINDS if kind in row}
    return Row(summary=row["summary"], source=row["source"], versions=tuple(row["versions"]), offers=offers)


def _malformed(row: Any) -> str | None:  # noqa: ANN401 - any TOML value
    if not isinstance(row, dict):
        return f"expected a table, found {row!r}"
    for field in row:
        if field not in FIELDS:
            return f"unknown field {field!r}; there are: {', '.join(FIELDS)}"
    for field in ("summary", "source"):
        if not isinstance(row.get(field), str) or not row[field]:
            return f"{field} is {row.get(field)!r}; write a string"
    for field in ("versions", *KINDS):
        names = row.get(field, [] if field in KINDS else None)
        if not isinstance(names, list) or not all(isinstance(item, str) and item for item in names):
            return f"{field} is {names!r}; write a list of strings"
    return None


def _contradictions(index: Index) -> Iterator[str]:
    for kind in KINDS:
        for name, times in Counter(index.names(kind)).items():
            if times > 1:
                owners = [item for item, row in index.items() if name in row.offers.get(kind, ())]
                yield f"{kind}: {name!r} is claimed by {' and '.join(owners)}"
    for name, row in index.items():
        if name != normalise(name):
            yield f"{name}: write the name as {normalise(name)}"
        if not row.versions:
            yield f"{name}: no version was checked"
        if row.is_name and normalise(row.source) != name:
            yield f"{name}: its source is the name {row.source!r}; a name is what is published as {name}"
        in_checkout = index.file is not None and (index.file.parent / "plugins").is_dir()
        if row.is_path and in_checkout and index.file and not (index.file.parent / row.source).is_dir():
            yield f"{name}: its source {row.source} is no folder beside {index.file.name}"


def _differences(index: Index, registry: Registry) -> Iterator[str]:
    for item in registry.distributions:
        if item.name not in index:
            continue
        row = index[item.name]
        if item.version not in row.versions:
            yield f"{item.name}: version {item.version} is installed; checked are: {', '.join(row.versions)}"
        for kind in KINDS:
            there = {point.name for point in item.entry_points if point.group == kind}
            listed = set(row.offers.get(kind, ()))
            for name in sorted(there - listed):
                yield f"{item.name}: its {kind} lack {name!r}, which version {item.version} offers"
            for name in sorted(listed - there):
                yield f"{item.name}: its {kind} list {name!r}, which version {item.version} does not offer"
