"""Which part of an image a picture shows."""

import numpy as np


def square_around(
    boxes: np.ndarray, shape: tuple[int, ...], times: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Left and top, right and bottom (2,) in pixels of a square around boxes, cut where the image ends.

    Its side is `times` the longer side of all boxes, (N, 4) XYXY, and at least `least` pixels. `shape` is that of the
    image, (H, W, 3). The square around boxes outside the image is moved to its border.
    """
    low, high, size = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0), np.array(shape[1::-1])
    half, centre = max(times * (high - low).max(), least) / 2, np.clip((low + high) / 2, 0, size)
    return np.clip(centre - half, 0, size).astype(int), np.clip(centre + half, 0, size).astype(int)
