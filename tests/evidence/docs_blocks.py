"""Every block of README and site, page by page in order, typed into a fresh environment outside the checkout."""

import sys
import tempfile
from pathlib import Path

from tests.docs.blocks import blocks_of
from tests.docs.pages import PAGES, digest
from tests.evidence.outside import build_all, make_environment, run_page
from tests.evidence.record import RESULTS, ROOT, commit, read_result, write_result

__all__ = ["run"]

COMMAND = "python -m tests.evidence docs_blocks"


def run():
    """Write docs/results/docs_blocks.json, a row a block, after each page.

    Pages whose blocks are all in that file as they stand keep their rows; without the file all are typed.
    """
    started, known, failed = commit(), _known(), []
    names = {str(page.relative_to(ROOT)): page for page in PAGES}
    left = [name for name, page in names.items() if _digests(page) != [row["sha256"] for row in known.get(name, [])]]
    rows = {name: known[name] for name in names if name not in left}
    with tempfile.TemporaryDirectory(prefix="blocks-") as place:
        folder = Path(place)
        python = make_environment(folder, [wheel for _, wheel in build_all(folder / "dist").values()])
        for name in left:
            print(name, flush=True)
            try:
                done = run_page(python, names[name], folder / "pages" / name)
            except RuntimeError as error:
                failed.append(f"{name}: {error}")
                continue
            shas = _digests(names[name])
            rows[name] = [
                {"page": name, **row, "sha256": sha, "commit": started} for row, sha in zip(done, shas, strict=True)
            ]
            write_result("docs_blocks", COMMAND, started, runs=[row for name in names for row in rows.get(name, [])])
    if failed:
        sys.exit("\n".join(failed))


def _known():
    """Return the rows of the last file by page."""
    by_page = {}
    for row in read_result("docs_blocks")["runs"] if (RESULTS / "docs_blocks.json").exists() else []:
        by_page.setdefault(row["page"], []).append(row)
    return by_page


def _digests(page):
    return [digest(block) for block in blocks_of(page)]
