"""What is on the disk is compared with what the file says by now."""

import json

import pytest
import yaml

from glulam import GlulamError
from glulam_train.sweep.disk import (
    check_unchanged,
    exit_of,
    held,
    is_finished,
    last_row,
    note_exit,
    rows_of,
    stderr_tail,
    write_inputs,
)
from tests.plugins.train.sweep.fakes import HEAD

REMEDY = (
    "change it back, give a variant that was changed another name, or name another folder with --out; "
    "variants and seeds may be added at any time"
)
TWO = "{plain: {}, other: {set: {toy_memory.keep: 0.5}}}"


@pytest.fixture
def begun(planned):
    plan = planned(TWO)
    write_inputs(plan, plan.cells)
    return plan


def row(steps):
    return json.dumps({"agent_steps": steps, "seconds": 1.0, "return_mean": None}) + "\n"


class TestChanged:
    def test_the_same_file_is_the_same(self, begun, planned):
        check_unchanged(planned(TWO))

    @pytest.mark.parametrize(
        ("variants", "head"),
        [
            ("{more: {}, other: {set: {toy_memory.keep: 0.5}}, plain: {}}", HEAD),  # in another order too
            (TWO, HEAD.replace("seeds: 2", "seeds: [5, 1, 0]")),
            (TWO, HEAD.replace("seeds: 2", "seeds: 1") + "threshold: 3\n"),
            ("{plain: {}}", HEAD),
        ],
    )
    def test_variants_seeds_and_a_threshold_may_come_and_go(self, begun, planned, variants, head):
        check_unchanged(planned(variants, head))

    def test_what_was_changed_is_named(self, begun, planned, tmp_path):
        """Two settings of all runs, one of a variant's, and a field of its policy."""
        head = HEAD.replace("steps: 512", "steps: 1024").replace("horizon: 8", "horizon: 16")
        with pytest.raises(GlulamError) as caught:
            check_unchanged(planned("{plain: {settings: {gamma: 0.5}}, other: {set: {toy_memory.keep: 0.25}}}", head))
        assert str(caught.value).splitlines() == [
            f"{tmp_path / 'sweep.yaml'} is no longer what the runs in {tmp_path / 'out'} were made from:",
            "  variants.plain: settings.steps was 512, is 1024",
            "  variants.plain: settings.horizon was 8, is 16",
            "  variants.plain: settings.gamma was 0.97, is 0.5",
            "  variants.other: policy.layers[0].keep was 0.5, is 0.25",
            "  variants.other: settings.steps was 512, is 1024",
            "  variants.other: settings.horizon was 8, is 16",
            REMEDY,
        ]

    def test_a_long_list_is_cut(self, begun, planned):
        many = "{plain: {settings: {gamma: 0.5, gae_lambda: 0.5, epochs: 1, learning_rate: 1, segment: 4, burn_in: 1, "
        with pytest.raises(GlulamError, match="\n  and 2 more\nchange it back"):
            check_unchanged(planned(many + "adam_eps: 1, weight_decay: 1}}}"))

    def test_a_policy_that_was_edited_since_is_another_one(self, planned, tmp_path):
        base = tmp_path / "base.yaml"
        base.write_text("glulam: 1\nname: base\nextends: toy\n")
        plan = planned("{plain: {policy: base.yaml}}")
        write_inputs(plan, plan.cells[:1])
        base.write_text("glulam: 1\nname: base\nextends: toy\nset: {toy_memory.keep: 0.25}\n")
        with pytest.raises(GlulamError, match=r"variants\.plain: policy\.layers\[0\]\.keep was 0\.9, is 0\.25"):
            check_unchanged(planned("{plain: {policy: base.yaml}}"))

    def test_a_layer_more_is_told_as_absent_before(self, begun, planned):
        more = "{plain: {}, other: {set: {toy_memory.keep: 0.5}, settings: {losses: [{loss: ppo, clip: 0.1}]}}}"
        with pytest.raises(GlulamError, match=r"settings\.losses\[0\] was 'ppo', is {'loss': 'ppo', 'clip': 0\.1}"):
            check_unchanged(planned(more))


def test_inputs_are_what_train_reads_and_are_written_once(begun):
    [cell] = [cell for cell in begun.cells if cell.key == ("other", 1)]
    assert yaml.safe_load((cell.folder / "settings.yaml").read_text()) == cell.settings.plain()
    assert yaml.safe_load((cell.folder.parent / "policy.yaml").read_text())["layers"][0]["keep"] == 0.5
    (cell.folder / "settings.yaml").write_text("mine: 1\n")
    write_inputs(begun, begun.cells)
    assert (cell.folder / "settings.yaml").read_text() == "mine: 1\n"


def test_a_folder_that_cannot_be_made_is_an_error(planned, tmp_path):
    plan = planned()
    (tmp_path / "out").write_text("a file")
    with pytest.raises(GlulamError, match=r"cannot write to the folder .*out: .*; name another with --out"):
        write_inputs(plan, plan.cells)


def test_a_second_sweep_keeps_out(tmp_path):
    folder = tmp_path / "out"
    with held(folder):
        (folder / "file").touch()
        with pytest.raises(GlulamError, match="another sweep runs in .*out: wait for it, or end it"), held(folder):
            pass
    with held(folder):
        assert folder.is_dir()


def test_a_folder_into_which_nothing_came_goes_again(tmp_path):
    with held(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


class TestRows:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "metrics.jsonl").write_text(row(64) + row(128) + '{"agent_steps": 192, "sec')
        return tmp_path

    def test_a_line_cut_short_is_left_out(self, folder):
        assert last_row(folder)["agent_steps"] == 128
        assert [item["agent_steps"] for item in rows_of(folder)] == [64, 128]

    def test_the_last_of_many_rows_is_found(self, folder):
        (folder / "metrics.jsonl").write_text("".join(map(row, range(5000))))
        assert last_row(folder)["agent_steps"] == 4999

    def test_without_metrics_there_are_none(self, tmp_path):
        assert last_row(tmp_path) is None
        assert rows_of(tmp_path) == []


class TestExit:
    def test_a_run_is_finished_if_its_process_said_so_and_its_steps_are_there(self, begun):
        cell = begun.cells[0]
        states = []
        for code, steps in ((None, 512), (0, 448), (1, 512), (0, 512)):
            (cell.folder / "metrics.jsonl").write_text(row(steps))
            note_exit(cell, code)
            states.append((exit_of(cell), is_finished(cell)))
        assert states == [(None, False), (0, False), (1, False), (0, True)]

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"exit": "0"}'])
    def test_half_a_note_is_none(self, begun, text):
        (begun.cells[0].folder / "exit.json").write_text(text)
        assert exit_of(begun.cells[0]) is None

    def test_the_end_of_stderr_is_kept(self, begun):
        folder = begun.cells[0].folder
        (folder / "stderr.txt").write_text("\n".join(map(str, range(100))))
        assert stderr_tail(folder).splitlines() == [str(number) for number in range(85, 100)]
