"""Finding what is registered with Gymnasium, and making one copy of it. No torch here."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.error import Error as GymnasiumError

from glulam import GlulamError

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec as Registered

__all__ = ["find", "make_one", "register_minigrid"]

PICTURE = "rgb_array"


def find(name: str, *, family: str, module: str = "") -> Registered:
    """Return what is registered under an id, in full with its version; `MODULE:ID` imports MODULE first.

    Args:
        name: the id.
        family: what stands before the id in a URI, for messages.
        module: what the entry points of ids begin with that are offered in place of an unknown one.

    Raises:
        GlulamError: if the module cannot be imported, or the id is unknown: with the nearest ids.
    """
    origin, colon, short = name.rpartition(":")
    if colon:
        try:
            importlib.import_module(origin)
        except ImportError as error:
            msg = f"{family}:{name}: cannot import {origin!r}, which should register it: {error}"
            raise GlulamError(msg) from error
    found: Registered | None = gymnasium.registry.get(short)
    if found is None:
        ids = [key for key, entry in gymnasium.registry.items() if str(entry.entry_point).startswith(module)]
        near = difflib.get_close_matches(short, ids, n=3, cutoff=0.7)
        hint = "" if colon else f"; {family}:MODULE:{short} imports a module that registers it"
        if near:
            hint = f"; did you mean {' or '.join(map(repr, near))}?"
        msg = f"unknown {family} environment {short!r}{hint}"
        raise GlulamError(msg)
    return found


def make_one(registered: Registered, *, family: str, render: bool = False) -> gymnasium.Env[Any, Any]:
    """Make one copy, without Gymnasium's checker: it costs a few microseconds a step, and warns.

    Args:
        registered: what is to be made.
        family: what stands before the id in a URI, for messages.
        render: whether the copy must draw pictures, Gymnasium's `render_mode="rgb_array"`.

    Raises:
        GlulamError: if it cannot be made, as where something that it needs is not installed, it is one of Gym's, or it
            cannot draw.
    """
    if render:
        _check_draws(registered, family)
    options: dict[str, Any] = {"render_mode": PICTURE} if render else {}
    try:
        return gymnasium.make(registered, disable_env_checker=True, **options)
    except (GymnasiumError, ImportError, TypeError) as error:
        msg = f"{family}:{registered.id} cannot be made: {type(error).__name__}: {error}"
        raise GlulamError(msg) from error


def _check_draws(registered: Registered, family: str) -> None:
    """Refuse an environment that does not draw pictures; Gymnasium would warn, and draw nothing."""
    one = make_one(registered, family=family)
    modes = one.metadata.get("render_modes") or []
    one.close()
    if PICTURE not in modes:
        found = f"its render modes are {', '.join(map(str, modes)) or 'none'}, without {PICTURE}"
        msg = f"{family}:{registered.id} cannot be looked at: {found}; tell its authors"
        raise GlulamError(msg)
    if not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # else pygame looks for a display, and prints that it failed


def register_minigrid() -> None:
    """Import MiniGrid, which registers its ids, without what pygame prints.

    Raises:
        GlulamError: if it cannot be imported here.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module("minigrid")
    except ImportError as error:
        msg = f"minigrid cannot be imported here ({error}): pip install minigrid"
        raise GlulamError(msg) from error
