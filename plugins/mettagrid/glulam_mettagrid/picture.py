"""What a simulation looks like: tiles of colour, and letters in a terminal. No torch here.

mettagrid's own windows need a display or a browser; this draws what `grid_objects` tells.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mettagrid.mettagrid_c import MettaGrid
    from numpy.typing import NDArray

__all__ = ["picture", "text"]

Colour = tuple[int, int, int]
Badges = tuple[tuple[str, Colour], ...]  # a letter and a colour for each resource that an agent has
Tile = tuple[str, str, Colour, Badges]  # shape, letter, colour

SIDE, SMALLEST, LARGEST = 512, 16, 32  # pixels: a picture's at most if cells can be of the smallest size; a cell's
FINER = 4  # tiles are drawn so many times larger: Pillow draws without smooth edges
FLOOR, LINE, WALL, SHADE, INK = (243, 240, 234), (231, 226, 217), (88, 94, 104), (62, 67, 76), (255, 255, 255)
AGENTS: tuple[Colour, ...] = (
    (31, 119, 180), (44, 145, 84), (200, 70, 130), (214, 120, 30), (110, 85, 190), (20, 150, 160), (170, 60, 50),
)  # fmt: skip
OBJECTS: tuple[Colour, ...] = ((122, 78, 160), (176, 120, 48), (60, 120, 110), (150, 80, 90), (80, 100, 160))
NAMED: dict[str, Colour] = {
    "red": (205, 55, 50), "blue": (45, 95, 205), "green": (50, 145, 70), "yellow": (205, 165, 20),
    "heart": (225, 50, 80), "ore": (240, 150, 30), "coin": (225, 175, 30),
}  # fmt: skip
SHAPES = ("square", "diamond")


def picture(simulator: MettaGrid, resources: list[str]) -> NDArray[np.uint8]:
    """Return a picture `(H, W, 3)` of the whole map: walls grey, agents as numbered discs, the rest as letters.

    A dot below an agent is a resource that it has; `resources` are the game's names of them.
    """
    cell = max(SMALLEST, min(LARGEST, SIDE // max(simulator.map_height, simulator.map_width)))
    shown = np.tile(_tile("floor", "", FLOOR, (), cell), (simulator.map_height, simulator.map_width, 1))  # (H, W, 3)
    for row, column, tile in _tiles(simulator, resources):
        shown[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = _tile(*tile, cell)
    return shown


def text(simulator: MettaGrid, resources: list[str]) -> str:
    """Return the map as lines of text with ANSI colours, two characters a cell, and what the letters mean."""
    cells = [[_coloured("· ", LINE)] * simulator.map_width for _ in range(simulator.map_height)]
    for row, column, (shape, letter, colour, badges) in _tiles(simulator, resources):
        if shape == "wall":
            cells[row][column] = _coloured("██", colour)
        elif shape == "disc":
            held = _coloured(badges[0][0], badges[0][1]) if badges else " "
            cells[row][column] = _coloured(letter[-1], INK, colour) + held
        else:
            cells[row][column] = _coloured(f"{letter} ", colour)
    names = [name for name in _types(simulator) if name not in ("wall", "agent")]
    meaning = [f"{_coloured(name[0], _colour(name, names))} {name}" for name in names]
    meaning += [f"{_coloured(name[0], _colour(name, resources))} {name}" for name in _held(simulator, resources)]
    return "\n".join(["".join(line) for line in cells] + ["  ".join(meaning)])


def _tiles(simulator: MettaGrid, resources: list[str]) -> Iterator[tuple[int, int, Tile]]:
    """Yield row, column and look of each object."""
    names = [name for name in _types(simulator) if name not in ("wall", "agent")]
    for item in simulator.grid_objects().values():
        name = item["type_name"]
        if "agent_id" in item:
            held = [resources[index] for index, amount in sorted(item["inventory"].items()) if amount]
            badges = tuple((name[0], _colour(name, resources)) for name in held)
            drawn = "disc", str(item["agent_id"]), AGENTS[item["agent_id"] % len(AGENTS)], badges
        elif name == "wall":
            drawn = "wall", "", WALL, ()
        else:
            drawn = SHAPES[names.index(name) % len(SHAPES)], name[0], _colour(name, names), ()
        yield item["r"], item["c"], drawn


def _types(simulator: MettaGrid) -> list[str]:
    return sorted(filter(None, simulator.object_type_names))


def _held(simulator: MettaGrid, resources: list[str]) -> list[str]:
    """Return the resources that some agent has."""
    agents = [item for item in simulator.grid_objects().values() if "agent_id" in item]
    found = {index for agent in agents for index, amount in agent["inventory"].items() if amount}
    return [resources[index] for index in sorted(found)]


def _colour(name: str, names: list[str]) -> Colour:
    """Return the colour that a part of a name says, or one by its place among the names."""
    said = next((NAMED[part] for part in name.split("_") if part in NAMED), None)
    return said or OBJECTS[names.index(name) % len(OBJECTS)]


def _coloured(letters: str, ink: Colour, paper: Colour | None = None) -> str:
    under = f";1;48;2;{paper[0]};{paper[1]};{paper[2]}" if paper else ""
    return f"\x1b[38;2;{ink[0]};{ink[1]};{ink[2]}{under}m{letters}\x1b[0m"


@lru_cache(maxsize=1024)
def _tile(shape: str, letter: str, colour: Colour, badges: Badges, cell: int) -> NDArray[np.uint8]:
    """Draw one cell, `(cell, cell, 3)`."""
    side = cell * FINER
    image = Image.new("RGB", (side, side), FLOOR)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side - 1, side - 1), outline=LINE, width=FINER // 2)
    edge, middle = side * 0.1, side / 2
    if shape == "wall":
        draw.rectangle((0, 0, side, side), fill=SHADE)
        draw.rectangle((0, 0, side - 1 - FINER, side - 1 - FINER), fill=colour)
    elif shape == "disc":
        draw.ellipse((edge, edge, side - edge, side - edge), fill=colour, outline=INK, width=FINER)
    elif shape == "diamond":
        near, far = edge / 2, side - edge / 2
        draw.polygon([(middle, near), (far, middle), (middle, far), (near, middle)], fill=colour)
    elif shape == "square":
        draw.rounded_rectangle((edge, edge, side - edge, side - edge), radius=side * 0.18, fill=colour)
    if letter:
        font: Any = ImageFont.load_default(size=side * (0.5 if len(letter) == 1 else 0.4))
        draw.text((middle, middle), letter, fill=INK, font=font, anchor="mm")
    size = side * 0.15
    for place, (_, paint) in enumerate(badges):
        x, y = side - size * 1.2 - place * size * 2.2, side - size * 1.2
        draw.ellipse((x - size, y - size, x + size, y + size), fill=paint, outline=INK, width=FINER)
    return np.asarray(image.reduce(FINER))
