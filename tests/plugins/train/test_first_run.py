"""The first training, on the toy world in place of mettagrid: the table, the checks, the exit codes."""

import pytest

from glulam_train import first_run

SMALL = ["--set", "num_envs=16", "--set", "horizon=16", "--set", "learning_rate=0.02", "--set", "threads=1"]


@pytest.fixture
def start(monkeypatch, tmp_path, capsys):
    """Run the program and return its exit code and what it printed."""
    monkeypatch.setattr(first_run, "POLICY", "toy")
    monkeypatch.setattr(first_run, "ENV", "toy:cues")
    monkeypatch.setattr(first_run, "RANDOM_RETURN", 0.28)

    def run(*arguments, out=tmp_path / "run"):
        monkeypatch.setattr("sys.argv", ["first_run", "--out", str(out), *SMALL, *arguments])
        with pytest.raises(SystemExit) as ended:
            first_run.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_a_policy_that_learns_is_compared_with_random_play_and_its_beginning(start, tmp_path):
    code, out, err = start("--steps", "15000")
    assert code in (0, None), err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    table = {row[0]: float(row[1]) for row in rows}
    assert list(table) == ["random play", "toy, untrained", "toy, trained"]
    assert table["random play"] == pytest.approx(0.28, abs=0.15)
    assert table["toy, untrained"] < 1.5
    assert table["toy, trained"] > 2.5
    assert "toy:cues, episodes not seen in training" in out
    assert [row[4] for row in rows] == ["1024", "256", "256"]
    assert f"checkpoint      {tmp_path / 'run' / 'checkpoint.safetensors'}" in out
    assert f"learning curve  {tmp_path / 'run' / 'curve.png'}" in out
    assert "of 15,000 steps" in err


def test_too_little_training_exits_1_after_the_table(start):
    code, out, err = start("--steps", "512")
    assert code == 1
    assert "toy, trained" in out
    assert "error: the trained policy returns" in err
    assert "less than 4 x random" in err


def test_it_can_be_run_again(start):
    for _ in range(2):
        assert "is there already" not in start("--steps", "512")[2]


def test_another_task_is_refused_before_training(start, monkeypatch, tmp_path):
    monkeypatch.setattr(first_run, "RANDOM_RETURN", 0.85)
    code, _, err = start()
    assert code == 1
    assert "where 0.85 ± 0.15 is known: this is another task" in err
    assert not (tmp_path / "run").exists()


def test_the_clock_ends_the_training(start):
    code, out, _ = start("--steps", "100000000", "--minutes", "0.02")
    assert code in (0, None, 1)
    assert "in 0.0 minutes" in out


def test_a_missing_world_is_an_error_without_a_traceback(start, monkeypatch):
    monkeypatch.setattr(first_run, "ENV", "missing:forage")
    code, _, err = start()
    assert code == 1
    assert err.startswith("error: ")
    assert "unknown environment 'missing'" in err
