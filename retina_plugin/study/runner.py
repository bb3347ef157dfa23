"""Runs a study: one fresh process per run, so that one that fails takes no other with it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig
from tqdm import tqdm

from .. import __version__
from ..commands.images import write_json
from .results import RunResult, final_metrics, read_metrics
from .spec import Study, Variant

logger = logging.getLogger(__name__)
_RESULT = "result.json"


def run_study(study: Study) -> list[RunResult]:
    """Train every variant with every seed, seed by seed; the results in that order.

    A run that ended with the same config is not repeated, and one that was interrupted goes on. A run that fails is
    reported, and the others go on.
    """
    results = []
    runs = [(variant, seed) for seed in study.seeds for variant in study.variants]
    total = sum(_iterations(study, variant, seed) for variant, seed in runs)
    with tqdm(total=total, desc="study", unit="it") as progress:
        for variant, seed in runs:
            progress.set_postfix_str(f"{variant.name}, seed {seed}")
            results.append(_run(study, variant, seed, progress))
    return results


def _iterations(study: Study, variant: Variant, seed: int) -> int:
    return study.run_config(variant, seed).train.max_iter


def _run(study: Study, variant: Variant, seed: int, progress: tqdm) -> RunResult:
    run_dir = study.run_dir(variant.name, seed)
    max_iter = _iterations(study, variant, seed)
    digest = _digest(study, variant, seed)
    before = progress.n
    known = _known_result(run_dir)
    if known.get("digest") != digest or "minutes" not in known:
        known = _train(study, variant, seed, digest, progress)
    progress.update(before + max_iter - progress.n)
    metrics = {} if known["error"] else final_metrics(run_dir)
    return RunResult(
        variant.name, seed, str(run_dir), known.get("minutes", 0.0), metrics, known["error"]
    )


def _train(
    study: Study, variant: Variant, seed: int, digest: str, progress: tqdm
) -> dict[str, Any]:
    run_dir = study.run_dir(variant.name, seed)
    resume = (
        _known_result(run_dir).get("digest") == digest and (run_dir / "last_checkpoint").exists()
    )
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file", study.base]
    command += ["--resume"] if resume else []
    command += study.run_overrides(variant, seed)
    log = run_dir.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    start, base = time.time(), progress.n
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
        try:
            while process.poll() is None:
                _mark(run_dir, digest)
                _show(run_dir, base, progress)
                time.sleep(0.5)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    error = "" if process.returncode == 0 else f"{_last_line(log)} (see {log})"
    if error:
        tqdm.write(f"{variant.name}, seed {seed} failed: {error}", file=sys.stderr)
        return {"digest": digest, "error": error}
    result = {"digest": digest, "minutes": (time.time() - start) / 60, "error": ""}
    write_json(run_dir / _RESULT, result)
    return result


def _mark(run_dir: Path, digest: str) -> None:
    """Say in the run folder which config it belongs to, as soon as it is there."""
    if run_dir.is_dir() and not (run_dir / _RESULT).exists():
        write_json(run_dir / _RESULT, {"digest": digest, "error": "interrupted"})


def _show(run_dir: Path, base: int, progress: tqdm) -> None:
    metrics = read_metrics(run_dir)
    if metrics:
        done = base + int(metrics[-1]["iteration"]) + 1
        progress.update(max(0, done - progress.n))


def _known_result(run_dir: Path) -> dict[str, Any]:
    path = run_dir / _RESULT
    return json.loads(path.read_text()) if path.is_file() else {}


def _digest(study: Study, variant: Variant, seed: int) -> str:
    cfg = study.run_config(variant, seed)
    cfg.train.output_dir = ""
    with tempfile.TemporaryDirectory() as folder:
        LazyConfig.save(cfg, f"{folder}/config.yaml")  # targets by name, the same in every process
        text = Path(folder, "config.yaml").read_text()
    return hashlib.sha256(f"{__version__} {text}".encode()).hexdigest()


def _environment() -> dict[str, str]:
    # threads that wait by spinning take the cores from whatever else runs on the machine
    return {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore"} | os.environ


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
