"""Processes side by side: no more than the cores allow, and none left behind."""

import os
import signal
import time

import pytest
from studies import is_alive, meanwhile, wait_for

from retina_plugin.files import written_in_full
from retina_plugin.study.execution.processes import count_cores, processes_at_once, run_side_by_side


def stay(folder, name, seconds):
    with written_in_full(folder / f"{name}.pid") as partial:
        partial.write_text(str(os.getpid()))
    time.sleep(seconds)
    (folder / name).write_text(f"{time.monotonic() - seconds} {time.monotonic()}")


def most_at_once(spans):
    return max(sum(a <= start < b for a, b in spans) for start, _ in spans)


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_at_once_than_asked_for(tmp_path, at_once):
    run_side_by_side(stay, [(tmp_path, f"{i}", 0.5) for i in range(4)], at_once)
    spans = [tuple(map(float, (tmp_path / f"{i}").read_text().split())) for i in range(4)]
    assert most_at_once(spans) == at_once


def test_processes_share_the_cores():
    assert processes_at_once(threads=1) == min(count_cores(), 8)
    assert processes_at_once(threads=count_cores()) == 1 == processes_at_once(10**6)


def test_one_that_fails_takes_no_other_with_it(tmp_path):
    run_side_by_side(stay, [(tmp_path, "a", "no number"), (tmp_path, "b", 0)], 1)
    assert (tmp_path / "a.pid").is_file() and (tmp_path / "b").is_file()


@pytest.fixture
def heeds_ctrl_c():
    """Even if the shell that started the tests has them ignore it, as it has what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_an_interruption_leaves_none_behind(tmp_path):
    pid = tmp_path / "a.pid"
    thread = meanwhile(lambda: pid.is_file(), lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(stay, [(tmp_path, "a", 60)], 1)
    thread.join()
    wait_for(lambda: not is_alive(int(pid.read_text())))
