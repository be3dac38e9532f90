"""The pages whose blocks are run: README and all of the site that has any."""

import hashlib

from tests.docs.blocks import blocks_of
from tests.evidence.record import ROOT

__all__ = ["PAGES", "digest"]

PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "news" not in page.parts and blocks_of(page)
]


def digest(block):
    """Return what tells whether a block is the one that was run."""
    return hashlib.sha256(f"{block.language} {block.file} {block.text}".encode()).hexdigest()
