"""The tree in the terminal: what each layer reads, writes, remembers and costs, and its faults."""

from io import StringIO

from rich.console import Console

from glulam.picture import blueprint, draw_tree
from tests.core.picture.drawings import BROKEN


def printed(drawn, **options):
    console = Console(file=StringIO(), width=200, highlight=False, **options)
    console.print(draw_tree(drawn))
    return console.file.getvalue()


def test_a_tree_of_layers(registry, policy_file, env):
    text = printed(blueprint(policy_file(), env=env, registry=registry))
    lines = text.splitlines()
    assert lines[0] == "beam in toy, 1 parameter, 0 FLOP"
    assert "│   ├── gives env_obs [4, 3] uint8, stored per step -> obs_shaper" in lines
    start = next(n for n, line in enumerate(lines) if "running_sum" in line and "boards" in line)
    assert lines[start : start + 4] == [
        "├── running_sum running_sum boards 1.0",
        "│   ├── reads scaled [6] float",
        "│   ├── writes summed [6] float",
        "│   └── remembers sum [6] float",
    ]


def test_faults_stand_under_their_layer_with_place_and_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    lines = printed(blueprint("broken.yaml")).splitlines()
    assert "├── GL102 unknown field 'lasers' (broken.yaml:10:1)" in lines
    start = next(n for n, line in enumerate(lines) if line.startswith("├── lstmm"))
    assert lines[start + 1 : start + 4] == [
        "│   ├── GL201 unknown layer 'lstmm' (broken.yaml:7:13)",
        "│   │   └── try: write 'lstm'",
        "│   ├── reads latents [128] float",
    ]
    assert "│   ├── reads token_featurs (written by nothing)" in lines


def test_brackets_of_a_policy_are_no_markup(registry, policy_file):
    text = printed(blueprint(policy_file().read_text(encoding="utf-8") and policy_file(
        "glulam: 1\nname: '[red]x[/red]'\nobs_shaper: shaper\nlayers: []\naction_head: {layer: head, in_key: tokens}\n"
    ), registry=registry))  # fmt: skip
    assert text.startswith("[red]x[/red] in any environment")
