"""Detection in single images with LazyConfigs, as Detectron2's DefaultPredictor does with yacs configs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import instantiate
from detectron2.data import Metadata
from detectron2.data.transforms import AugInput, AugmentationList
from detectron2.structures import Instances
from omegaconf import DictConfig
from PIL import Image

from ..config import ConfigError
from ..data import pixels_of, read_image
from ..engine.checkpoint import RunCheckpointer
from ..engine.run_data import run_metadata
from ..engine.setup import build_model, resolve_device
from ..printable import first_line
from ..run_folder import find_weights, read_config
from .optimize import Dtype, optimize_for_inference


class LazyPredictor:
    """Runs a trained detector on single images, preprocessed as by the test loader of its config."""

    def __init__(
        self, cfg: DictConfig, weights: str | Path, device: str | None = None, dtype: Dtype = "float32"
    ) -> None:
        """Build the model of a config and load its weights; it runs on `device`, by default `train.device`.

        `dtype` is that of `optimize_for_inference`.

        Raises:
            CheckpointError: if the checkpoint does not exist, is damaged, or belongs to another model.
            ConfigError: if the device is not available, or the mapper of the test data has no augmentations.
            ValueError: for another `dtype`.
        """
        if "augmentations" not in (mapper := cfg.dataloader.test.mapper):
            raise ConfigError(
                "dataloader.test.mapper has no augmentations, so that the size of images for the detector is unknown: "
                "use retina_plugin.data.CheckedDatasetMapper, or a mapper with an argument of this name"
            )
        device = resolve_device(device or cfg.train.device)
        model = build_model(cfg, pretrained=False).to(device).eval()
        RunCheckpointer(model).load_all(str(weights))
        self.model = optimize_for_inference(model, dtype)
        self.metadata: Metadata = run_metadata(cfg)
        self._format: str = cfg.model.get("input_format", "BGR")  # the default of Detectron2's detectors
        self._augmentations = AugmentationList(list(instantiate(mapper.augmentations)))

    @classmethod
    def from_run(
        cls,
        run_dir: str | Path,
        weights: str | Path | None = None,
        overrides: Sequence[str] = (),
        trust: Sequence[str] = (),
        dtype: Dtype = "float32",
    ) -> "LazyPredictor":
        """The detector of a run folder, from its config.yaml and the checkpoint `weights`, by default its final one.

        `trust` lists modules that the config may use besides parts of detectors; ["*"] allows any.

        Raises:
            ConfigError: if the folder holds no config.yaml, or it names an object of a module that is not trusted.
            CheckpointError: if it holds no checkpoint, or its checkpoint belongs to another model.
        """
        return cls(read_config(run_dir, overrides, trust), weights or find_weights(run_dir), dtype=dtype)

    @torch.no_grad()
    def __call__(self, image: str | Path | Image.Image | np.ndarray, channel_order: str = "BGR") -> Instances:
        """Detections in one image, on the CPU: pred_boxes (XYXY in pixels of the image), scores, pred_classes.

        Args:
            image: a path or a PIL image, in any mode, rotated by its EXIF data; or an array (H, W, 3) uint8.
            channel_order: of an array: "BGR", as OpenCV reads images, or "RGB".

        Raises:
            DataError: for a file or PIL image that cannot be read.
            ValueError: for any other array, or an image so narrow that it cannot be resized.
        """
        image = as_bgr(image, channel_order)
        height, width = image.shape[:2]
        aug_input = AugInput(self._in_format(image))
        try:
            self._augmentations(aug_input)
        except (ValueError, AssertionError, ZeroDivisionError) as e:  # for example a resize to 0 pixels
            raise ValueError(f"{width} x {height} pixels cannot be resized or augmented: {first_line(e)}") from e
        tensor = torch.as_tensor(np.ascontiguousarray(aug_input.image.transpose(2, 0, 1)))
        (output,) = self.model([{"image": tensor, "height": height, "width": width}])
        return output["instances"].to("cpu")

    def _in_format(self, image: np.ndarray) -> np.ndarray:
        """The image (H, W, 3) BGR in `model.input_format`, as the mapper of training reads it: (H, W, 1) for "L"."""
        if self._format == "BGR":
            return image
        rgb = image[:, :, ::-1]
        return rgb if self._format == "RGB" else pixels_of(Image.fromarray(rgb), "image", self._format)


def as_bgr(image: str | Path | Image.Image | np.ndarray, channel_order: str = "BGR") -> np.ndarray:
    """An image as (H, W, 3) BGR uint8; arguments and errors are those of `LazyPredictor.__call__`."""
    if channel_order not in ("BGR", "RGB"):
        raise ValueError(f"channel_order must be 'BGR' or 'RGB', got {channel_order!r}")
    if isinstance(image, str | Path):
        return read_image(image, format="BGR")
    if isinstance(image, Image.Image):
        image, channel_order = pixels_of(image, getattr(image, "filename", "") or "image", "BGR"), "BGR"
    if not isinstance(image, np.ndarray):
        raise ValueError(f"an image must be a path, an image of PIL or an array, got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        got = f"an image must be (H, W, 3) {channel_order} uint8, got {image.shape} {image.dtype}"
        raise ValueError(f"{got}: {_advice(image)}")
    return image[:, :, ::-1] if channel_order == "RGB" else image


def _advice(image: np.ndarray) -> str:
    """How to turn an array that is no valid image into one."""
    if not image.size:
        return "it has no pixels"
    if image.ndim == 4:
        return "give one image at a time"
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return "repeat a grey image three times, as by np.dstack([image] * 3)"
    if image.ndim == 3 and image.shape[2] == 4:
        return "leave out the fourth channel, as by image[:, :, :3]"
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] != 3:
        return "channels come last, as by image.transpose(1, 2, 0)"
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype.kind == "f":
        return "multiply values from 0 to 1 by 255, and convert: (image * 255).round().astype(np.uint8)"
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint16:
        return "divide values up to 65535 by 257, and convert: (image / 257).round().astype(np.uint8)"
    return "bring it into this form first"
