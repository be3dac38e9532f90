"""`--to torch-export`: the file, its description, and what is refused."""

import json

import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_export import torch_export
from glulam_export.exporters import to_torch_export


@pytest.fixture
def written(tiny, tmp_path):
    return to_torch_export(tiny, tmp_path / "agent")


def test_the_description_is_in_the_file_and_beside_it(written):
    program, beside = written
    assert (program.name, beside.name) == ("agent.pt2", "agent.pt2.json")
    extra = {"glulam.json": ""}
    torch.export.load(program, extra_files=extra)
    assert extra["glulam.json"] == beside.read_text(encoding="utf-8")


def test_the_description_names_everything(written, tiny):
    about = json.loads(written[1].read_text(encoding="utf-8"))
    assert about["inputs"] == [
        {"name": "env_obs", "dtype": "float32", "shape": ["rows", 6]},
        {"name": "dones", "dtype": "bool", "shape": ["rows"]},
        {"name": "truncateds", "dtype": "bool", "shape": ["rows"]},
        {"name": "state.memory.h", "dtype": "float32", "shape": ["rows", 1, 8]},
    ]
    assert {item["name"]: (item["dtype"], item["shape"]) for item in about["outputs"]} == {
        "values": ("float32", ["rows"]),
        "logits": ("float32", ["rows", 3]),
        "actions": ("int64", ["rows"]),
        "act_log_prob": ("float32", ["rows"]),
        "entropy": ("float32", ["rows"]),
        "full_log_probs": ("float32", ["rows", 3]),
        "next_state.memory.h": ("float32", ["rows", 1, 8]),
    }
    assert about["memory"] == [{"input": "state.memory.h", "output": "next_state.memory.h"}]
    assert glulam.EnvSpec.from_dict(about["environment"]) == tiny.env
    assert (about["format"], about["form"], about["policy"], about["aliases"]) == (1, "torch-export", "small", {})
    assert set(about["rules"]) == {"memory", "actions"}
    assert set(about["versions"]) == {"glulam", "glulam-basics", "glulam-heads", "glulam-memory", "torch"}


def test_names_count_and_not_their_order(written, tiny):
    step = torch.export.load(written[0]).module()
    given = {
        "state.memory.h": torch.ones(2, 1, 8),
        "truncateds": torch.tensor([False, True]),
        "env_obs": torch.ones(2, 6),
        "dones": torch.tensor([False, False]),
    }
    found = step(given)
    again = step(dict(reversed(given.items())))
    assert torch.equal(found["values"], again["values"])
    assert found["values"][0] != found["values"][1]


def test_aliases_are_told(tiny, tmp_path):
    tiny.aliases = {"left": "west"}
    about = json.loads(to_torch_export(tiny, tmp_path / "agent")[1].read_text(encoding="utf-8"))
    assert about["aliases"] == {"left": "west"}


def test_a_layer_that_looks_at_its_data_is_named(tiny, tmp_path):
    critic = tiny.layers["value_head"].module
    forward = critic.forward
    critic.forward = lambda x: forward(x) if x.sum() > 0 else -forward(x)
    message = r"layer 'value_head' of policy 'small' cannot be traced by torch.export: .*`glulam test` holds layers"
    with pytest.raises(GlulamError, match=message):
        to_torch_export(tiny, tmp_path / "agent")
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_counts_its_rows_is_refused(tiny, tmp_path):
    critic = tiny.layers["value_head"].module
    forward = critic.forward
    critic.forward = lambda x: forward(x.view(3, -1))
    with pytest.raises(GlulamError, match="policy 'small' cannot be traced by torch.export: .*"):
        to_torch_export(tiny, tmp_path / "agent")
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_left_of_a_program_that_differs(tiny, tmp_path, monkeypatch):
    load = torch.export.load

    def altered(*args):
        program = load(*args)
        with torch.no_grad():
            for weight in program.state_dict.values():
                weight.mul_(1.01)
        return program

    monkeypatch.setattr(torch_export.torch.export, "load", altered)
    with pytest.raises(GlulamError, match="torch-export of policy 'small', 1 rows: output .* differs from the policy"):
        to_torch_export(tiny, tmp_path / "agent")
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_where_the_new_one_cannot_be_written(tiny, tmp_path):
    (tmp_path / "agent.pt2").mkdir()
    with pytest.raises(GlulamError, match="cannot write .*agent.pt2: Is a directory"):
        to_torch_export(tiny, tmp_path / "agent")
    assert [path.name for path in tmp_path.iterdir()] == ["agent.pt2"]
