"""Files of a run folder: damaged, linked elsewhere, left over by killed processes, on a full disk."""

import errno
import io
import logging
import os
import shutil

import pytest
from conftest import train_args

from retina_plugin import files
from retina_plugin.config.yaml_file import save_config
from retina_plugin.engine import logs, main
from retina_plugin.engine.hooks.metrics_state import cut_metrics
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.files import remove_leftovers, write_json, written_in_full
from retina_plugin.run_folder import read_metrics
from retina_plugin.study.execution.job import RunEnd, read_end


@pytest.fixture
def stopped(trained_run, tmp_path):
    """A run of 4 iterations that was interrupted after 2."""
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "model_final.pth").unlink()
    return run


def test_damaged_files_do_not_block_a_resume(trained_run, stopped, caplog):
    (stopped / "last_checkpoint").write_bytes(b"\xff\x00" * 50)
    (stopped / "config.yaml").write_bytes(b"\x80: [")
    with (stopped / "metrics.json").open("ab") as f:
        f.write(b"\x00" * 100)  # what a power failure leaves
    main(train_args(stopped, resume=True))
    assert first_difference(trained_run, stopped) == ""
    assert f"{stopped}/last_checkpoint is ignored because it cannot be read" in caplog.text


def test_damaged_lines_of_metrics_are_passed_over(tmp_path, caplog):
    path = tmp_path / "metrics.json"
    path.write_bytes(
        b'{"iteration": 0}\n\x00\xff\r\x85\n[1]\n{"iteration": "x"}\n{"iteration": 1}\n{"iteration": 2}\n{"it'
    )
    cut_metrics(path, 1)
    assert [line["iteration"] for line in read_metrics(tmp_path)] == [0, 1]
    assert f"{path}: 3 damaged lines are ignored" in caplog.text


@pytest.mark.parametrize("name", ["metrics.json", "log.txt"])
def test_a_file_that_is_a_link_is_refused_and_not_followed(name, stopped, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (stopped / name).unlink()
    (stopped / name).symlink_to(victim)
    with pytest.raises(OSError, match=f"{name} is a symbolic link in place of a file: remove it"):
        main(train_args(stopped, resume=True))
    assert victim.read_text() == "precious"


def test_a_temporary_file_follows_no_link_and_has_the_usual_rights(tmp_path, monkeypatch):
    (tmp_path / "victim").write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: "0" * 12)
    link = tmp_path / ".000000000000.partial"
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="cannot write .*x.json.*exists"):
        write_json(tmp_path / "x.json", 1)
    assert (tmp_path / "victim").read_text() == "precious"
    link.unlink(missing_ok=True)
    write_json(tmp_path / "x.json", 1)
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_a_killed_process_left_is_removed_at_the_next_start(stopped):
    left = [stopped / ".0123456789ab.partial", stopped / "inference" / ".0123456789ab.partial"]
    kept = [stopped / "mine.partial", stopped / ".mine.partial"]
    for path in left + kept:
        path.write_text("")
    main(train_args(stopped, resume=True))
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
    remove_leftovers(stopped / "no such folder")


def test_a_config_that_cannot_be_saved_is_an_error(stopped, tiny_cfg, monkeypatch):
    before = (stopped / "config.yaml").read_bytes()

    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OSError, match=r"cannot write .*run/config.yaml.*: No space left"):
        main(train_args(stopped, resume=True))
    with pytest.raises(OSError, match="config.yaml"):
        save_config(tiny_cfg(), stopped / "config.yaml")
    assert (stopped / "config.yaml").read_bytes() == before
    assert not list(stopped.glob(".*.partial"))


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(KeyError), written_in_full(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_is_told_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(logs, "open_to_append", lambda path: os.open("/dev/full", os.O_RDWR))
    with logs.log_to_file(tmp_path / "log.txt"):
        for number in range(3):
            logging.getLogger("retina_plugin").warning("message %d", number)
    told = [line for line in capsys.readouterr().err.splitlines() if "message" not in line]
    assert told == [f"warning: cannot write {tmp_path}/log.txt: [Errno 28] No space left on device"]


class FullTerminal(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_terminal_that_cannot_be_written_says_nothing(capsys, monkeypatch):
    logs.log_to_terminal()
    log = logging.getLogger("retina_plugin")
    for handler in log.handlers:
        if type(handler) is logging.StreamHandler:
            monkeypatch.setattr(handler, "stream", FullTerminal())
    log.warning("message")
    assert "Logging error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"digest": 3}',
        '{"digest": "x", "minutes": "y"}',
        '{"digest": "x", "more": 1}',
        "[" * 99999,
    ],
)
def test_a_damaged_end_of_a_run_is_unknown(content, tmp_path, caplog):
    (tmp_path / "result.json").write_text(content)
    assert read_end(tmp_path) is None
    assert f"{tmp_path}/result.json is ignored because it cannot be used" in caplog.text
    write_json(tmp_path / "result.json", {"digest": "x", "minutes": 1, "error": "", "peak_memory_mb": float("nan")})
    assert read_end(tmp_path).minutes == RunEnd("x", 1).minutes
