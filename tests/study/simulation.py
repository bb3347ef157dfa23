"""Simulated studies: each object has a difficulty, and runs differ by seed and by chance."""

import numpy as np
from scipy.stats import norm

from retina_plugin.study.evidence.by_image import Evidence
from retina_plugin.study.evidence.matching import Matches, RankedDetections
from retina_plugin.study.evidence.resampling import image_weights, resample_metrics
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.statistics.measurements import Measurements

IOUS = np.linspace(0.5, 0.95, 10)
NUM_IMAGES, NUM_OBJECTS, NUM_CLUTTER = 80, 560, 400
SKILL_OF_ONE_AP = 0.024  # approximately, in standard deviations of an object's difficulty
_DRAWN = image_weights(NUM_IMAGES, num_resamples=40)
_WEIGHTS = np.column_stack([np.ones(NUM_IMAGES), _DRAWN])  # the first column counts every image once


def simulate_images(rng, effect, num_seeds=3):
    """Variants "a" and "b" on the same test images; b's runs have `effect` AP more in expectation.

    The effect differs between images. With `effect` 0, a and b are the same variant.
    """
    scene = _Scene(rng)
    gain = SKILL_OF_ONE_AP * effect * rng.normal(1, 1, NUM_IMAGES)[scene.image]
    results, evidence = [], {}
    for seed in range(num_seeds):
        shared = rng.normal(0, 0.01)
        for variant, skill in (("a", 0.0), ("b", gain)):
            matches = scene.detect(rng, skill + shared + rng.normal(0, 0.01))
            ap = resample_metrics(matches, _WEIGHTS)["AP"]
            evidence[variant, seed] = Evidence(matches, {"bbox/AP": ap[1:]})
            results.append(RunResult(variant, seed, "simulated", 1.0, {"bbox/AP": float(ap[0])}))
    return Measurements(results, evidence)


class _Scene:
    """Test images: how hard each object is, and how much clutter looks like an object, the same for every run."""

    def __init__(self, rng):
        self.image = rng.integers(NUM_IMAGES, size=NUM_OBJECTS)
        self.ease = 0.8 + rng.normal(0, 0.5, NUM_IMAGES)[self.image] + rng.normal(0, 0.7, NUM_OBJECTS)
        self.clutter = rng.integers(NUM_IMAGES, size=NUM_CLUTTER)
        self.likeness = rng.normal(-0.4, 0.5, NUM_CLUTTER)

    def detect(self, rng, skill):
        """One category over all areas: a detection per object, with an IoU, and one per piece of clutter."""
        found = self.ease + skill + rng.normal(0, 0.06, NUM_OBJECTS)
        score = np.concatenate([found / 2, self.likeness])
        order = np.argsort(-score - rng.normal(0, 0.06, len(score)))
        matched = np.concatenate([norm.cdf(found), np.zeros(NUM_CLUTTER)]) >= IOUS[:, None]
        image = np.concatenate([self.image, self.clutter])
        ranked = RankedDetections(image[order], score[order], matched[:, order], np.zeros_like(matched))
        objects = np.bincount(self.image, minlength=NUM_IMAGES).astype(float)
        ids, nothing = tuple(range(NUM_IMAGES)), np.zeros((10, 101, 1))
        return Matches(ids, ("thing",), ("all",), objects[None, None], [[ranked]], nothing)


def simulate_metrics(rng, effect, num_seeds=3, spread=0.6, names=("a", "b")):
    """AP alone, without images; `spread` is the standard deviation of a difference paired by seed."""
    results = []
    for seed in range(num_seeds):
        shared = rng.normal(0, 1)
        for variant in names:
            ap = 34 + shared + effect * (variant == "b") + rng.normal(0, spread / np.sqrt(2))
            results.append(RunResult(variant, seed, "simulated", 1.0, {"bbox/AP": ap}))
    return Measurements(results)
