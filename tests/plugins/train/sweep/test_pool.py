"""Processes: how many at a time, in which order, and what becomes of them; none of them trains."""

import os
import signal
import threading
import time

import pytest

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


def test_an_error_of_ours_leaves_no_process_behind(ran):
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
