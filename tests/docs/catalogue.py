"""The layer catalogue in docs/catalogue: a page a distribution, made from the registry and what is installed.

`python -m tests.docs.catalogue` writes it; a test fails where a page is stale.
"""

import json
import re
from collections import Counter

import attrs
import tensordict  # noqa: F401 - makes a tensor as it is imported, which must not be a meta one
import torch
import yaml

import glulam
from glulam import MemoryLayer
from glulam.describe import describe_entry
from glulam.index import KINDS
from tests.evidence.record import ROOT, read_result

__all__ = ["FOLDER", "example", "pages", "write_pages"]

FOLDER = ROOT / "docs" / "catalogue"
HEAD = (
    "<!-- made by `python -m tests.docs.catalogue`; edit the docstrings of the configs, or tests/docs/catalogue.py -->"
)
WIDTH = 64  # of what comes in, where a layer is built to see what it remembers
READING = (
    "A key field names a key; a policy file renames the key by setting the field.",
    "A shape is that of one row, without batch dims.",
    "A dim is a number, a field or property of the config, `env.NAME` of the environment, or free, such as `N`:",
    "the same in all keys of the layer.",
    "`float` is the dtype of the policy.",
    f"Bytes are those of one row in `float32`, with every field at its default and inputs {WIDTH} wide.",
    "A required field has no default; one that is null is inferred or left out, as its description says.",
)
PLACEHOLDERS = {"in_key": "x", "out_key": "y"}  # for keys without a default


def pages():
    """Return the text of each page by the name of its file."""
    registry = glulam.registry()
    contract = read_result("contract_full")
    offering = {name: row for name, row in registry.index.items() if row.offers.get("layers")}
    found = {f"{name}.md": _distribution(registry, name, row, contract) for name, row in offering.items()}
    return {"index.md": _index(registry, offering, contract), **found}


def write_pages():
    """Write the pages, and remove those of what is no longer registered."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _index(registry, offering, contract):
    lines = [
        "# Layer catalogue",
        "",
        HEAD,
        "",
        "Every layer of every distribution that [`registry.toml`](../registry.md) lists.",
        "`glulam info NAME` prints the same of any layer that is installed, listed or not.",
        "",
    ]
    for name, row in offering.items():
        lines += [f"## [{name}]({name}.md)", "", f"{row.summary}.", ""]
        lines += ["| layer | what it does | remembers | contract |", "|---|---|---|---|"]
        for entry in _entries(registry, name, row):
            told = describe_entry(entry)
            link = f"[`{entry.name}`]({name}.md#{entry.name.replace('_', '-')})"
            kept = _outcomes(contract, entry)
            remembers = ", ".join(f"`{key}`" for key in _memory(entry, told) or ()) or ""
            lines.append(f"| {link} | {_cell(_first_sentence(told['doc']))} | {remembers} | {_verdict(kept)} |")
        lines.append("")
    lines += [
        "```{toctree}", ":hidden:", "", *offering, "```", "",
        "## How to read a layer's entry", "", *READING, "",
        f"The contract is looked at [in depth](../contract.md) at commit `{contract['commit'][:12]}`;",
        "each `make test` looks at it quickly, and in depth at what has changed since.",
        "The raw outcomes are in {download}`contract_full.json <../results/contract_full.json>`.",
        "", "## All that is listed", "",
        "| distribution | versions | what it is | offers |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, row in registry.index.items():
        offers = [
            f"{kind}: {', '.join(f'`{thing}`' for thing in row.offers[kind])}" for kind in KINDS if kind in row.offers
        ]
        lines.append(f"| {name} | {', '.join(row.versions)} | {_cell(row.summary)} | {'; '.join(offers)} |")
    return "\n".join(lines) + "\n"


def _distribution(registry, name, row, contract):
    entries = _entries(registry, name, row)
    lines = [f"# {name}", "", HEAD, "", f"{row.summary}.", ""]
    if not entries:
        return "\n".join([*lines, f"It is not installed where this page was made: `pip install {row.source}`."]) + "\n"
    digest = contract["digests"].get(name)
    looked = f", and its contract at the code whose digest begins with `{digest[:12]}`" if digest else ""
    lines += [
        f"Version {entries[0].version}{looked}.",
        "`glulam list` and `glulam info` show it once it is installed.",
        "",
    ]
    for entry in entries:
        lines += _layer(entry, contract)
    return "\n".join(lines).rstrip() + "\n"


def _entries(registry, name, row):
    return [
        entry for thing in row.offers["layers"] for entry in registry.layers.claims(thing) if entry.distribution == name
    ]


def _layer(entry, contract):
    told = describe_entry(entry)
    keys = [field for field in told["fields"] if "key" in field]
    others = [field for field in told["fields"] if "key" not in field]
    lines = [f"({entry.name.replace('_', '-')})=", f"## `{entry.name}`", "", *_sentences(told["doc"]), ""]
    lines += ["```yaml", example(told), "```", ""]
    lines += ["| key field | key | use | dtype | shape | what it is |", "|---|---|---|---|---|---|"]
    lines += [_row(f"`{field['name']}`", *_key(field), field["doc"]) for field in keys]
    if others:
        lines += ["", "| field | type | default | what it is |", "|---|---|---|---|"]
        lines += [_row(f"`{field['name']}`", f"`{field['type']}`", _default(field), field["doc"]) for field in others]
    lines += ["", "Remembers"]
    memory = _memory(entry, told)
    if memory is None:
        lines += [": nothing."]
    else:
        parts = [f"`{name}` {spec.dtype}{list(spec.shape)}" for name, spec in memory.items()]
        lines += [f": {', '.join(parts)}: {sum(spec.row_bytes for spec in memory.values()):,} bytes a row."]
    seen = _outcomes(contract, entry)
    counts = f"in depth, {seen['kept']} laws kept, {seen['broken']} broken; {seen['not applicable']} do not apply."
    told = counts if seen else "not looked at in depth."
    return [*lines, "", "[Contract](../contract.md)", f": {told}", ""]


def example(told):
    """Return the layer as a line of a policy file: its keys, and the fields that must be given or come first."""
    place = "- "
    if told["role"] == "observation shaper":
        place = "obs_shaper: "
    elif any(key["phase"] != "both" for key in _keys(told)):  # it acts and scores
        place = "action_head: "
    fields = {"layer": told["name"]} | _example(told)
    return place + yaml.safe_dump(fields, default_flow_style=True, sort_keys=False, width=10**6).strip()


def _example(told):
    fields = {}
    for field in told["fields"]:
        key = field.get("key")
        if key is not None and key["many"]:
            fields[field["name"]] = ["x1", "x2"]
        elif key is not None and field["required"]:
            fields[field["name"]] = PLACEHOLDERS.get(field["name"], field["name"].removesuffix("_key"))
        elif key is not None and not key["optional"] and (key["direction"] == "read" or field["name"] == "out_key"):
            fields[field["name"]] = field["default"]
        elif field["required"]:
            fields[field["name"]] = WIDTH
    rest = [field for field in told["fields"] if "key" not in field and field.get("default") not in (None, [])]
    return fields | {field["name"]: field["default"] for field in rest[:2]}


def _keys(told):
    return [field["key"] for field in told["fields"] if "key" in field]


def _memory(entry, told):
    """Return what a layer remembers of a row, by name, or None; built at its defaults, with inputs of one width."""
    names = {field["name"] for field in told["fields"]}
    if not {"in_key", "out_key", "in_dim"} <= names:  # one vector a step comes in, one goes out
        return None
    inferred = {field["name"]: WIDTH for field in told["fields"] if field["type"] == "int | null"}
    config = entry.load()(**_example(told) | inferred)
    with torch.device("meta"):  # no weight is drawn
        module = config.instantiate().module
    if not isinstance(module, MemoryLayer):
        return None
    spec = module.state_spec()
    return {
        name: attrs.evolve(part, dtype={"float": "float32"}.get(part.dtype, part.dtype)) for name, part in spec.items()
    }


def _outcomes(contract, entry):
    return Counter(run["outcome"] for run in contract["runs"] if run["layer"] == entry.qualified)


def _verdict(outcomes):
    if not outcomes:
        return "not looked at in depth"
    return f"{outcomes['kept']} kept" + (f", **{outcomes['broken']} broken**" if outcomes["broken"] else "")


def _key(field):
    key = field["key"]
    verb = {"read": "reads", "write": "writes", "stored": "from the buffer"}[key["direction"]]
    words = (
        [verb] + ["or null"] * key["optional"] + ["several"] * key["many"] + ["one for all rows"] * (not key["batched"])
    )
    words += [f"when it {key['phase']}s"] * (key["phase"] != "both")
    shape = f"`[{', '.join(key['shape'].split())}]`"
    return _default(field), ", ".join(words), f"`{key['dtype']}`", shape


def _default(field):
    if field["required"]:
        return "required"
    if "from_env" in field:
        return f"`env.{field['from_env']}`"
    default = field["default"]
    return "null" if default is None else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _sentences(doc):
    """Return a docstring with one sentence a line and nothing else changed."""
    return [
        re.sub(r"(?<=[a-z0-9`)]\.) (?=[A-Z`])", "\n", " ".join(part.split())) if part.strip() else ""
        for part in re.split(r"(\n\n)", doc.strip())
    ]


def _first_sentence(doc):
    return doc.strip().split("\n\n")[0].replace("\n", " ")


def _row(*cells):
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    write_pages()
