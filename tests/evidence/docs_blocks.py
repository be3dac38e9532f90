"""Every block of README and site, page by page in order, typed into a fresh environment outside the checkout."""

import tempfile
from pathlib import Path

from tests.docs.blocks import blocks_of
from tests.docs.pages import PAGES, digest
from tests.evidence.outside import build_all, make_environment, run_page
from tests.evidence.record import ROOT, commit, write_result

__all__ = ["run"]


def run():
    """Write docs/results/docs_blocks.json, a row a block."""
    started, rows = commit(), []
    with tempfile.TemporaryDirectory(prefix="blocks-") as place:
        folder = Path(place)
        python = make_environment(folder, [wheel for _, wheel in build_all(folder / "dist").values()])
        for page in PAGES:
            name = str(page.relative_to(ROOT))
            print(name, flush=True)
            done = run_page(python, page, folder / "pages" / name)
            digests = [digest(block) for block in blocks_of(page)]
            rows += [{"page": name, **row, "sha256": sha} for row, sha in zip(done, digests, strict=True)]
    write_result("docs_blocks", "python -m tests.evidence docs_blocks", started, runs=rows)
