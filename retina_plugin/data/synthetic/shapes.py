"""Scenes of the synthetic data set, painted with integer arithmetic only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .dataset import SyntheticSettings

SHAPES = ("circle", "square", "triangle")
_PALETTE = np.array([[214, 69, 65], [65, 131, 215], [38, 166, 91], [244, 179, 80], [142, 68, 173], [230, 230, 230]])


def paint_scene(rng: np.random.RandomState, settings: SyntheticSettings) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """An RGB image (H, W, 3) uint8, and its objects as COCO annotations with category 1 to 3."""
    pixels = _background(rng, settings.image_size)
    for _ in range(_draw(rng, settings.clutter)):
        _paint(rng, pixels, settings, [], filled=False)
    boxes: list[np.ndarray] = []
    objects = [_paint(rng, pixels, settings, boxes, filled=True) for _ in range(_draw(rng, settings.objects))]
    noise = rng.randint(-settings.noise, settings.noise + 1, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8), [found for found in objects if found]


def shape_mask(name: str, size: int) -> np.ndarray:
    """Boolean mask (size, size) of the pixels that a filled shape covers."""
    y, x = np.mgrid[:size, :size]
    dx, dy = 2 * x - size + 1, 2 * y - size + 1
    if name == "circle":
        return dx * dx + dy * dy <= size * size
    return np.abs(dx) <= y if name == "triangle" else np.ones((size, size), bool)


def outline(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask that lie at most `width` from its edge, horizontally or vertically."""
    inner = np.pad(mask, 1)
    for _ in range(width):
        core = inner[1:-1, 1:-1] & inner[:-2, 1:-1] & inner[2:, 1:-1]
        inner = np.pad(core & inner[1:-1, :-2] & inner[1:-1, 2:], 1)
    return mask & ~inner[1:-1, 1:-1]


def _paint(
    rng: np.random.RandomState, pixels: np.ndarray, settings: SyntheticSettings, boxes: list[np.ndarray], filled: bool
) -> dict[str, Any] | None:
    """Paint one shape that overlaps none of `boxes` and add its box to them; None if there is no room for it."""
    kind, colour = rng.randint(len(SHAPES)), _PALETTE[rng.randint(len(_PALETTE))]
    size = _draw(rng, settings.object_size)
    mask = shape_mask(SHAPES[kind], size)
    mask = mask if filled else outline(mask, 1 + size // 24)
    for _ in range(20):
        x, y = (int(v) for v in rng.randint(0, settings.image_size - size + 1, 2))
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        box = np.array([x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1])
        if not any(_touch(box, other) for other in boxes):
            pixels[y : y + size, x : x + size][mask] = colour
            boxes.append(box)
            bbox = [*(int(v) for v in box[:2]), *(int(v) for v in box[2:] - box[:2])]
            return {"bbox": bbox, "area": int(mask.sum()), "category_id": kind + 1}
    return None


def _touch(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])).all())


def _background(rng: np.random.RandomState, size: int) -> np.ndarray:
    """Patches of grey, so that no single colour identifies the background."""
    patches = rng.randint(60, 150, (size // 24 + 1, size // 24 + 1, 1))
    return patches.repeat(24, 0).repeat(24, 1)[:size, :size].repeat(3, 2)


def _draw(rng: np.random.RandomState, span: tuple[int, int]) -> int:
    return int(rng.randint(span[0], span[1] + 1))
