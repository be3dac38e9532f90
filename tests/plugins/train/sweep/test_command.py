"""`glulam sweep` as a user types it: here with processes that only pretend to train."""

import errno
import json
import os

import pytest

from glulam import GlulamError
from glulam_train.sweep import disk
from glulam_train.sweep.command import sweep
from tests.plugins.train.sweep.fakes import HEAD, call


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def log(out):
    return [line.removeprefix("begin ") for line in (out / "log").read_text().splitlines() if line.startswith("begin ")]


@pytest.mark.usefixtures("fakes")
class TestRuns:
    def test_it_says_what_it_costs_and_what_came_out(self, written, out):
        result = call(written("{plain: {}, better: {seeds: [5, 6]}}"), "--out", out, "--jobs", 2)
        assert result.exit_code == 0, result.output
        lines = result.stderr.splitlines()
        assert lines[0] == "4 runs, 2,048 agent-steps in all, 2 at a time"
        assert "plain seed 0: begins" in lines
        assert any(line.startswith("better seed 6: finished, 512 agent-steps, return 7.00; ") for line in lines)
        head, plain, better, results, curves = result.stdout.splitlines()
        assert head.split()[:2] == ["variant", "seeds"]
        assert plain.startswith("plain      2/2  1.50 [1.00, 2.00]                  -                  -  1.06")
        assert better.startswith("better     2/2  6.50 [6.00, 7.00]  5.00 [4.00, 6.00]  1.00 [1.00, 1.00]  6.06")
        assert (results, curves) == (f"results  {out / 'results.json'}", f"curves   {out / 'curves.png'}")

    def test_again_there_is_nothing_to_do(self, written, out):
        path = written()
        first = call(path, "--out", out)
        before = (out / "results.json").read_bytes()
        again = call(path, "--out", out)
        assert (again.exit_code, again.stderr, again.stdout) == (0, "", first.stdout)
        assert (out / "results.json").read_bytes() == before
        assert len(log(out)) == 2

    def test_an_added_seed_is_the_only_one_to_run(self, written, out):
        call(written(), "--out", out)
        result = call(written(head=HEAD.replace("seeds: 2", "seeds: [0, 7, 1]")), "--out", out)
        assert result.exit_code == 0
        assert log(out)[2:] == ["plain seed_7"]
        rows = json.loads((out / "results.json").read_text())["runs"]
        assert [(row["seed"], row["state"]) for row in rows] == [(0, "finished"), (7, "finished"), (1, "finished")]

    def test_runs_are_where_the_file_is_so_that_paths_in_it_are_relative_to_it(self, written, out, monkeypatch):
        path = written()
        (out.parent / "elsewhere").mkdir()
        monkeypatch.chdir(out.parent / "elsewhere")
        assert call("../sweep.yaml", "--out", "../out").exit_code == 0
        assert (out / "place").read_text() == str(path.parent)

    def test_only_takes_a_variant_and_those_before(self, written, out):
        path = written("{a: {seeds: 1}, b: {seeds: 1, after: a}, c: {seeds: 1}}")
        assert call(path, "--out", out, "--only", "b").exit_code == 0
        assert log(out) == ["a seed_0", "b seed_0"]
        states = [row["state"] for row in json.loads((out / "results.json").read_text())["runs"]]
        assert states == ["finished", "finished", "not begun"]

    def test_a_changed_file_is_refused_before_anything(self, written, out):
        call(written(), "--out", out)
        result = call(written("{plain: {settings: {gamma: 0.5}}}"), "--out", out)
        assert isinstance(result.exception, GlulamError)
        assert "variants.plain: settings.gamma was 0.97, is 0.5" in str(result.exception)

    def test_a_run_that_fails_stops_no_other_and_is_told_at_the_end(self, written, out):
        result = call(written("{bad: {seeds: 1}, plain: {}}"), "--out", out)
        assert result.exit_code == 1
        told = result.stderr[result.stderr.index("\nbad seed 0 failed; ") :].splitlines()
        assert told == [
            "",
            f"bad seed 0 failed; its folder is {out / 'bad' / 'seed_0'}",
            "error: the loss is nan",
            "",
            f"1 of 3 runs are not finished; to go on with them: glulam sweep {out.parent / 'sweep.yaml'} --out {out}",
        ]
        rows = json.loads((out / "results.json").read_text())["runs"]
        assert [(row["state"], row["exit"]) for row in rows] == [("failed", 1), ("finished", 0), ("finished", 0)]

    def test_an_end_that_could_not_be_noted_is_told_at_the_end(self, written, out, monkeypatch):
        def full(path, text):
            if path.name == "exit.json":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace_text(path, text)

        replace_text = disk.replace_text
        monkeypatch.setattr(disk, "replace_text", full)
        result = call(written("{plain: {seeds: 1}}"), "--out", out)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-4:] == [
            "",
            f"cannot write to the folder {out / 'plain' / 'seed_0'}: No space left on device; name another with --out",
            "",
            f"1 of 1 runs are not finished; to go on with them: glulam sweep {out.parent / 'sweep.yaml'} --out {out}",
        ]

    def test_programs_get_the_summary(self, written, out):
        result = call(written(), "--out", out, "--format", "json")
        summary = json.loads(result.stdout)
        data = json.loads((out / "results.json").read_text())
        assert summary == {
            "results": str(out / "results.json"),
            "curves": str(out / "curves.png"),
            "variants": data["variants"],
        }

    def test_a_dry_run_says_the_same_and_writes_nothing(self, written, out):
        result = call(written(), "--out", out, "--dry-run", "--jobs", 1)
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "2 runs, 1,024 agent-steps in all, 1 at a time",
            "  variant  runs  agent-steps  agent-steps/s  time a run",
            "  plain       2        1,024            100     0:00:07",
            "about 0:00:14 (hours:minutes:seconds) by a trial of each variant",
        ]
        assert not out.exists()
        assert json.loads(call(written(), "--out", out, "--dry-run", "--format", "json").stdout)["agent_steps"] == 1024


def test_what_is_wrong_is_told_before_anything_is_written(written, out):
    result = call(written("{a: {}, b: {set: {toy_memory.kept: 1}}}"), "--out", out)
    assert isinstance(result.exception, GlulamError)
    assert "variants.b: its policy, environment or losses do not fit" in str(result.exception)
    assert not out.exists()


def test_there_must_be_a_folder(written):
    result = call(written())
    assert result.exit_code == 2
    assert "Missing option '--out'" in result.output


def test_help_fits_a_terminal_and_names_every_option():
    result = call("--help")
    assert result.exit_code == 0
    for option in (parameter for parameter in sweep.params if parameter.param_type_name == "option"):
        assert option.opts[0] in result.output
        assert option.help
    assert all(len(line) <= 80 for line in result.output.splitlines())
