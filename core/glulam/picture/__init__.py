"""A policy as a picture: SVG, a page, Mermaid text, or a tree in the terminal; faults are drawn where they are.

    from glulam.picture import blueprint, draw_svg

    text = draw_svg(blueprint("latent_attn_small", env="mettagrid:forage"))

SVG and pages need what the extra `glulam[show]` installs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glulam.picture._blueprint import Blueprint as Blueprint
    from glulam.picture._html import draw_html as draw_html
    from glulam.picture._mermaid import draw_mermaid as draw_mermaid
    from glulam.picture._survey import blueprint as blueprint
    from glulam.picture._svg import draw_svg as draw_svg
    from glulam.picture._tree import draw_tree as draw_tree

_HOMES = {
    "Blueprint": "_blueprint",
    "blueprint": "_survey",
    "draw_html": "_html",
    "draw_mermaid": "_mermaid",
    "draw_svg": "_svg",
    "draw_tree": "_tree",
}

__all__ = ["Blueprint", "blueprint", "draw_html", "draw_mermaid", "draw_svg", "draw_tree"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute can be anything
    """Import a public name's home when it is first asked for."""
    import importlib

    if name not in _HOMES:
        msg = f"module 'glulam.picture' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"glulam.picture.{_HOMES[name]}"), name)
