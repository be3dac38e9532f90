"""What is read of a run's folder, and what is said where it cannot be."""

import pytest

from glulam import GlulamError
from glulam_train.report.folder import read_run
from tests.plugins.train.report.conftest import row


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(GlulamError, match=r"there is no folder .*nowhere: name one that `glulam train --out` or"):
        read_run(tmp_path / "nowhere")


def test_a_folder_that_is_no_runs(tmp_path):
    with pytest.raises(
        GlulamError, match=r"is no run's: it holds neither settings.yaml, which `glulam train` writes, nor"
    ):
        read_run(tmp_path)


def test_settings_that_cannot_be_read(folder):
    path = folder([row(0)])
    (path / "settings.yaml").write_text("polcy: fast\n")
    with pytest.raises(GlulamError, match="settings.yaml: unknown field 'polcy': write 'policy'"):
        read_run(path)


def test_a_run_that_has_not_begun(folder):
    with pytest.raises(GlulamError, match="nothing has been trained in .*run yet: a report needs one update at least"):
        read_run(folder([]))


def test_a_run_that_failed_in_its_first_update_has_a_report_all_the_same(folder):
    run = read_run(folder([], end={"end": "failed", "why": "the loss is nan", "notes": []}))
    assert (run.rows, run.end["why"]) == ([], "the loss is nan")


@pytest.mark.parametrize(
    "broken",
    [
        '{"agent_steps": 300, "sec',
        "[1, 2]\n",
        '{"agent_steps": 300}\n',
        '{"agent_steps": null, "seconds": 1}\n',
        "\x00\n",
    ],
)
def test_metrics_are_taken_up_to_the_first_line_that_is_none(folder, broken):
    run = read_run(folder([row(0), row(1), broken, row(3)] if broken.endswith("\n") else [row(0), row(1), broken]))
    assert [item["agent_steps"] for item in run.rows] == [100, 200]
    left = 2 if broken.endswith("\n") else 1
    assert run.problems[0] == f"line 3 of metrics.jsonl is cut short or no row: {left} left out from there"


def test_what_cannot_be_read_beside_the_metrics_is_said(folder):
    path = folder([row(0)])
    (path / "end.json").write_text('{"end": ')
    (path / "evaluation.json").write_text('{"return": 3}')
    (path / "eval_far.json").write_text('{"return_mean": 3.5}')
    (path / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    run = read_run(path)
    assert run.end == {}
    assert run.header is None
    assert run.evaluations == {"eval_far": {"return_mean": 3.5}}
    assert run.problems[0] == "end.json cannot be read"
    assert "checkpoint.safetensors is cut off or no checkpoint" in run.problems[1]
    assert (
        run.problems[2] == "evaluation.json holds no `return_mean`: it is not what `glulam eval --format json` prints"
    )


def test_films_become_data(folder):
    path = folder([row(0)])
    (path / "episodes").mkdir()
    for name in ("b.gif", "a.mp4", "notes.txt"):
        (path / "episodes" / name).write_bytes(b"film")
    films = read_run(path).films
    assert [(film.name, film.is_video, film.uri) for film in films] == [
        ("a", True, "data:video/mp4;base64,ZmlsbQ=="),
        ("b", False, "data:image/gif;base64,ZmlsbQ=="),
    ]
