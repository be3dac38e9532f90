"""Mutators: each makes one mistake in a good policy and marks, in the text itself, where it must be reported.

A mutator rewrites the chunks of its own layers alone, so that two of different layers can be applied together.
The expected place is found by searching the text for the mark.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import attrs

from tests.core.faults.strange import CURSED
from tests.core.faults.texts import MARK, appended, replace, value_of

__all__ = ["Mutator", "mutators"]


@dataclass(frozen=True)
class Mutator:
    """One mistake: its code, and the layers that it is about.

    The fault rests on `needs`, whose widths must be known, and on `sources`, whose keys must be: a mistake that
    `loses_key` of such a layer hides it.
    """

    name: str
    code: str
    layers: frozenset[int]
    edit: Callable[[list[str]], None] = field(compare=False)
    needs: frozenset[int] = frozenset()
    sources: frozenset[int] = frozenset()
    loses_key: bool = False
    seen_by_schema: bool = False

    @property
    def kind(self):
        """What is done, whichever layer it is done to."""
        return self.name.partition("-")[2]


def mutators(policy):
    """Return every mutator that applies to a policy, layer by layer."""
    found = []
    for number, cls in enumerate(policy.classes):
        for make in (_kinds, _fields, _values, _names, _reads, _writes, _shapes, _order, _shares):
            found += make(policy, number, cls)
    names = [mutator.name for mutator in found]
    assert len(names) == len(set(names))
    return found


def _one(policy, number, what, code, edit, **more):
    more.setdefault("layers", frozenset({number}))
    return Mutator(f"{policy.entries[number]['name']}-{what}", code, edit=edit, **more)


def _is_layer(policy, number):
    return 0 < number < len(policy.entries) - 1


def _kinds(policy, number, cls):
    kind = policy.entries[number]["layer"].rpartition(":")[2]
    yield _one(policy, number, "kind misspelt", "GL201", value_of(number, "layer", f"{kind}q"), seen_by_schema=True)
    yield _one(policy, number, "kind is a number", "GL104", value_of(number, "layer", "3"), seen_by_schema=True)
    start = {"flow": r"\{layer: [^,]*, ", "block": r"layer: [^\n]*\n *"}[policy.style]
    bare = {"flow": MARK + "{", "block": MARK}[policy.style]
    yield _one(policy, number, "no kind", "GL103", replace(number, start, bare), seen_by_schema=True)
    for curse, code in CURSED.items():
        yield _one(policy, number, f"kind {curse}", code, value_of(number, "layer", curse))
    other = 1 if number == 0 else 0
    if number in (0, 1):
        wrong = policy.entries[other]["layer"]
        yield _one(policy, number, "kind of another section", "GL104", value_of(number, "layer", f"'{wrong}'"),
                   seen_by_schema=True)  # fmt: skip


def _fields(policy, number, cls):
    yield _one(policy, number, "unknown field", "GL102", appended(number, f"{MARK}zzyzx: 3"), seen_by_schema=True)
    again = appended(number, f"{MARK}layer: again")
    yield _one(policy, number, "duplicate YAML key", "GL105", again)
    for name in _typed(cls, int)[:1]:
        misspelt = replace(number, rf"\b{name}: ", f"{MARK}{name[:-1]}: ")
        yield _one(policy, number, "field misspelt", "GL102", misspelt, seen_by_schema=True)


def _values(policy, number, cls):
    wrong = {
        int: {"word": "two", "fraction": "10.7", "true": "true", "list": "'[1]'"},
        float: {"word": "much", "infinite": ".inf", "true": "true"},
        bool: {"word": "yes", "number": "1"},
    }
    for kind, values in wrong.items():
        for name in _typed(cls, kind)[:1]:
            for what, value in values.items():
                edit = value_of(number, name, value)
                seen = what != "infinite"  # JSON has no infinity, so a schema has no words for it
                yield _one(policy, number, f"{name} is a {what}", "GL104", edit, seen_by_schema=seen)
            yield _one(policy, number, f"{name} is NaN", "GL107", value_of(number, name, ".nan"))
            yield _one(
                policy, number, f"{name} is tagged", "GL107", value_of(number, name, "!!python/name:os.system x")
            )
            yield _one(policy, number, f"{name} is endless", "GL107", value_of(number, name, "x" * 5000))
    for field_ in attrs.fields(cls):
        if field_.name in _typed(cls, int) and field_.validator is not None:
            edit = value_of(number, field_.name, "-3")
            yield _one(policy, number, f"{field_.name} too small", "GL104", edit, seen_by_schema=True)
            break


def _typed(cls, kind):
    """Return the fields that hold a number (or a truth) and cannot be null, most of them widths."""
    attrs.resolve_types(cls)
    return [field_.name for field_ in attrs.fields(cls) if field_.type is kind]


def _names(policy, number, cls):
    if policy.style == "flow":
        yield _one(
            policy, number, "name with capitals", "GL104", value_of(number, "name", "Big-Name"), seen_by_schema=True
        )
        yield _one(policy, number, "name is a number", "GL104", value_of(number, "name", "7"), seen_by_schema=True)
    if number > 1 and _is_layer(policy, number):
        taken = policy.entries[number - 1]["name"]
        edit = value_of(number, "name", taken)
        layers = frozenset({number, number - 1})
        yield _one(policy, number, "name taken", "GL301", edit, layers=layers)


def _reads(policy, number, cls):
    for name, key, spec in policy.keys(number, "read"):
        writer = policy.writer_of(key)
        yield _one(policy, number, f"{name} misspelt", "GL304", value_of(number, name, f"{key}{key[-1]}"),
                   sources=frozenset({writer} - {None}))  # fmt: skip
        yield _one(policy, number, f"{name} from nowhere", "GL304", value_of(number, name, "xyzzy_plugh_quux"),
                   needs=frozenset({0, writer} - {None, number}), sources=frozenset(range(number)))  # fmt: skip
        yield _one(policy, number, f"{name} is a number", "GL104", value_of(number, name, "3"), seen_by_schema=True)
        yield _one(policy, number, f"{name} is empty", "GL104", value_of(number, name, "''"), seen_by_schema=True)
        if not spec.if_offered:  # such a field does without what is not offered
            yield _one(policy, number, f"{name} not offered", "GL503", value_of(number, name, "last_rewards"))
        if spec.dtype == "float":
            yield _one(policy, number, f"{name} of another dtype", "GL402", value_of(number, name, "dones"))


def _writes(policy, number, cls):
    for name, _, _ in policy.keys(number, "write")[:1]:
        yield _one(
            policy, number, f"{name} of the environment", "GL302", value_of(number, name, "rewards"), loses_key=True
        )
        if number > 1:
            other = policy.keys(number - 1, "write")[0][1]
            layers = frozenset({number, number - 1})
            yield _one(policy, number, f"{name} taken", "GL302", value_of(number, name, other), layers=layers,
                       loses_key=True)  # fmt: skip


def _shapes(policy, number, cls):
    for name, _, spec in policy.keys(number, "read"):
        if spec.dtype == "float" and spec.shape.split()[:1] != ["..."]:
            edit = value_of(number, name, "rewards")
            yield _one(policy, number, f"{name} of another rank", "GL401", edit)
    width = next((w for w in ("in_dim", "span") if w in {f.name for f in attrs.fields(cls)}), None)
    reads = policy.keys(number, "read")
    if width is None or not reads or policy.entries[number].get("in_dim", 1) == []:
        return
    rest = policy.ancestors(number)
    spec = reads[0][2]
    if width in spec.shape.split():
        # 840 is divisible by all numbers of heads, and no layer's width.
        yield _one(policy, number, "width of another layer", "GL401", value_of(number, width, "840"), needs=rest)


def _order(policy, number, cls):
    readers = policy.readers_of(number)
    if not _is_layer(policy, number):
        return
    for name, key, _ in policy.keys(number, "read")[:1]:
        if number + 1 in readers and _is_layer(policy, number + 1):
            theirs = next(n for n, k, _ in policy.keys(number + 1, "read") if policy.writer_of(k) == number)
            layers = frozenset({number, number + 1})
            yield _one(policy, number, "swapped with the next", "GL303", _swap(number, theirs), layers=layers)
        for reader in readers:
            if _is_layer(policy, reader):
                written = policy.keys(reader, "write")[0][1]
                edit = value_of(number, name, written)
                layers = frozenset({number, reader})
                yield _one(policy, number, f"{name} in a circle with {reader}", "GL305", edit, layers=layers)
        written = policy.keys(number, "write")[0][1]
        yield _one(policy, number, f"{name} from itself", "GL305", value_of(number, name, written))
        del key


def _swap(number, reads):
    """Exchange a layer and the next one, which reads it by the field `reads`."""

    def edit(chunks):
        first, following = chunks[number + 1], chunks[number + 2]
        head = "layers:\n" if first.startswith("layers:\n") else ""
        following = re.sub(rf"\b{reads}: ", f"{reads}: {MARK}", following, count=1)
        chunks[number + 1], chunks[number + 2] = head + following, first.removeprefix("layers:\n")

    return edit


def _shares(policy, number, cls):
    if _is_layer(policy, number):
        yield _one(policy, number, "shares with nobody", "GL104", appended(number, f"share: {MARK}zzyzx"))
        yield _one(policy, number, "shares with itself", "GL104",
                   appended(number, f"share: {MARK}{policy.entries[number]['name']}"))  # fmt: skip
