"""One process at a time writes into a run folder or a study folder."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import forked
import pytest
from conftest import QUICK, TINY, train_args

from retina_plugin.engine import main
from retina_plugin.engine.reliability import folder_lock
from retina_plugin.engine.reliability.folder_lock import FolderInUseError, FolderLock


def hold(folder, pipe):
    with FolderLock(folder):
        pipe.send("ready")
        pipe.poll(60)


@contextmanager
def held_by_another_process(folder):
    """The process that holds the lock of a folder meanwhile."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(folder, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "ready"
        yield process
    finally:
        with suppress(BrokenPipeError):
            ours.send("end")
        process.join()


def content(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file() and p.suffix != ".lock"}


def refused(folder):
    with pytest.raises(FolderInUseError) as error:
        FolderLock(folder).acquire()
    return str(error.value)


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_training_is_refused_before_it_changes_anything(resume, trained_run, tmp_path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", trained_run, run], check=True)
    before = content(tmp_path)
    with held_by_another_process(run) as process, pytest.raises(FolderInUseError) as error:
        main(train_args(run, resume=resume))
    assert str(error.value).startswith(f"{run} is in use by process {process.pid}: wait")
    assert content(tmp_path) == before
    main(train_args(run, resume=resume))


def test_a_folder_under_training_can_be_evaluated(trained_run, tmp_path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", trained_run, run], check=True)
    with held_by_another_process(run):
        assert "bbox" in main(train_args(run, eval_only=True))


def test_all_paths_to_a_folder_have_one_lock(tmp_path, monkeypatch):
    run = tmp_path / "a" / "run"
    run.mkdir(parents=True)
    (tmp_path / "link").symlink_to(run)
    (tmp_path / "parent").symlink_to(tmp_path / "a")
    monkeypatch.chdir(run)
    with held_by_another_process(run):
        for path in (run, ".", "../run", "../../a/run", tmp_path / "link", tmp_path / "parent" / "run"):
            assert str(run) in refused(path)
        for path in ("..", tmp_path / "run", "run"):
            with FolderLock(path):
                pass


def test_the_lock_survives_that_the_folder_is_moved_aside(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with held_by_another_process(run):
        run.rename(tmp_path / "run.1")
        refused(run)
        run.mkdir()
        refused(run)


def test_nothing_is_left_of_a_lock_that_was_given_up(tmp_path):
    with FolderLock(tmp_path / "run"):
        assert [p.name for p in tmp_path.iterdir()] == ["run.lock"]
    assert not list(tmp_path.iterdir())


def test_new_folders_that_stay_empty_are_removed(tmp_path):
    (tmp_path / "old").mkdir()
    with FolderLock(tmp_path / "old" / "new" / "newer" / "run"):
        assert (tmp_path / "old" / "new" / "newer" / "run.lock").is_file()
    assert not list((tmp_path / "old").iterdir())
    with FolderLock(tmp_path / "old" / "new" / "run"):
        (tmp_path / "old" / "new" / "run").mkdir()
    assert not list((tmp_path / "old").iterdir())
    with FolderLock(tmp_path / "old" / "new" / "newer" / "run"):
        (tmp_path / "old" / "new" / "other").mkdir()
    assert [path.name for path in (tmp_path / "old").rglob("*")] == ["new", "other"]


def test_a_killed_process_holds_nothing(tmp_path):
    with held_by_another_process(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with FolderLock(tmp_path):
            assert process.exitcode == -signal.SIGKILL


def test_a_process_that_loads_images_does_not_keep_the_lock_of_a_dead_training(tmp_path):
    """It lives on for seconds until it notices that its parent is dead."""
    lock = FolderLock(tmp_path / "run")
    lock.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b".")
        signal.pause()
    try:
        os.read(reading, 1)
        lock.close()  # what the kernel does when the training dies
        with FolderLock(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_file_that_was_removed_meanwhile_is_not_a_lock(tmp_path, monkeypatch):
    """The process before removes the file, and its folder, between our opening and our locking."""
    ours, opened = FolderLock(tmp_path / "new" / "run"), folder_lock.open_to_append
    answers = []

    def slow(path):
        answers.append(opened(path))
        if len(answers) == 1:
            path.unlink()
            path.parent.rmdir()
        return answers[-1]

    monkeypatch.setattr(folder_lock, "open_to_append", slow)
    with ours:
        assert len(answers) == 2
        monkeypatch.undo()
        assert f"process {os.getpid()}:" in refused(tmp_path / "new" / "run")


def test_a_lock_on_another_machine_names_it(tmp_path, monkeypatch):
    with FolderLock(tmp_path / "run"):
        (tmp_path / "run.lock").write_text("123 node7")
        assert "process 123 on node7" in refused(tmp_path / "run")
        (tmp_path / "run.lock").write_bytes(b"\x1b[31m\xff" * 200)
        assert "in use by another process:" in refused(tmp_path / "run")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_and_used(number, tmp_path, monkeypatch, caplog):
    def no_lock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder_lock.fcntl, "flock", no_lock)
    with FolderLock(tmp_path / "run"):
        assert "has no locks" in caplog.text and str(tmp_path / "run") in caplog.text


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"run.lock is a symbolic link"):
        FolderLock(tmp_path / "run").acquire()
    assert (tmp_path / "victim").read_text() == "precious"


def test_where_the_parent_is_not_writable_the_lock_is_inside(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    (tmp_path / "run").mkdir()
    with FolderLock(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock").is_file()
        refused(tmp_path / "run")


def test_the_command_line_says_it_in_one_line(tmp_path):
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file", QUICK, *TINY]
    with held_by_another_process(tmp_path / "run") as process:
        done = forked.run([*command, "train.output_dir=./run"], cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert line.startswith(f"error: {tmp_path}/run is in use by process {process.pid}")
    assert not (tmp_path / "run").exists()
