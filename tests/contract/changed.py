"""Our plug-ins that hold layers, and which of them changed since all laws looked deep into them."""

import hashlib
import json

from tests.evidence.record import RESULTS, ROOT

__all__ = ["OURS", "changed", "digests"]

OURS = ("attention", "basics", "heads", "memory", "tokens", "vision")


def digests():
    """Return a digest of each plug-in's code, by its distribution."""
    found = {}
    for name in OURS:
        digest = hashlib.sha256()
        for path in sorted((ROOT / "plugins" / name).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
        found[f"glulam-{name}"] = digest.hexdigest()
    return found


def changed():
    """Return the distributions whose code is not that of the last `python -m tests.evidence contract_full`."""
    path = RESULTS / "contract_full.json"
    known = json.loads(path.read_text(encoding="utf-8"))["digests"] if path.exists() else {}
    return [name for name, digest in digests().items() if known.get(name) != digest]
