"""YAML as policy files have it: scalars by the rules of YAML 1.2, no key twice; and writing it, whole or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from glulam import GlulamError
from glulam_train.files import replace_text

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

__all__ = ["dump_yaml", "load_yaml", "read_yaml", "write_yaml"]

_RULES = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)", list("-+.0123456789")),
}


class _Loader(yaml.SafeLoader):
    """`1e-3` is a number, `no` a string, and a key that stands twice a mistake."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML has it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """Return a mapping, and refuse what a plain reader would drop."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:null":
                raise yaml.constructor.ConstructorError(None, None, "a key is a word", key.start_mark)
            if key.value in seen:
                problem = f"{key.value!r} stands twice: remove one of them"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes every string that is no plain word, so that readers of any YAML read a string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - any value
        del data
        return True


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isidentifier() else '"')


for _name, (_pattern, _first) in _RULES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)  # 010 is ten, as in YAML 1.2
_Dumper.add_representer(str, _text)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping that a file holds.

    Args:
        path: the file.
        what: it is, for the message.

    Raises:
        GlulamError: if it cannot be read, is no YAML, or holds no mapping.
    """
    try:
        data = load_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read the {what} {path}: {getattr(error, 'strerror', None) or error}; check the path"
        raise GlulamError(msg) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        msg = f"{path}{line}: no YAML: {error.problem or error.context}"
        raise GlulamError(msg) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        msg = f"{path}: no YAML: {error}"
        raise GlulamError(msg) from error
    if not isinstance(data, dict):
        msg = f"{path} holds no {what} but {type(data).__name__}: write 'field: value' lines"
        raise GlulamError(msg)
    return data


def write_yaml(path: Path, data: object) -> None:
    """Write plain values that `read_yaml` and any reader of policies read back to the same, whole or not at all."""
    replace_text(path, dump_yaml(data))


def load_yaml(text: str) -> Any:  # noqa: ANN401 - any value
    """Return the plain value of a text.

    Raises:
        yaml.YAMLError: if it is no YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader


def dump_yaml(data: object) -> str:
    """Return plain values as a text that `load_yaml` and readers of any YAML read back to the same."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
