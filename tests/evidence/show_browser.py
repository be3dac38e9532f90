"""Pages of `glulam show` in a real browser: nothing in the console, all there, pointer and keyboard, axe-core.

Needs Debian's `chromium`, `npm`, and `pip install playwright`; axe-core comes from npm's registry into a folder that is
thrown away. `SHOTS=FOLDER` keeps the screenshots, which are there to be looked at.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from glulam.picture import blueprint
from tests.core.picture.drawings import BROKEN, FOREST, POLICIES
from tests.evidence.record import commit, write_result

AXE = "4.14.1"
VIEWS = {"desk": (1280, 900), "phone": (390, 844)}
GRAVE = ("serious", "critical")


def run():
    """Draw each page by the command, open it light and wide, dark and narrow, and write what was found."""
    from playwright.sync_api import sync_playwright

    start = commit()
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        axe = _axe(folder)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        runs = [
            _look(chromium, axe, _drawn(source, folder), source, scheme, view)
            for source in (*POLICIES, "ensemble_class", "broken.yaml")
            for scheme, view in (("light", "desk"), ("dark", "phone"))
        ]
        tools = {"chromium": chromium.version, "axe-core": AXE, "playwright": version("playwright")}
        chromium.close()
    failed = [found for found in runs if not found["ok"]]
    print(write_result("show_browser", "python -m tests.evidence show_browser", start, tools=tools, runs=runs))
    if failed:
        sys.exit(f"{len(failed)} of {len(runs)} pages failed: {failed[0]}")


def _axe(folder):
    subprocess.run(["npm", "pack", f"axe-core@{AXE}"], cwd=folder, check=True, capture_output=True)
    with tarfile.open(folder / f"axe-core-{AXE}.tgz") as packed:
        return packed.extractfile("package/axe.min.js").read().decode("utf-8")


def _drawn(source, folder):
    """Return the page of a policy, drawn once; the blueprint beside it says what must be on it."""
    (folder / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    path = folder / f"{Path(source).stem}.html"
    if not path.exists():
        command = [sys.executable, "-m", "glulam", "show", source, "--env", FOREST, "--loss", "ppo", "-o", path.name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == (source == "broken.yaml"), done.stderr
    return path


def _look(chromium, axe, path, source, scheme, view):
    width, height = VIEWS[view]
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.goto(path.as_uri())
    _shoot(page, path, scheme, view, "")
    told = {
        "policy": source, "scheme": scheme, "view": view, "console": said,
        "requests_but_for_the_page": [kind for kind in asked[1:] if kind != "data"],
        "wider_than_the_screen": page.evaluate("document.documentElement.scrollWidth") > width,
        "missing": _missing(page, _blueprint(source, path)), "theme": _theme(page, scheme),
    }  # fmt: skip
    if view == "desk":  # what responds depends on neither colours nor size
        told |= {"pointer": _pointer(page), "keyboard": _keyboard(page)}
    told["axe"] = _violations(page, axe)
    page.locator(".board").nth(2).click()
    page.wait_for_timeout(300)  # colours fade
    _shoot(page, path, scheme, view, "-chosen")
    told["axe_with_a_layer_chosen"] = _violations(page, axe)
    context.close()
    grave = [item for name in ("axe", "axe_with_a_layer_chosen") for item in told[name] if item["impact"] in GRAVE]
    others = [value for name, value in told.items() if name not in ("policy", "scheme", "view") and "axe" not in name]
    told["ok"] = not (grave or any(others))
    return told


@cache
def _blueprint(source, path):
    source = path.with_suffix(".yaml") if source == "broken.yaml" else source
    return blueprint(source, env=FOREST, losses=["ppo"])


def _shoot(page, path, scheme, view, what):
    if "SHOTS" in os.environ:
        name = f"{path.stem}-{scheme}-{view}{what}.png"
        page.screenshot(path=Path(os.environ["SHOTS"]) / name, full_page=not what)


def _missing(page, drawn):
    """Return the layers and keys that are not in the picture, or whose text is not to be seen."""
    shown = page.locator(".picture").inner_text()
    boards = [board.name for board in drawn.boards if board.role != "part" and board.name not in shown]
    return boards + [line.key for line in drawn.lines if not line.absent and line.key not in shown]


def _pointer(page):
    """Return what is wrong with hovering over and clicking each layer and key."""
    wrong = []
    for name in (".board", ".chip"):
        for number in range(page.locator(name).count()):
            element = page.locator(name).nth(number)
            element.hover()
            if "near" not in element.get_attribute("class") or not page.locator(".picture.dimmed").count():
                wrong.append(f"hover {name} {number}")
            element.click()
            title = page.locator(".panel article.shown h2")
            if title.count() != 1 or not title.is_visible():
                wrong.append(f"click {name} {number}")
            page.keyboard.press("Escape")
            page.mouse.move(0, 0)
    return wrong


def _keyboard(page):
    """Return what is wrong with going through the layers by keys alone."""
    wrong = []
    focused = "document.activeElement.dataset.board"
    boards = [board.get_attribute("data-board") for board in page.locator(".board").all()]
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.locator(".picture .board").first.focus()
    for press in ("Tab", "ArrowDown"):
        for number in boards[1:]:
            page.keyboard.press(press)
            if page.evaluate(focused) != number:
                wrong.append(f"{press} to {number}")
        page.locator(".picture .board").first.focus()
    page.keyboard.press("ArrowUp")
    if page.evaluate(focused) != boards[-1]:
        wrong.append("ArrowUp from the first")
    for key in ("Enter", "Space"):
        page.keyboard.press(key)
        if page.locator("article.shown").get_attribute("id") != f"board-{boards[-1]}":
            wrong.append(key)
        page.keyboard.press("Escape")
        if page.locator("article.shown, .board[aria-pressed=true]").count():
            wrong.append(f"Escape after {key}")
    page.keyboard.press("/")
    page.keyboard.type("env_obs")
    if not page.locator(".chip.near").count() or page.locator(".board.near").count():
        wrong.append("find")
    page.keyboard.press("Enter")
    if page.locator("article.shown h2").inner_text() != "env_obs":
        wrong.append("Enter in find")
    page.keyboard.press("Escape")
    return wrong


def _theme(page, scheme):
    """Return what is wrong with the button for dark and light, which is pressed twice."""
    paper = "getComputedStyle(document.body).backgroundColor"
    before, told = page.evaluate(paper), page.locator("#theme").get_attribute("aria-pressed")
    page.locator("#theme").click()
    turned = page.evaluate(paper)
    page.locator("#theme").click()
    wrong = [] if told == str(scheme == "dark").lower() else ["pressed"]
    return wrong + ([] if before != turned and page.evaluate(paper) == before else ["colours"])


def _violations(page, axe):
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    return [{"id": item["id"], "impact": item["impact"], "nodes": len(item["nodes"])} for item in found]
