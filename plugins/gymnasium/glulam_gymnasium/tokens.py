"""MiniGrid's view of the grid as tokens. No torch here.

Legend: `B` rows, `W` columns and `H` rows of cells in the view, `N` tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsInt

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX
from minigrid.minigrid_env import MiniGridEnv

from glulam import EnvSpec, Feature, GlulamError, TokenLayout
from glulam_gymnasium.actions import action_spec
from glulam_gymnasium.first_look import offered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glulam_gymnasium import Autoreset

__all__ = ["GridTokens", "GridView", "grid_spec"]

CHANNELS = 3  # of a cell: object, colour, state
LARGEST_VIEW = 15  # of 16 x 16 cells two would lie at 0xFE and 0xFF
PADDING, GLOBAL = 0xFF, 0xFE
SHOWN = ("image", "direction")
FEATURES = ("object", "color", "state", "direction")
NOTHING = ("unseen", "empty")
USUAL_COLORS = {"wall": "grey", "goal": "green", "lava": "red", "agent": "red"}
DIRECTIONS = ("facing_right", "facing_down", "facing_left", "facing_up")

OBJECTS = {name: code for name, code in OBJECT_TO_IDX.items() if name not in NOTHING}
TAGS = (*OBJECTS, *COLOR_TO_IDX, *STATE_TO_IDX, *DIRECTIONS)


def grid_spec(env: gymnasium.Env[Any, Any], *, name: str, autoreset: Autoreset) -> EnvSpec:
    """Return the spec of a MiniGrid environment as `GridView` and `GridTokens` show it.

    Every value is the index of a tag: a name of an object, a colour, a state of a door or a direction.

    Raises:
        GlulamError: if it observes something else or too much, or its actions are not discrete.
    """
    space = env.observation_space
    if not isinstance(env.unwrapped, MiniGridEnv) or not isinstance(space, Dict) or not {*SHOWN} <= {*space}:
        msg = f"{name}: its observations are {space}; the family minigrid needs MiniGrid's image and direction"
        raise GlulamError(msg)
    width, height = _size(space)
    if max(width, height) > LARGEST_VIEW:
        most = f"{LARGEST_VIEW} x {LARGEST_VIEW}"
        msg = f"{name}: it shows {width} x {height} cells, and the location byte of a token has room for {most}"
        raise GlulamError(msg)
    actions = action_spec(env, name=name)
    if actions.kind != "discrete":
        msg = f"{name}: its actions are {env.action_space}; the family minigrid needs Discrete ones"
        raise GlulamError(msg)
    return EnvSpec(
        name=name,
        tokens=TokenLayout(count=1 + CHANNELS * width * height, padding=PADDING, global_location=GLOBAL),
        view_height=height,
        view_width=width,
        features=tuple(Feature(name=feature, id=number, values="tag") for number, feature in enumerate(FEATURES)),
        tags=TAGS,
        actions=actions,
        optional_inputs=offered(env, actions, name=name),
        autoreset=autoreset,
    )


def _size(space: Any) -> tuple[int, int]:  # noqa: ANN401  # a Dict, of which mypy knows no entry
    """Return how many columns and rows of cells an image shows."""
    width, height, _ = space["image"].shape
    return width, height


class GridView(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Shows MiniGrid's image and direction as one array `[W * H * 3 + 1]`, and no mission.

    One array is stacked faster than a dictionary, and a vector of environments needs no space of texts.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        width, height = _size(env.observation_space)
        self._size = width * height * CHANNELS
        self.observation_space = Box(0, 255, (self._size + 1,), np.uint8)

    def step(self, action: SupportsInt) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Apply a plain integer: MiniGrid compares it up to six times, which is slow with numpy's."""
        return super().step(int(action))

    def observation(self, observation: dict[str, Any]) -> NDArray[np.uint8]:
        """Return one array of what MiniGrid observes."""
        shown = np.empty(self._size + 1, np.uint8)
        shown[:-1] = observation["image"].reshape(-1)
        shown[-1] = observation["direction"]
        return shown


class GridTokens:
    """Writes what `GridView` shows as rows of tokens.

    A cell that holds something has an `object` token; its `color` follows where it is not the usual one of such an
    object (grey walls, green goals, red lava), and a door's `state`. Cells out of sight and empty ones have none.
    The view is as MiniGrid's own: the agent is in the middle of the last row and looks towards row 0; what it
    carries lies in its cell. `direction`, the first token, has no place.

    Args:
        height: rows of cells.
        width: columns of cells.
    """

    def __init__(self, *, height: int, width: int) -> None:
        cells = np.arange(width * height)
        columns, rows = np.divmod(cells, height)  # MiniGrid's images are [column, row, channel]
        self._heads = np.empty((1 + CHANNELS * len(cells), 2), np.uint8)  # location, feature
        self._heads[0] = GLOBAL, FEATURES.index("direction")
        self._heads[1:, 0] = ((rows << 4) | columns).repeat(CHANNELS)
        self._heads[1:, 1] = np.tile(np.arange(CHANNELS), len(cells))
        self._tags = _tags()

    def __call__(self, shown: NDArray[Any], out: NDArray[Any]) -> None:
        """Fill `out` (`[B, N, 3]`) with the tokens of `shown` (`[B, W * H * 3 + 1]`), padding last."""
        cells = shown[:, :-1].reshape(len(shown), -1, CHANNELS)  # (B, W * H, 3)
        values = np.empty(out.shape[:2], np.uint8)  # (B, N)
        values[:, 0] = TAGS.index(DIRECTIONS[0]) + shown[:, -1]
        values[:, 1:] = self._tags[np.arange(CHANNELS), cells[..., :1], cells].reshape(len(shown), -1)
        used = values != PADDING
        places = used.cumsum(1) - 1
        row, column = used.nonzero()
        place = places[row, column]
        out.fill(PADDING)
        out[row, place, :2] = self._heads[column]
        out[row, place, 2] = values[row, column]


def _tags() -> NDArray[np.uint8]:
    """Return the tag that a cell's channel, object and value in that channel mean: `[3, 256, 256]`."""
    tags = np.full((CHANNELS, 256, 256), PADDING, np.uint8)
    for name, code in OBJECTS.items():
        tags[0, code, code] = TAGS.index(name)
        for color, value in COLOR_TO_IDX.items():
            if USUAL_COLORS.get(name) != color:
                tags[1, code, value] = TAGS.index(color)
    for state, value in STATE_TO_IDX.items():
        tags[2, OBJECTS["door"], value] = TAGS.index(state)
    return tags
