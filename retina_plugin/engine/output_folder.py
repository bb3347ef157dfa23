"""Check and prepare the run folder before training."""

import logging
import os
import re
from pathlib import Path

import yaml
from detectron2.utils import comm
from omegaconf import DictConfig, OmegaConf

from ..config import ConfigError
from ..config.walk import leaves
from ..config.yaml_file import save_config
from ..files import check_regular, move_aside, remove_leftovers
from ..run_folder import CONFIG, FINAL_CHECKPOINT, IMBALANCE, LAST_CHECKPOINT, LOG, METRICS

logger = logging.getLogger(__name__)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST = 240  # bytes of a name, so that files beside the folder can be named after it
_LONGEST_PATH = 3000
_FILES = (CONFIG, METRICS, IMBALANCE, LOG, LAST_CHECKPOINT, FINAL_CHECKPOINT)


def check_output_dir(value: str | Path | None, key: str = "train.output_dir") -> None:
    """Check that `value`, which the user gave as `key`, can be a folder to write into; changes nothing.

    Raises:
        ConfigError: if it is empty, too long, begins with ~ or contains control characters.
        OSError: if it or one of its parents is a file, or if the folder is not writable.
    """
    text = "" if value is None else str(value)
    if not text.strip() or _CONTROL.search(text):
        raise ConfigError(f"{key}={text!r} is empty or contains control characters: name a folder")
    if text.startswith("~"):
        raise ConfigError(f"{key}={text!r} begins with ~, which is not expanded here: write the whole path")
    if len(text) > _LONGEST_PATH or any(len(os.fsencode(part)) > _LONGEST for part in Path(text).parts):
        raise ConfigError(
            f"{key}={text[:40]!r}... is too long: use at most {_LONGEST} characters for each folder's name"
        )
    existing = next(p for p in (Path(text).absolute(), *Path(text).absolute().parents) if os.path.lexists(p))
    if not existing.is_dir():
        raise NotADirectoryError(f"{key}={text} cannot be a folder: {existing} is a file, or leads nowhere")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{key}={text} cannot be written: Permission denied, or read-only, at {existing}")


def prepare_folder(cfg: DictConfig, resume: bool) -> None:
    """Create the run folder and save the config there. An earlier run in it is moved aside unless it is resumed.

    Raises:
        OSError: if the folder cannot be written to, or if one of its files is a link or a folder.
        ConfigError: if it holds an earlier run that cannot be moved, because other runs or data lie inside it.
    """
    folder = Path(cfg.train.output_dir).resolve()
    comm.synchronize()  # every process has read train.init_checkpoint, which may lie in the folder that is moved
    if comm.is_main_process():
        moved = None if resume else _move_earlier_run(folder, cfg)
        for name in _FILES:
            check_regular(folder / name)
        for part in ("inference", "nonfinite", ""):
            remove_leftovers(folder / part)
        (folder / "inference").mkdir(parents=True, exist_ok=True)
        save_config(cfg, folder / CONFIG)
        logger.info("Run folder %s", folder)
        if moved:
            logger.info("The earlier run there is now in %s", moved)
    comm.synchronize()


def keep_rounding(cfg: DictConfig) -> None:
    """Turn `train.optimize_model` off if the resumed run began without it, because it changes the rounding.

    A saved config without this key counts as off. With `train.accept_changes` the config stays as it is.
    """
    if cfg.train.accept_changes or not cfg.train.optimize_model:
        return
    try:
        text = Path(cfg.train.output_dir, CONFIG).read_text(encoding="utf-8")
        began_with = yaml.load(text, yaml.BaseLoader)["train"].get("optimize_model", "false")  # constructs no objects
    except (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError):
        return  # it cannot be read
    if began_with != "true":
        logger.info("train.optimize_model=False, as this run began")
        cfg.train.optimize_model = False


def _move_earlier_run(folder: Path, cfg: DictConfig) -> Path | None:
    """Rename the folder if it holds a run or checkpoints; returns its new path, or None. All of its files move."""
    is_run = any((folder / name).exists() for name in (CONFIG, METRICS, LAST_CHECKPOINT))
    if not is_run and not any(folder.glob("model_*.pth")):
        return None
    if reason := _why_it_stays(folder, cfg):
        raise ConfigError(
            f"train.output_dir={folder} holds an earlier run and cannot be moved aside, because {reason}: "
            "choose another folder"
        )
    return move_aside(folder)


def _why_it_stays(folder: Path, cfg: DictConfig) -> str:
    """Why the run folder must not be moved: it holds other runs or data of this training; empty if it may be moved."""
    if Path.cwd().is_relative_to(folder):
        return "this command was started inside it"
    for inner, _, files in os.walk(folder):
        if Path(inner) != folder and not {METRICS, LAST_CHECKPOINT}.isdisjoint(files):
            return f"{inner} is another run"
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=True), into_lists=True):
        is_input = isinstance(value, str) and not key.endswith(("output_dir", "init_checkpoint"))
        if is_input and os.path.exists(value) and Path(value).resolve().is_relative_to(folder):
            return f"{key}={value} lies inside it"
    return ""
