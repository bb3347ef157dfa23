"""Hostile places, locks and environments of trainings."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from retina_plugin.engine.output_folder import check_output_dir
from retina_plugin.engine.reliability.folder_lock import INHERITED, FolderLock
from retina_plugin.engine.setup import check_omp_threads

from .tries import Try

PLACES = "an output folder that cannot be used is refused before anything is written"
LOCKS = "one process at a time writes into a folder"
THREADS = "a number of threads that makes no sense is named"


def tries() -> Iterator[Try]:
    """All tries of this module."""
    yield from _places()
    yield from _locks()
    yield from _threads()


def _places() -> Iterator[Try]:
    def prepare(folder: Path) -> None:
        (folder / "file").touch()
        (folder / "nowhere").symlink_to("nothing")
        (folder / "loop").symlink_to("loop")
        os.mkfifo(folder / "pipe")

    def use(folder: Path, value: str) -> None:
        check_output_dir(value)
        with FolderLock(value):
            pass
        assert not (folder / value).exists() or (folder / value).is_dir()

    refused = {
        "": "empty",
        " \t": "empty|control",
        "a\0b": "control",
        "a\x1b[31mb": "control",
        "~": "~",
        "~root/a": "~",
    }
    refused |= {"x" * 241: "too long", "ü" * 200: "too long", "x/" * 2000: "too long", "file": "is a file"}
    refused |= {"file/a/b": "is a file", "nowhere": "leads nowhere", "loop/a": "leads nowhere", "pipe": "is a file"}
    refused |= {"/dev/null": "is a file", "/proc/version/a": "is a file", "/proc/a": "/proc/a"}
    accepted = (".", "..", "a/b/c", "a b", "-rf", "$(touch a)", "'\"", "größer", "a.lock", "x" * 240, "./a/../b")
    for value, told in (refused | dict.fromkeys(accepted)).items():
        name = ascii(value if len(value) < 40 else f"{value[:2]}... of {len(value)}")
        yield Try(PLACES, name, prepare, lambda f, v=value: use(f, v), told)


def _locks() -> Iterator[Try]:
    def second(folder: Path, path: str, content: bytes | None = None) -> None:
        with FolderLock(folder / "run"):
            if content is not None:
                (folder / "run.lock").write_bytes(content)
            FolderLock(path).acquire()

    def prepare(folder: Path) -> None:
        (folder / "run" / "inner").mkdir(parents=True)
        (folder / "link").symlink_to("run")

    for path in ("run", "./run", "run/", "link", "link/../run", "run/inner/..", "run//"):
        yield Try(LOCKS, f"as {path}", prepare, lambda f, p=path: second(f, p), "run is in use by process")
    contents = {
        "nothing": b"",
        "binary": bytes(range(256)),
        "escapes": b"\x1b[31m 1",
        "1 MB": b"1 " * 2**19,
        "-1": b"-1 a",
    }
    for name, content in contents.items():
        act = lambda f, c=content: second(f, "run", c)  # noqa: E731
        yield Try(LOCKS, f"a lock file with {name}", prepare, act, "run is in use by another process")

    def inherited(folder: Path, value: str) -> None:
        os.environ[INHERITED] = value
        second(folder, "run")

    for value in ("abc", "-1", "0", "99999999999999999999", "²", "3.5", ""):
        yield Try(LOCKS, f"{INHERITED}={value}", prepare, lambda f, v=value: inherited(f, v), "in use by process")

    def after_a_kill(folder: Path) -> None:
        child = os.fork()
        if child == 0:
            FolderLock(folder / "run").acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        with FolderLock(folder / "run"):
            assert (folder / "run.lock").read_text().startswith(f"{os.getpid()} ")

    yield Try(LOCKS, "after a kill", prepare, after_a_kill)


def _threads() -> Iterator[Try]:
    def ask(value: str) -> None:
        os.environ["OMP_NUM_THREADS"] = value
        assert check_omp_threads() in (None, 1, 4)

    for value in (
        "0",
        "-1",
        "abc",
        "1.5",
        "1e3",
        "0x4",
        "²",
        "٣",
        "9" * 5000,
        "10000",
        "4;rm",
        "\x1b[31m",
        "1 2",
        "+4",
    ):
        told = "OMP_NUM_THREADS=.*must be a whole number"
        yield Try(THREADS, ascii(value[:20]), lambda f: None, lambda f, v=value: ask(v), told)
    for value in ("", " ", "1", "4,2,1", " 4 "):
        yield Try(THREADS, ascii(value), lambda f: None, lambda f, v=value: ask(v))
