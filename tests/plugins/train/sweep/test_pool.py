"""Processes: how many at a time, in which order, and what becomes of them; none of them trains."""

import errno
import os
import signal
import threading
import time

import pytest

from glulam import GlulamError
from glulam_train.sweep import disk, pool
from glulam_train.sweep.disk import exit_of, last_row, write_inputs
from glulam_train.sweep.pool import Pool

pytestmark = pytest.mark.usefixtures("fakes")


class Watched:
    """Notes what happens, and calls `at` at each look."""

    def __init__(self, at=lambda running: None):
        self.events, self.most, self.at = [], 0, at

    def started(self, cell):
        self.events.append(("begin", *cell.key))

    def ended(self, cell, state):
        self.events.append((state, *cell.key))

    def looked(self, running):
        self.most = max(self.most, len(running))
        self.at(running)


@pytest.fixture
def ran(planned, tmp_path):
    """Run all of a plan and return the states, the watcher and the pool."""

    def run(variants, jobs=2, at=lambda running: None):
        plan = planned(variants)
        write_inputs(plan, plan.cells)
        watched = Watched(at)
        pool = Pool(jobs, tmp_path, watched)
        return pool.run(plan.cells), watched, pool, {cell.key: cell for cell in plan.cells}

    return run


def test_all_are_run_so_many_at_a_time(ran):
    states, watched, _, cells = ran("{slow_a: {steps: 128}, b: {}}", jobs=3)
    assert set(states.values()) == {"finished"}
    assert len(states) == 4
    assert watched.most == 3
    assert all(exit_of(cell) == 0 for cell in cells.values())


def test_one_waits_for_the_run_that_it_comes_after(ran, tmp_path):
    states, *_ = ran("{c: {after: b, seeds: 1}, b: {after: a}, a: {}}", jobs=4)
    assert set(states.values()) == {"finished"}
    log = (tmp_path / "out" / "log").read_text().splitlines()
    for later, earlier, seed in (("c", "b", 0), ("b", "a", 0), ("b", "a", 1)):
        assert log.index(f"end {earlier} seed_{seed}") < log.index(f"begin {later} seed_{seed}")


def test_a_run_that_fails_stops_only_those_that_come_after_it(ran):
    states, _, _, cells = ran("{bad: {seeds: 1}, after: {after: bad, seeds: 1}, last: {after: after, seeds: 1}, a: {}}")
    assert states == {
        ("bad", 0): "failed",
        ("after", 0): "skipped",
        ("last", 0): "skipped",
        ("a", 0): "finished",
        ("a", 1): "finished",
    }
    assert exit_of(cells["bad", 0]) == 1
    assert exit_of(cells["after", 0]) is None
    assert (cells["bad", 0].folder / "stderr.txt").read_text() == "error: the loss is nan\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_each_run_save_and_starts_no_more(ran, number):
    sent, before = [], signal.getsignal(number)

    def at(running):
        if not sent and running and all(last_row(cell.folder) for cell in running):
            sent.append(os.kill(os.getpid(), number))

    states, _, pool, cells = ran("{slow: {steps: 5120, seeds: 4}}", at=at)
    assert pool.stopped == number.name
    assert states == {("slow", 0): "stopped", ("slow", 1): "stopped"}
    assert [exit_of(cells["slow", seed]) for seed in range(4)] == [0, 0, None, None]
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_them_at_once(ran):
    def at(running):
        if len(running) == 2 and all(last_row(cell.folder) for cell in running):
            os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    states, _, _, cells = ran("{slow: {steps: 512000}}", at=at)
    assert set(states.values()) == {"stopped"}
    assert time.monotonic() - began < 20
    assert {exit_of(cell) for cell in cells.values()} <= {0, None}


def test_a_run_that_something_else_kills_has_failed(ran, monkeypatch):
    killed = []

    def at(running):
        if running and not killed:
            killed.append(os.kill(pools[0]._running["slow", 0][1].pid, signal.SIGKILL))

    pools = []
    init = Pool.__init__
    monkeypatch.setattr(Pool, "__init__", lambda self, *args: pools.append(self) or init(self, *args))
    states, _, _, cells = ran("{slow: {seeds: 1, steps: 5120}}", at=at)
    assert states == {("slow", 0): "failed"}
    assert exit_of(cells["slow", 0]) == -9


@pytest.mark.parametrize("deaf", [False, True])
def test_an_error_of_ours_leaves_no_process_behind(ran, monkeypatch, deaf):
    monkeypatch.setattr(pool, "SECONDS_TO_SAVE", 0.5 if deaf else 60.0)
    if deaf:
        monkeypatch.setattr(pool, "START", pool.START.replace("asked.append(True)", "None"))
    seen = []

    def at(running):
        if running:
            seen.extend(running)
            msg = "the disk is full"
            raise OSError(msg)

    with pytest.raises(OSError, match="the disk is full"):
        ran("{slow: {seeds: 1, steps: 512000}}", at=at)
    steps = last_row(seen[0].folder)
    time.sleep(0.7)
    assert last_row(seen[0].folder) == steps


def test_a_run_that_cannot_be_started_lets_the_others_save(ran, tmp_path):
    def at(running):
        if len(running) == 2 and all(last_row(cell.folder) for cell in running):
            blocked.mkdir(parents=True, exist_ok=True)

    blocked = tmp_path / "out" / "last" / "seed_0" / "stderr.txt"
    message = rf"^cannot write to the folder {blocked.parent}: Is a directory; name another with --out$"
    with pytest.raises(GlulamError, match=message):
        ran("{slow: {seeds: 1, steps: 512000}, slow_a: {seeds: 1}, last: {seeds: 1, after: slow_a}}", at=at)
    log = (tmp_path / "out" / "log").read_text().splitlines()
    assert log[-2:] == ["end slow_a seed_0", "end slow seed_0"]


def test_results_that_cannot_be_written_let_the_others_save(ran, monkeypatch, tmp_path):
    def full(self, cell, state):
        msg = f"no room for {cell}"
        raise GlulamError(msg)

    monkeypatch.setattr(Watched, "ended", full)
    with pytest.raises(GlulamError, match="^no room for slow_a seed 0$"):
        ran("{slow: {seeds: 1, steps: 512000}, slow_a: {seeds: 1}}")
    assert (tmp_path / "out" / "log").read_text().splitlines()[-1] == "end slow seed_0"


def test_an_end_that_cannot_be_noted_is_none_and_the_others_go_on(ran, monkeypatch):
    def full(path, text):
        if path.name == "exit.json" and not refused:
            refused.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_text(path, text)

    refused, replace_text = [], disk.replace_text
    monkeypatch.setattr(disk, "replace_text", full)
    states, _, made, cells = ran("{a: {seeds: 1}, slow_a: {seeds: 1}}")
    assert states == {("a", 0): "stopped", ("slow_a", 0): "finished"}
    assert [exit_of(cell) for cell in cells.values()] == [None, 0]
    folder = cells["a", 0].folder
    assert made.problems == [f"cannot write to the folder {folder}: No space left on device; name another with --out"]


def test_outside_the_main_thread_signals_are_left_alone(ran):
    found = []
    thread = threading.Thread(target=lambda: found.append(ran("{a: {seeds: 1}}")[0]))
    thread.start()
    thread.join()
    assert found == [{("a", 0): "finished"}]


def test_processes_see_threads_and_absolute_paths(planned, monkeypatch, tmp_path):
    from glulam_train.sweep.pool import _environment

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["one", "", "/two"]))
    one, three = planned("{one: {seeds: 1}, three: {seeds: 1, settings: {threads: 3}}}").cells
    assert _environment(one)["OMP_NUM_THREADS"] == "1"
    assert _environment(three)["OMP_NUM_THREADS"] == "3"
    assert _environment(one)["PYTHONPATH"] == os.pathsep.join([str(tmp_path / "one"), "/two"])
