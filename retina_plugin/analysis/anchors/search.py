"""Search for anchors that match more boxes, within a budget of anchors."""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from omegaconf import DictConfig
from scipy.optimize import differential_evolution

from ...config import ConfigError
from ...data import DataError
from .boxes import BoxImage
from .detector import AnchorDetector, padded_size
from .layouts import check_coarsest, check_levels, current_layout, layout_overrides, with_overrides
from .problem import Problem, mean_locations
from .shapes import GridBoxes, Layout

_MOST_SCALES, _MOST_RATIOS = 4, 4
_BASE_SCALES = (0.5, 16.0)  # in strides
_MOST_BOXES = 1500
_POPULATION, _GENERATIONS = 12, 80  # of the optimizer; the population is a multiple of the number of variables


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        now, layout: the anchors of the config, and those found. Both are equal if the best candidate is not better on
            the validation images and the anchors of the config are within the budget.
        overrides: that set `layout` in the config; empty if it equals `now`.
        value_validation: objective of `now` and of the best candidate, even if that was rejected, on the validation
            images.
    """

    now: Layout
    layout: Layout
    overrides: list[str]
    value_validation: tuple[float, float]


def split_images(images: Sequence[BoxImage]) -> tuple[list[BoxImage], list[BoxImage]]:
    """Two thirds of the images with boxes for the search, and the others for its validation; always the same ones.

    Whole images are split, since boxes of one image resemble each other. DataError for fewer than 3 of them.
    """
    images = [image for image in images if len(image.instances)]
    if len(images) < 3:
        raise DataError(f"--search needs 3 or more images with boxes, and there are {len(images)}")
    order = np.random.default_rng(0).permutation(len(images))
    parts = np.split(order, [2 * len(order) // 3])
    return tuple([images[i] for i in sorted(part)] for part in parts)


def search(
    cfg: DictConfig,
    detector: AnchorDetector,
    images: Sequence[BoxImage],
    levels: Sequence[str] = (),
    max_anchors: float | None = None,
) -> Found:
    """Search on two thirds of the images; accept what is better on the other third. The result is reproducible.

    If the config has more anchors than `max_anchors`, the best candidate is accepted anyway.

    Args:
        cfg: of the detector, with the anchors to improve.
        detector: built from `cfg`.
        images: with their boxes.
        levels: consecutive levels that may be used, such as p2 to p5; by default the config's. Only if they include a
            new level may the head run at more locations than now.
        max_anchors: most anchors per image, in the mean; by default as many as now.

    Raises:
        ConfigError: if the generator is not an `OctaveAnchorGenerator`, the backbone cannot have a level, or
            `max_anchors` is too low for any layout.
        DataError: if there are too few images.
    """
    now = current_layout(cfg, detector)
    levels = check_levels(levels or now.levels)
    check_coarsest(levels, detector)
    if max_anchors is not None and not max_anchors > 0:
        raise ConfigError(f"--max-anchors {max_anchors:g} must be above 0")
    widest = layout_overrides(cfg, now, replace(now, levels=levels))
    AnchorDetector(with_overrides(cfg, widest))  # raises ConfigError for a level that the backbone lacks
    own, held_out = (GridBoxes.of(detector.model, part) for part in split_images(images))
    sizes = Counter(padded_size(detector.model, image.size) for image in images)
    locations = mean_locations(now, sizes)
    most = max_anchors or locations * now.per_location
    locations = np.inf if set(levels) - set(now.levels) else locations
    problem = Problem(own.sample(_MOST_BOXES), sizes, most, locations, detector.threshold)
    best = _optimize(problem, now, levels)
    if problem.excess(best):
        raise ConfigError(
            f"--max-anchors {most:g} is less than any anchors on {' '.join(levels)} need: allow more, "
            "or name coarser --levels"
        )
    value_now, value_best = (problem.value(x, held_out) for x in (now, best))
    if value_best <= value_now and not problem.excess(now):
        best = now
    return Found(now, best, layout_overrides(cfg, now, best), (value_now, value_best))


def _optimize(problem: Problem, now: Layout, levels: tuple[str, ...]) -> Layout:
    """The best layout by differential evolution over levels, scales, number of ratios, base scale and ratios."""
    decode = functools.partial(_decode, levels, now.num_octaves)
    ratios = np.log2(problem.boxes.height / problem.boxes.width)
    spread = max(1.0, float(np.quantile(np.abs(ratios), 0.99)))
    last = len(levels) - 1
    bounds = [(0, last), (0, last), (1, _MOST_SCALES), (1, _MOST_RATIOS), tuple(np.log2(_BASE_SCALES))]
    bounds += [(-spread, spread)] * _MOST_RATIOS
    result = differential_evolution(
        lambda x: problem.cost(decode(x)),
        bounds,
        integrality=[True] * 4 + [False] * (1 + _MOST_RATIOS),
        x0=_encode(now, levels, bounds),
        maxiter=_GENERATIONS,
        popsize=_POPULATION,
        tol=1e-4,
        polish=False,  # a gradient method, which integers do not allow
        rng=0,
    )
    return decode(result.x)


def _decode(levels: tuple[str, ...], num_octaves: int, x: np.ndarray) -> Layout:
    first, last = sorted(int(i) for i in x[:2])
    ratios = sorted(float(f"{2**y:.2g}") for y in x[5 : 5 + int(x[3])])
    return Layout(levels[first : last + 1], float(f"{2 ** x[4]:.3g}"), int(x[2]), tuple(ratios), num_octaves)


def _encode(layout: Layout, levels: tuple[str, ...], bounds: Sequence[tuple[float, float]]) -> np.ndarray:
    """The variables of a layout, moved within bounds: where the search starts."""
    ratios = [*np.log2(layout.aspect_ratios), *[0.0] * _MOST_RATIOS][:_MOST_RATIOS]
    known = [levels.index(x) for x in layout.levels if x in levels] or range(len(levels))
    first, last = min(known), max(known)
    numbers = first, last, layout.scales_per_octave, len(layout.aspect_ratios), np.log2(layout.octave_base_scale)
    return np.clip([*numbers, *ratios], *np.transpose(bounds))
