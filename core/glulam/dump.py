"""Writing a policy as YAML that `read_document` reads back to the same values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from yaml.resolver import BaseResolver

from glulam._errors import GlulamError
from glulam.document import scalar_value

__all__ = ["dump_policy"]

WIDTH = 110
_TAGS = {bool: "bool", int: "int", float: "float", type(None): "null", str: "str"}


class _Dumper(yaml.SafeDumper):
    """Quotes the strings that YAML 1.2 would take for something else (`1e-3`), not those of YAML 1.1 (`no`)."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # noqa: ANN401 - as PyYAML has it
        if kind is yaml.ScalarNode and implicit[0]:
            return f"tag:yaml.org,2002:{_TAGS[type(scalar_value(value))]}"
        return BaseResolver.resolve(self, kind, value, implicit)  # type: ignore[no-untyped-call]

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - any value
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002
        """Indent the items of a list below its key."""
        del indentless
        super().increase_indent(flow, False)  # noqa: FBT003 - as PyYAML has it


def dump_policy(policy: Mapping[str, Any]) -> str:
    """Return the text of a policy file; lists of plain values stand on one line.

    Raises:
        GlulamError: if a field holds a value that no policy file can, such as a function.
    """
    try:
        text: str = yaml.dump(dict(policy), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    except yaml.YAMLError as error:
        msg = f"a field holds a value that no policy file can: {error}"
        raise GlulamError(msg) from error
    return text


def _list(dumper: yaml.SafeDumper, items: Any) -> yaml.Node:  # noqa: ANN401 - a list or a tuple
    flow = not any(isinstance(item, (list, tuple, Mapping)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # PyYAML writes these as they are outside double quotes, where YAML reads them as the end of a line.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)
