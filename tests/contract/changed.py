"""Our plug-ins that hold layers, and which of them changed since all laws looked deep into them.

`hooks.py` does not count: it gives advice on policies, of which no law can tell.
"""

import ast
import hashlib
import io
import json
import tokenize

from tests.evidence.record import RESULTS, ROOT

__all__ = ["OURS", "changed", "code", "digests"]

ADVICE = "hooks.py"
OURS = ("attention", "basics", "heads", "memory", "tokens", "vision")


def code(text):
    """Return the lines of a module without comments and docstrings, of which no law can tell."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def digests():
    """Return a digest of each plug-in's code, by its distribution."""
    found = {}
    for name in OURS:
        digest = hashlib.sha256()
        for path in sorted((ROOT / "plugins" / name).rglob("*.py")):
            if path.name == ADVICE:
                continue
            digest.update(f"{path.relative_to(ROOT)}\0{code(path.read_text(encoding='utf-8'))}\0".encode())
        found[f"glulam-{name}"] = digest.hexdigest()
    return found


def changed():
    """Return the distributions whose code is not that of the last `python -m tests.evidence contract_full`."""
    path = RESULTS / "contract_full.json"
    known = json.loads(path.read_text(encoding="utf-8"))["digests"] if path.exists() else {}
    return [name for name, digest in digests().items() if known.get(name) != digest]
