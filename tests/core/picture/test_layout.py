"""No board or key lies on another, no line runs through one, and everything is inside the picture."""

import re

import attrs
import pytest

from glulam.picture import blueprint
from glulam.picture._blueprint import Blueprint
from glulam.picture._layout import lay_out
from tests.core.picture.drawings import BROKEN, POLICIES, random_blueprint

STEP = re.compile(r"([MVC])([\d -]+)")


def points(path):
    """Return points along an SVG path of M, V and C, a few px apart: de Casteljau by hand."""
    x = y = 0
    for letter, text in STEP.findall(path):
        numbers = list(map(int, text.split()))
        if letter == "M":
            x, y = numbers
        elif letter == "V":
            yield from ((x, y + (numbers[0] - y) * n / 50) for n in range(51))
            y = numbers[0]
        else:
            (x1, y1, x2, y2, x3, y3) = numbers
            for n in range(51):
                t, s = n / 50, 1 - n / 50
                yield (
                    s**3 * x + 3 * s * s * t * x1 + 3 * s * t * t * x2 + t**3 * x3,
                    s**3 * y + 3 * s * s * t * y1 + 3 * s * t * t * y2 + t**3 * y3,
                )
            x, y = x3, y3


def collisions(layout):
    """Return pairs of nodes that overlap, and wires that run through a node that is not theirs."""
    boxes = {node.name: (node.left, node.top, node.left + node.width, node.top + node.height) for node in layout.nodes}
    found = []
    for one, (l1, t1, r1, b1) in boxes.items():
        for other, (l2, t2, r2, b2) in boxes.items():
            if one < other and l1 < r2 and l2 < r1 and t1 < b2 and t2 < b1:
                found.append((one, other))
    lines = {node.line: node.name for node in layout.nodes if node.line is not None}
    for wire in layout.wires:
        mine = {wire.board, lines[wire.line]}
        for x, y in points(wire.path):
            found += [
                (wire.path, name)
                for name, (left, top, right, bottom) in boxes.items()
                if name not in mine and left < x < right and top < y < bottom
            ]
    return found


def is_inside(layout):
    edges = [(n.left, n.top, n.left + n.width, n.top + n.height) for n in layout.nodes]
    return all(left >= 0 and top >= 0 and right <= layout.width and bottom <= layout.height
               for left, top, right, bottom in edges)  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_random_policies_have_room(seed):
    layout = lay_out(random_blueprint(seed))
    assert collisions(layout) == []
    assert is_inside(layout)


def test_shipped_and_broken_policies_have_room(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    for source in (*POLICIES, tmp_path / "broken.yaml"):
        layout = lay_out(blueprint(source))
        assert collisions(layout) == [], source
        assert is_inside(layout)


def test_what_is_moved_collides():
    """Sabotage: the check sees a node that lies on another, and one that lies on a wire."""
    layout = lay_out(random_blueprint(3))
    layout.nodes[4].x, layout.nodes[4].y = layout.nodes[1].x + 5, layout.nodes[1].y + 5
    assert collisions(layout)
    layout = lay_out(random_blueprint(3))
    wire = max(layout.wires, key=lambda wire: len(wire.path))
    stranger = next(node for node in layout.nodes if node.face and node.name != wire.board)
    stranger.x, stranger.y = list(points(wire.path))[25]
    assert any(name == stranger.name for path, name in collisions(layout) if path == wire.path)


def test_readers_stand_below_writers():
    drawn = random_blueprint(7)
    places = {node.name if node.line is None else node.line: node for node in lay_out(drawn).nodes}
    for number, line in enumerate(drawn.lines):
        if number in places:
            assert places[line.writer].y < places[number].y
            assert all(places[number].y < places[reader].y for reader in line.readers)


def test_a_layer_that_reads_nothing_stands_just_above_its_reader():
    layout = lay_out(blueprint("latent_attn_small", env=None))
    ranks = {node.name: node.rank for node in layout.nodes}
    assert ranks["actor"] - ranks["action_embedding"] == 2
    assert ranks["actor"] - ranks["critic"] == 0


def test_the_layout_is_the_same_each_time():
    first, second = (lay_out(random_blueprint(11)) for _ in range(2))
    assert [attrs.astuple(node) for node in first.nodes] == [attrs.astuple(node) for node in second.nodes]
    assert first.wires == second.wires


def test_nothing_is_drawn_of_nothing():
    assert lay_out(Blueprint(name="empty", env=None)).nodes == ()
