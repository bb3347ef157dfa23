"""Hostile run folders: damaged files, links, full disks; with what `run_processes` tries."""

import errno
import json
import math
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from retina_plugin.analysis.imbalance.history import draw_history
from retina_plugin.engine.hooks.metrics_state import cut_metrics
from retina_plugin.engine.reliability.folder_lock import FolderLock
from retina_plugin.engine.trackers.file_writers import MetricsWriter
from retina_plugin.engine.trackers.tracker import known_id
from retina_plugin.evaluation.imbalance import imbalance_shares
from retina_plugin.files import open_to_append, remove_leftovers, write_json, write_text
from retina_plugin.reading import read_json
from retina_plugin.run_folder import (
    checkpoints,
    iterations_done,
    last_evaluation,
    read_config,
    read_imbalance,
    read_metrics,
)
from retina_plugin.study.execution.job import read_end, read_facts
from retina_plugin.study.execution.pairing import _known_start
from retina_plugin.study.execution.scales import read_scales

from . import run_processes
from .tries import Try

DAMAGED = "damaged files of a run folder or study folder count as unknown, with a warning"
LINKS = "links and devices in place of a run's files are not written to"
WRITES = "a write that fails names the file and keeps the earlier one"

Write = Callable[[Path], Any]


def tries() -> Iterator[Try]:
    """All tries of run folders and processes."""
    yield from _damaged()
    yield from _links()
    yield from _writes()
    yield from run_processes.tries()


def _text(content: str | bytes) -> Write:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _sparse(path: Path) -> None:
    with path.open("wb") as f:
        f.truncate(10**8)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


DAMAGES: dict[str, Write] = {
    "empty": _text(""),
    "cut off": _text('{"digest": "x", "minu'),
    "binary": _text(bytes(range(256))),
    "a list": _text("[1, 2]\n"),
    "nested 100,000 deep": _text("[" * 10**5),
    "a number of 100,000 digits": _text("9" * 10**5),
    "escape sequences": _text("\x1b[31mred\x07"),
    "100 MB of zeros": _sparse,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": _loop,
}
_ROW = {"p3": [1.0, 1.0, 1]}
_RECORD = {"iteration": 1, "background": _ROW, "foreground": _ROW, "sizes": {}, "classes": {}}
_RECORD |= {"p_t": {"background": [0] * 40, "foreground": [0] * 40}}
WRONG = {
    "result.json": [
        '{"digest": 3}',
        '{"digest": "x", "minutes": "y"}',
        '{"digest": "x", "minutes": 1e999}',
        '{"minutes": 1}',
    ],
    "facts.json": ['{"config": 3}', '{"config": {"a": 1}}', '{"config": [["a", "b"]]}'],
    "scales.json": ['{"focal": 3}', '{"focal": {}}', '{"focal": {"loss_cls": 1.0, "grad_norm": 0.0, "factor": 1.0}}'],
    "seed0.initial.json": ['{"pair": "x"}', '{"weights": "x"}'],
    "last_checkpoint": ["/etc/passwd", "../elsewhere.pth", "model_0000099.pth", "a\0b", "x" * 5000, "."],
    "imbalance.jsonl": [
        '{"iteration": 1, "background": {}, "foreground": {}, "sizes": {}, "classes": {}, "p_t": {}}\n',
        '{"iteration": 1, "background": {"p3": [1, 2]}, "foreground": {"p3": [1, 2, 3]}}\n',
        json.dumps(_RECORD | {"sizes": {"small": [0, 0, 0]}}) + "\n",
        json.dumps(_RECORD | {"iteration": 10**400}) + "\n",
        json.dumps(_RECORD | {"background": {"p3": [1e308, -1, math.inf]}}) + "\n",
        json.dumps(_RECORD)
        + "\n"
        + json.dumps(_RECORD | {"background": {"x": [1, 1, 1]}, "foreground": {"x": [1, 1, 1]}}),
    ],
    "metrics.json": ['{"iteration": "x"}\n', '{"iteration": 1, "a": {}}\n', "\n\n\n", '{"iteration": true}\n{"iter'],
}


def _unknown(value: Any, expected: Any) -> None:
    assert value == expected, value


def _read_metrics(folder: Path) -> None:
    assert all(isinstance(line["iteration"], int) for line in read_metrics(folder))
    assert isinstance(last_evaluation(folder), dict) and iterations_done(folder) >= 0


def _read_imbalance(folder: Path) -> None:
    records = read_imbalance(folder)
    assert len(draw_history(folder)) == 7 * bool(records)
    assert all(0 <= share <= 1 for record in records for share in imbalance_shares(record).values())


def _read_last_checkpoint(folder: Path) -> None:
    newest = folder / "model_0000003.pth"
    newest.touch()
    _unknown(checkpoints(folder), [newest])


def _read_start(folder: Path) -> None:
    job = SimpleNamespace(sibling_path=lambda suffix: folder / f"seed0{suffix}", fingerprint="x")
    _unknown(_known_start(job, job), None)


READERS: dict[str, Callable[[Path], Any]] = {
    "result.json": lambda folder: _unknown(read_end(folder), None),
    "facts.json": lambda folder: _unknown(read_facts(folder), {}),
    "scales.json": lambda folder: _unknown(read_scales(folder), {}),
    "seed0.initial.json": _read_start,
    "last_checkpoint": _read_last_checkpoint,
    "metrics.json": _read_metrics,
    "imbalance.jsonl": _read_imbalance,
}


def _damaged() -> Iterator[Try]:
    for file, read in READERS.items():
        for name, damage in DAMAGES.items():
            yield Try(DAMAGED, f"{file}: {name}", lambda f, d=damage, n=file: d(f / n), read)
        for i, content in enumerate(WRONG[file]):
            write = _text(content)
            yield Try(DAMAGED, f"{file}: wrong content {i}", lambda f, d=write, n=file: d(f / n), read)
    for name in ("empty", "cut off", "binary", "a list", "100 MB of zeros", "a folder", "a pipe", "an endless device"):
        refused, damage = r"config\.yaml", DAMAGES[name]
        yield Try(DAMAGED, f"config.yaml: {name}", lambda f, d=damage: d(f / "config.yaml"), read_config, refused)
    for name in ("binary", "a pipe", "100 MB of zeros"):
        prepare = lambda f, d=DAMAGES[name]: d(f / "wandb_run_id")  # noqa: E731
        yield Try(DAMAGED, f"wandb_run_id: {name}", prepare, lambda f: _unknown(known_id(f / "wandb_run_id"), None))


def _links() -> Iterator[Try]:
    ways: dict[str, Callable[[Path], Any]] = {
        "log.txt": lambda path: os.close(open_to_append(path)),
        "metrics.json": MetricsWriter,
        "metrics.json of a resumed run": lambda path: cut_metrics(path, 0),
        "run.lock": lambda path: FolderLock(path.with_name("run")).acquire(),
    }
    kinds = ("a link to a file", "a folder", "a pipe", "a link to itself")
    for file, way in ways.items():
        name = file.split()[0]
        for kind in kinds:
            damage = DAMAGES.get(kind, lambda path: path.symlink_to("victim"))
            prepare = lambda f, d=damage, n=name: (_text("precious")(f / "victim"), d(f / n))  # noqa: E731
            yield Try(LINKS, f"{file}: {kind}", prepare, lambda f, w=way, n=name: w(f / n), f"{name} is a .*remove it")

    def replaced(folder: Path) -> None:
        write_json(folder / "x.json", 1)
        assert (folder / "victim").read_text() == "precious" and read_json(folder / "x.json", 0) == 1

    prepare = lambda f: (_text("precious")(f / "victim"), (f / "x.json").symlink_to("victim"))  # noqa: E731
    yield Try(LINKS, "a json file that is a link is replaced", prepare, replaced)

    def left_over(folder: Path) -> None:
        remove_leftovers(folder)
        assert (folder / "victim").read_text() == "precious" and not os.path.lexists(folder / ".0123456789ab.partial")

    prepare = lambda f: (_text("precious")(f / "victim"), (f / ".0123456789ab.partial").symlink_to("victim"))  # noqa: E731
    yield Try(LINKS, "a leftover that is a link is removed", prepare, left_over)


def _writes() -> Iterator[Try]:
    ways: dict[str, Callable[[Path], Any]] = {
        "json": lambda path: write_json(path, {"a": "x" * 10**5}),
        "text": lambda path: write_text(path, "x" * 10**5),
    }

    def failing(folder: Path, way: Callable[[Path], Any], fault: Callable[[], Any]) -> None:
        fault()
        try:
            way(folder / "file")
        finally:
            assert (folder / "file").read_text() == "precious" and len(list(folder.iterdir())) == 1

    def broken(name: str, number: int) -> Callable[[], Any]:
        def fail(*_: Any) -> None:
            raise OSError(number, os.strerror(number))

        return lambda: setattr(os, name, fail)

    numbers = (errno.ENOSPC, errno.EIO)
    faults = {f"{name} {number}": broken(name, number) for name in ("fsync", "open") for number in numbers}
    faults["a limit of file sizes"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    for file, way in ways.items():
        for name, fault in faults.items():
            act = lambda f, w=way, x=fault: failing(f, w, x)  # noqa: E731
            yield Try(WRITES, f"{file}: {name}", lambda f: _text("precious")(f / "file"), act, "cannot write .*/file")
        yield Try(
            WRITES,
            f"{file}: a folder is there",
            lambda f: (f / "file").mkdir(),
            lambda f, w=way: w(f / "file"),
            "/file",
        )
        yield Try(WRITES, f"{file}: a long name", lambda f: None, lambda f, w=way: w(f / ("x" * 300)), "cannot write")
    metrics = [{"iteration": i, "loss": 0.5} for i in range(3)]
    whole = "".join(json.dumps(line) + "\n" for line in metrics)
    for last in (-1, 1, 10**9):
        for end in ("", '{"iter', "\x00" * 50):

            def cut(folder: Path, last: int = last) -> None:
                cut_metrics(folder / "metrics.json", last)
                assert read_metrics(folder) == metrics[: last + 1]

            prepare = lambda f, e=end: _text(whole + e)(f / "metrics.json")  # noqa: E731
            yield Try(WRITES, f"metrics.json cut after {last} with {end[:3]!r} at its end", prepare, cut)
