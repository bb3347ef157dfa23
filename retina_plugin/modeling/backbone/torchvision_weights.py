"""ImageNet weights of torchvision networks from torch's cache, an installed wheel, or torchvision's server."""

import hashlib
import logging
import re
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import get_model_weights

logger = logging.getLogger(__name__)
_OLD_NAME = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)")  # of DenseNet's layers, in torchvision's files
_wanted: ContextVar[bool] = ContextVar("wanted", default=True)


@contextmanager
def without_pretrained_weights() -> Iterator[None]:
    """Build models without ImageNet weights within the context, because a checkpoint replaces them."""
    token = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(token)


def random_weights_stay() -> bool:
    """False within `without_pretrained_weights`."""
    return _wanted.get()


def imagenet_weights(name: str, weights: str) -> dict[str, Tensor] | None:
    """The state dict of network `name` for `weights`, or None within `without_pretrained_weights`.

    Raises:
        ValueError: if torchvision has no such weights.
        OSError: if the weights are not installed and cannot be downloaded, or a file does not match its hash.
    """
    if not _wanted.get():
        return None
    enum = get_model_weights(name)
    if weights not in enum.__members__:
        raise ValueError(f"model.backbone.bottom_up.weights={weights!r} is not one of {name}'s {[*enum.__members__]}")
    url = enum[weights].url
    path = find_offline(Path(url).name)
    if path is None:
        state = _download(name, url)
    else:
        logger.info("ImageNet weights of %s from %s", name, path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    for old in filter(_OLD_NAME.search, list(state)):
        state[_OLD_NAME.sub(r"\1\2", old)] = state.pop(old)
    return state


def find_offline(file_name: str) -> Path | None:
    """Path of `file_name` in torch's cache or an installed package, or None; OSError if its hash is wrong."""
    cached = Path(torch.hub.get_dir(), "checkpoints", file_name)
    path = cached if cached.is_file() else next(_in_wheels(file_name), None)
    if path is None:
        return None
    wanted = path.stem.rpartition("-")[2]
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(wanted):
        raise OSError(f"{path} is damaged: its SHA-256 does not begin with {wanted}; delete it")
    return path


def _in_wheels(file_name: str) -> Iterator[Path]:
    for distribution in metadata.distributions():
        if file_name not in (distribution.read_text("RECORD") or ""):
            continue  # avoids a slow path object for each of its files
        for file in distribution.files or ():
            if file.name == file_name and Path(file.locate()).is_file():
                yield Path(file.locate())


def _download(name: str, url: str) -> dict[str, Tensor]:
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (urllib.error.URLError, RuntimeError, OSError) as e:
        raise OSError(
            f"no ImageNet weights for {name}: no installed package has {Path(url).name}, and downloading {url} failed: "
            f"{e!r}. Put the file into {torch.hub.get_dir()}/checkpoints, or set model.backbone.bottom_up.weights=null "
            "and model.backbone.bottom_up.norm=BN to train from scratch"
        ) from e
