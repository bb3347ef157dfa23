"""Channel order and normalization, which must match the initial weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from omegaconf import OmegaConf

from ..finding import Finding
from ..subject import Subject
from .settings import class_of, setting

_BOTTOM_UP = "model.backbone.bottom_up"


@dataclass(frozen=True)
class _Pixels:
    """The input format that weights were trained with: channel order, mean and standard deviation per channel."""

    input_format: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def overrides(self) -> str:
        """The overrides that set this format."""
        mean, std = (f"[{','.join(f'{x:g}' for x in values)}]" for values in (self.mean, self.std))
        return f"model.input_format={self.input_format} model.pixel_mean={mean} model.pixel_std={std}"


_TORCHVISION = _Pixels("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_MSRA = _Pixels("BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0))
_FAIR = _Pixels("BGR", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
_BY_CHECKPOINT = {  # by part of the URL in Detectron2's model zoo, or of the file name
    "ImageNetPretrained/MSRA": _MSRA,
    "ImageNetPretrained/torchvision": _TORCHVISION,
    "ImageNetPretrained/FAIR": _FAIR,
    "COCO-Detection/retinanet_R_": _MSRA,
    **dict.fromkeys(("model_final_bfca0b", "model_final_5bd44e", "model_final_971ab9"), _MSRA),  # file names
}


def units(subject: Subject) -> Iterator[Finding]:
    """Mean or standard deviation of pixels in 0..1, while Detectron2's images hold 0..255."""
    mean, std = _mean_and_std(subject)
    fix = _TORCHVISION.overrides
    if 0 < mean.max() <= 1:
        message = f"model.pixel_mean={mean.tolist()} is in units of 0..1, but images hold 0..255"
        yield Finding("error", "pixel-units", message, "model.pixel_mean", fix)
    elif 0 < std.max() < 1:
        message = f"model.pixel_std={std.tolist()} is in units of 0..1, but images hold 0..255"
        yield Finding("error", "pixel-units", message, "model.pixel_std", fix)


def mapper_format(subject: Subject) -> Iterator[Finding]:
    """A mapper that reads images in another channel order than `model.input_format`."""
    wanted = setting(subject.cfg, "model.input_format", "BGR")
    for split in ("train", "test"):
        key = f"dataloader.{split}.mapper.image_format"
        found = setting(subject.cfg, key, wanted)
        if found != wanted:
            message = f"{key}={found}, but model.input_format={wanted}: red and blue are exchanged"
            yield Finding("error", "channel-order", message, key, f"{key}='${{model.input_format}}'")


def of_weights(subject: Subject) -> Iterator[Finding]:
    """An input format other than that of the pretrained weights, for weights of Detectron2's zoo and torchvision."""
    weights, wanted = _expected(subject)
    if wanted is None or any(units(subject)):
        return
    found = setting(subject.cfg, "model.input_format", "BGR")
    mean, std = _mean_and_std(subject)
    if found != wanted.input_format:
        message = f"{weights} were trained on {wanted.input_format}, but model.input_format={found}"
        yield Finding("warning", "weights-channel-order", message, "model.input_format", wanted.overrides)
    elif not (np.allclose(mean, wanted.mean, rtol=0.05) and np.allclose(std, wanted.std, rtol=0.05)):
        message = (
            f"{weights} were trained with pixel mean {list(wanted.mean)} and std {list(wanted.std)}, but the model has "
            f"{mean.tolist()} and {std.tolist()}"
        )
        yield Finding("warning", "weights-normalization", message, "model.pixel_mean", wanted.overrides)


def frozen_without_weights(subject: Subject) -> Iterator[Finding]:
    """FrozenBN or frozen layers with random weights, which do not train: the first loss is above 40,000."""
    node = OmegaConf.select(subject.cfg, _BOTTOM_UP, default=None)
    bottom_up = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_dict(node) else {}
    pretrained = setting(subject.cfg, f"{_BOTTOM_UP}.weights") or setting(subject.cfg, "train.init_checkpoint", "")
    if pretrained or not bottom_up:
        return
    parts = ["FrozenBN"] * ("FrozenBN" in str(bottom_up)) + ["freeze_at"] * bool(bottom_up.get("freeze_at"))
    if parts:
        message = f"{_BOTTOM_UP} has {' and '.join(parts)}, but random weights: what is frozen never learns"
        fix = f"{_BOTTOM_UP}.norm=BN {_BOTTOM_UP}.freeze_at=0, or pretrained weights"
        yield Finding("warning", "frozen-random-weights", message, _BOTTOM_UP, fix)


def _expected(subject: Subject) -> tuple[str, _Pixels | None]:
    checkpoint = str(setting(subject.cfg, "train.init_checkpoint", ""))
    for part, pixels in _BY_CHECKPOINT.items():
        if part in checkpoint:
            return f"the weights of train.init_checkpoint={checkpoint}", pixels
    weights = setting(subject.cfg, f"{_BOTTOM_UP}.weights")
    if class_of(subject.cfg, _BOTTOM_UP) == "TorchvisionBackbone" and weights and not checkpoint:
        return f"torchvision's weights {weights}", _TORCHVISION
    return "", None


def _mean_and_std(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    keys = ("model.pixel_mean", "model.pixel_std")
    mean, std = (np.array(setting(subject.cfg, key, [0.0]), dtype=float) for key in keys)
    return mean, std
