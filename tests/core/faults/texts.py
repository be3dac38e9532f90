"""A good policy as text in chunks, one a layer, so that a mistake can be made in one of them; and marks in the text."""

import re
from dataclasses import dataclass

from glulam.dump import dump_policy
from glulam.keys import declared_keys

__all__ = ["MARK", "SECOND", "Policy", "appended", "expected_places", "replace", "second", "to_chunks", "value_of"]

MARK, SECOND = "\N{SECTION SIGN}", "\N{PILCROW SIGN}"


@dataclass(frozen=True)
class Policy:
    """A good policy as a mapping, each layer's class, and its text in chunks."""

    mapping: dict
    classes: list[type]
    style: str

    @property
    def entries(self):
        return [self.mapping["obs_shaper"], *self.mapping["layers"], self.mapping["action_head"]]

    def chunks(self):
        """Return the text in chunks: a header, then one a layer."""
        return to_chunks(self.mapping, self.style)

    def keys(self, number, direction):
        """Return `(field, key, spec)` of what a layer reads or writes."""
        specs = declared_keys(self.classes[number])
        entry = self.entries[number]
        return [
            (name, entry[name], spec)
            for name, spec in specs.items()
            if spec.direction == direction and not spec.many and entry.get(name) is not None
        ]

    def writer_of(self, key):
        found = (n for n in range(len(self.entries)) for _, written, _ in self.keys(n, "write") if written == key)
        return next(found, None)

    def readers_of(self, number):
        written = {key for _, key, _ in self.keys(number, "write")}
        return [n for n in range(len(self.entries)) if written & {key for _, key, _ in self.keys(n, "read")}]

    def ancestors(self, number):
        """Return the layers from which what a layer reads comes, directly or not."""
        found, queue = set(), [number]
        for layer in queue:
            for _, key, _ in self.keys(layer, "read"):
                writer = self.writer_of(key)
                if writer is not None and writer not in found:
                    found.add(writer)
                    queue.append(writer)
        return frozenset(found - {number})


def to_chunks(mapping, style):
    """Return a policy's text as a list of chunks: a header, then one a layer."""
    layers = mapping["layers"]
    header = dump_policy({key: value for key, value in mapping.items() if key in ("glulam", "name")})
    entries = [("obs_shaper: ", mapping["obs_shaper"]), *(("  - ", layer) for layer in layers)]
    entries.append(("action_head: ", mapping["action_head"]))
    chunks = [header, *(_entry(lead, entry, style) for lead, entry in entries)]
    chunks[2] = "layers:\n" + chunks[2]
    return chunks


def _entry(lead, entry, style):
    lines = [f"{key}: {_value(value)}" for key, value in entry.items()]
    if style == "flow":
        return f"{lead}{{{', '.join(lines)}}}\n"
    if lead == "  - ":
        return lead + "\n    ".join(lines) + "\n"
    return lead.strip() + "\n  " + "\n  ".join(lines) + "\n"


def _value(value):
    return dump_policy({"x": value})[len("x: ") :].strip()


def expected_places(text):
    """Return the places of the marks in a text, by mark, and the text without them."""
    places = {}
    for mark in (MARK, SECOND):
        if mark in text:
            before = text[: text.index(mark)].replace(SECOND, "")
            places[mark] = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            text = text.replace(mark, "", 1)
    return places, text


def second(chunks):
    """Let the marks of a second mutator be told from those of the first."""
    return [chunk.replace(MARK, SECOND) for chunk in chunks]


def replace(number, old, new):
    """Return an edit of one chunk by a regular expression, which must match once."""

    def edit(chunks):
        chunks[number + 1], count = re.subn(old, new, chunks[number + 1], count=1)
        assert count == 1, (old, chunks[number + 1])

    return edit


def value_of(number, name, new):
    """Return an edit that gives a field a new value, `MARK` in front of it where it has none."""
    new = new if MARK in new else MARK + new
    return replace(number, rf"\b{name}: (\[[^\]]*\]|[^,}}\n]*)", f"{name}: {new}")


def appended(number, text):
    """Return an edit that adds a field at the end of a layer's entry."""

    def edit(chunks):
        chunk = chunks[number + 1].rstrip("\n")
        indent = re.match(r"(?:layers:\n)?( *)", chunk)[1]
        step = "  " if "- " not in chunk.split("\n")[-1] and not indent else "    "
        chunks[number + 1] = f"{chunk[:-1]}, {text}}}\n" if chunk.endswith("}") else f"{chunk}\n{step}{text}\n"

    return edit
