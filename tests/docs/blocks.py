"""Runs the fenced blocks of a page in their order, as a reader types them, in an empty folder.

What a block is follows from the page alone, so there is no set-up that a reader does not see:

* a block below a line that ends in ``... save ... `PATH`:`` becomes that file;
* `sh` is run by bash, and `python` in one session a page;
* `console` is typed where a line begins with `$ `, and prints what the other lines say (`...` stands for any text);
* `text` is what the block before it has printed, and is run where that is;
* `yaml` that is a whole policy has no faults; other `yaml`, `toml` and `json` can be read.

A comment above a block changes that, with a reason after the colon:

* `<!-- evidence: ... -->`: run by `python -m tests.evidence docs_blocks` alone, since it takes long or needs more;
* `<!-- read: ... -->`: a fragment that cannot run by itself: its syntax is looked at;
* `<!-- checkout: ... -->`: lines of `make TARGET`, planned (`make -n`) in the checkout.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import site
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml

__all__ = ["Block", "blocks_of", "run_page"]

MARK = re.compile(r"<!-- (evidence|read|checkout): (.+) -->")
FILE = re.compile(r"\bsaved?\b.*`([^`]+)`:$", re.IGNORECASE)
LANGUAGES = ("console", "json", "python", "sh", "text", "toml", "yaml")


@dataclass(frozen=True)
class Block:
    """One block: where it begins, its language and text, its mark, and the file that it becomes."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    file: str | None = None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a page; directives of MyST, in braces, are no blocks."""
    found, above, lines = [], "", iter(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    mark = ""
    for number, line in lines:
        if not line.startswith("```"):
            marked = MARK.fullmatch(line)
            mark = marked[1] if marked else mark if not line else ""
            above = above if marked or not line else line
            continue
        inner = []
        for _, text in lines:
            if text == "```":
                break
            inner.append(text)
        language, file = line[3:].strip(), FILE.search(above)
        if not language.startswith("{"):
            found.append(Block(path.name, number, language, "\n".join(inner) + "\n", mark, file and file[1]))
        mark = above = ""
    return found


def run_page(path: Path, checkout: Path, *, evidence: bool) -> list[dict[str, object]]:
    """Run the blocks of a page in the current folder; return a row a block: its place, what was done, seconds.

    Raises:
        AssertionError: at the first block that does not do what the page says.
    """
    page, rows = _Page(checkout), []
    for block in blocks_of(path):
        start = time.perf_counter()
        try:
            done = page.run(block, evidence=evidence)
        except Exception as error:
            msg = f"{block.place}: {error}"
            raise AssertionError(msg) from error
        rows.append({"place": block.place, "done": done, "seconds": round(time.perf_counter() - start, 1)})
    return rows


class _Page:
    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.names = {"__name__": "page"}
        self.printed: str | None = ""  # by the block before; None where that was left to the evidence

    def run(self, block: Block, *, evidence: bool) -> str:
        if block.language not in LANGUAGES:
            msg = f"a block of {block.language!r}; there are: {', '.join(LANGUAGES)}"
            raise ValueError(msg)
        if block.mark == "read":
            self.read(block)
            return "read"
        if not evidence and (block.mark == "evidence" or (self.printed is None and block.language == "text")):
            self.printed = None
            return "left to the evidence"
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
            self.read(block)
        elif block.mark == "checkout":
            for line in block.text.splitlines():
                self.shell(line.replace("make ", "make -n ", 1), self.checkout)
        else:
            getattr(self, block.language, self.read)(block)
        return "saved" if block.file else "planned" if block.mark == "checkout" else "run"

    def read(self, block: Block) -> None:
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "sh":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        elif block.language == "yaml" and block.text.startswith("glulam: 1"):
            import glulam

            path = Path(block.file or ".policy-of-the-page.yaml")
            path.write_text(block.text, encoding="utf-8")
            glulam.resolve(path)
        elif block.language == "yaml":
            yaml.safe_load(block.text)

    def sh(self, block: Block) -> None:
        self.printed = self.shell(block.text)
        if "pip install" in block.text:  # a reader's next Python sees it; so must this one
            for folder in site.getsitepackages():
                site.addsitedir(folder)

    def python(self, block: Block) -> None:
        out = io.StringIO()
        code = compile(block.text, block.place, "exec", dont_inherit=True)
        with contextlib.redirect_stdout(out):
            exec(code, self.names)  # noqa: S102 - the page's own code
        self.printed = out.getvalue()

    def console(self, block: Block) -> None:
        if not block.text.startswith("$ "):
            msg = "no line to type: write it behind `$ `, or let the block be one of sh"
            raise ValueError(msg)
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            self.compare(shown, self.shell(command, may_fail=True))

    def text(self, block: Block) -> None:
        self.compare(block.text, self.printed or "")

    @staticmethod
    def compare(shown: str, printed: str) -> None:
        pattern = ".*".join(map(re.escape, shown.strip().split("...")))
        lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
        if not re.fullmatch(pattern, lines, re.DOTALL):
            msg = f"the page shows\n{shown}\nand this came:\n{printed}"
            raise ValueError(msg)

    @staticmethod
    def shell(text: str, folder: Path | None = None, *, may_fail: bool = False) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode and not may_fail:
            msg = f"exit code {done.returncode}:\n{done.stdout}"
            raise ValueError(msg)
        return done.stdout


if __name__ == "__main__":  # python blocks.py PAGE CHECKOUT, in an empty folder: every block; prints a row a block
    for row in run_page(Path(sys.argv[1]), Path(sys.argv[2]), evidence=True):
        print(json.dumps(row))  # noqa: T201 - a program that prints rows
