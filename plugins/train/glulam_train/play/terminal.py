"""Episodes on a terminal, at a watchable speed; a line a step where there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Group
from rich.live import Live
from rich.style import Style
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from rich.console import Console, RenderableType

    from glulam_train.play.moments import Moment

__all__ = ["half_blocks", "show"]

AGENTS = 8  # in the table
NAMES = 4  # in a line
RAMP = " .:-=+*#%@"  # from dark to light


def show(moments: Iterable[Moment], console: Console, fps: float) -> Iterator[float]:
    """Show moments as they come, and yield the mean return of each episode that has ended."""
    if not console.is_terminal or console.is_dumb_terminal:
        for moment in moments:
            console.print(_line(moment), highlight=False, markup=False, soft_wrap=True)
            if moment.is_end:
                yield moment.mean_return
        return
    due = time.monotonic()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for moment in moments:
            live.update(_screen(moment, console), refresh=True)
            if moment.is_end:
                live.console.print(_line(moment), highlight=False, markup=False)
                yield moment.mean_return
            due = max(due, time.monotonic()) + 1 / fps
            time.sleep(max(0.0, due - time.monotonic()))


def _line(moment: Moment) -> str:
    if moment.is_end:
        agents = len(moment.returns)
        of = f" (mean of {agents} agents)" if agents > 1 else ""
        return f"episode {moment.episode}: return {moment.mean_return:.3f}{of} in {moment.step} steps"
    parts = [f"episode {moment.episode} step {moment.step}", ", ".join(moment.actions[:NAMES])]
    if len(moment.actions) > NAMES:
        parts[-1] += f" and {len(moment.actions) - NAMES} more"
    parts.append(f"reward {_mean(moment.rewards):.3f}")
    parts += [f"value {_mean(moment.values):.3f}"] if moment.values else []
    return "  ".join([*parts, f"return {moment.mean_return:.3f}"])


def _screen(moment: Moment, console: Console) -> RenderableType:
    table = _table(moment)
    room = console.height - len(table.rows) - 5  # heading, rule, the line of the step, and the cursor's
    view = moment.view
    shown = Text.from_ansi(view) if isinstance(view, str) else half_blocks(view, console, room)
    state = "end" if moment.is_end else f"step {moment.step}"
    return Group(shown, Text(f"episode {moment.episode}  {state}", style="bold"), table)


def _table(moment: Moment) -> Table:
    """Return a row an agent, at most `AGENTS` of them, and their mean."""
    table = Table(box=None, pad_edge=False)
    for heading in ("agent", "action", "reward", "value", "return"):
        table.add_column(heading, justify="left" if heading == "action" else "right", min_width=8)
    agents = len(moment.returns)
    for agent in range(min(agents, AGENTS)):
        columns = [moment.rewards, moment.values, moment.returns]
        name = moment.actions[agent] if moment.actions else ""
        table.add_row(str(agent), Text(name), *(f"{column[agent]:.3f}" if column else "" for column in columns))
    if agents > 1:
        means = [f"{_mean(column):.3f}" if column else "" for column in (moment.rewards, moment.values, moment.returns)]
        left = f"and {agents - AGENTS} more" if agents > AGENTS else ""
        table.add_row("mean", left, *means, style="bold")
    return table


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def half_blocks(picture: NDArray[np.uint8], console: Console, lines: int) -> Text:
    """Return a picture `(H, W, 3)` as text, two pixels a character, no larger than the console's width and `lines`."""
    image = Image.fromarray(picture)
    scale = min(1.0, console.width / image.width, 2 * max(1, lines) / image.height)
    size = max(1, int(image.width * scale)), 2 * max(1, int(image.height * scale / 2))
    if console.no_color or console.color_system is None:
        return _in_letters(image.resize((size[0], size[1] // 2), Image.Resampling.BOX))
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX)).reshape(size[1] // 2, 2, size[0], 3)
    text = Text(no_wrap=True)
    for upper, lower in pixels.tolist():  # rows of colours
        for over, under in zip(upper, lower, strict=True):
            text.append("▀", Style(color=Color.from_rgb(*over), bgcolor=Color.from_rgb(*under)))
        text.append("\n")
    return text


def _in_letters(image: Image.Image) -> Text:
    grey = image.convert("L")
    letters = [RAMP[value * len(RAMP) // 256] for value in grey.tobytes()]
    return Text("\n".join("".join(letters[at : at + grey.width]) for at in range(0, len(letters), grey.width)))
