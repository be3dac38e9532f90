"""The SVG holds every layer and key, says them in words, and takes nothing that a policy says for markup."""

from xml.etree import ElementTree as ET

import attrs
import pytest

import glulam
from glulam.picture import blueprint, draw_svg
from glulam.picture._blueprint import Blueprint
from glulam.picture._faces import Face, count
from tests.core.picture.drawings import BROKEN, FOREST, HOSTILE, POLICIES, random_blueprint
from tests.evidence.record import ROOT

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = ROOT / "docs" / "pictures" / "latent_attn_small.svg"


def parsed(drawn):
    return ET.fromstring(draw_svg(drawn))  # noqa: S314 - our own


def texts(element):
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def by_class(root, name):
    return [group for group in root.iter(f"{SVG}g") if name in group.get("class", "").split()]


@pytest.mark.parametrize("name", POLICIES)
def test_every_layer_and_key_of_the_resolver_is_drawn(name):
    resolved, drawn = glulam.resolve(name), blueprint(name)
    root = parsed(drawn)
    boards = [texts(group)[0] for group in by_class(root, "board")]
    assert boards == ["any environment", *(layer.name for layer in resolved.all_layers)]
    chips = {tuple(texts(group)) for group in by_class(root, "chip")}
    for line in drawn.lines:
        if line.is_drawn:
            assert (line.key, line.form) in chips, line.key
    unread = " ".join(texts(by_class(root, "world")[0]))
    assert all(key in " ".join(map(" ".join, chips)) or key in unread for key in resolved.keys)


def test_a_picture_says_in_words_what_it_shows():
    root = parsed(blueprint("fast"))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Policy fast"
    described = root.find(f"{SVG}desc").text
    assert "memory: layer lstm from glulam-memory 0.1.0; reads encoded; writes remembered." in described
    assert root.get("aria-labelledby") == "glulam-title glulam-desc"


def test_boards_of_a_distribution_have_one_colour():
    root = parsed(blueprint("latent_attn_small"))
    styles = {texts(group)[0]: group.get("class").split()[-1] for group in by_class(root, "board")}
    assert styles["latent"] == styles["encoder"] == "hue1"
    assert styles["actor"] == styles["critic"] == styles["action_head"]
    assert len({styles["latent"], styles["memory"], styles["actor"], styles["obs_shaper"]}) == 4
    assert styles["any environment"] == "world"


def test_more_distributions_than_colours_are_drawn():
    drawn = random_blueprint(1, boards=12)
    boards = [attrs.evolve(board, distribution=f"d{number}") for number, board in enumerate(drawn.boards)]
    root = parsed(attrs.evolve(drawn, boards=tuple(boards)))
    assert by_class(root, "hue0")


def test_faults_are_drawn_at_their_layer(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    root = parsed(blueprint(tmp_path / "broken.yaml"))
    boards = {texts(group)[0]: texts(group) for group in by_class(root, "board")}
    assert " ".join(boards["latent_attention"]).endswith(
        "GL304 reads 'token_featurs', which nothing writes try: write 'token_features' "
        "GL403 hidden_size 32 is not divisible by num_heads 5 try: change 'num_heads' or 'hidden_size'"
    )
    assert boards["lstmm"][-2:] == ["GL201 unknown layer 'lstmm'", "try: write 'lstm'"]
    assert {"GL102 unknown field 'lasers'", "try: write 'layers'"} <= set(texts(root))
    lost = [texts(group) for group in by_class(root, "lost")]
    assert ["token_featurs", "written by nothing"] in lost


def test_nothing_that_a_policy_says_is_markup(tmp_path):
    policy = {
        "glulam": 1, "name": HOSTILE, "obs_shaper": {"layer": "token_shaper", "out_key": HOSTILE},
        "layers": [{"layer": HOSTILE, "name": HOSTILE, "in_key": HOSTILE, "out_key": "logits", HOSTILE: HOSTILE}],
        "action_head": {"layer": "action_distribution", "in_key": "logits"},
    }  # fmt: skip
    root = parsed(blueprint(policy))
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert names == {
        "svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text", "tspan",
    }  # fmt: skip
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert any(HOSTILE in (title.text or "") for title in root.iter(f"{SVG}title"))


def test_text_fits_on_its_board():
    """Reckoned in DejaVu, which is wide: small text takes 6.7 px a character, a name 8.8."""
    root = parsed(blueprint("latent_attn_small"))
    for group in by_class(root, "board"):
        width = float(next(group.iter(f"{SVG}rect")).get("width"))
        for text in group.iter(f"{SVG}text"):
            size = 8.8 if text.get("class") == "name" else 6.7
            assert 26 + size * len("".join(text.itertext())) <= width + 8 or text.get("text-anchor") == "end"


def test_the_same_policy_is_the_same_picture():
    assert draw_svg(blueprint("vit_lstm")) == draw_svg(blueprint("vit_lstm"))


def test_a_policy_of_nothing_is_a_picture_with_its_name():
    assert texts(parsed(Blueprint(name="empty", env=None)))[0] == "empty"


def test_the_picture_in_the_docs_is_what_the_command_makes():
    pytest.importorskip("glulam_mettagrid")
    made = draw_svg(blueprint("latent_attn_small", env=FOREST))
    assert PICTURE.read_text(encoding="utf-8") == made, (
        f"stale: glulam show latent_attn_small --env {FOREST} -o {PICTURE}"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (264_192, "264 k"), (2_604_704, "2.6 M"), (7_000_000_000, "7.0 G")],
)
def test_numbers_as_people_say_them(number, text):
    assert count(number) == text


def test_a_board_grows_with_what_is_written_on_it():
    assert Face(title="", subtitle="").height == 54
    assert Face(title="", subtitle="", notes=("one",), faults=(("GL304", "two"), ("", "three"))).height == 54 + 17 + 46
