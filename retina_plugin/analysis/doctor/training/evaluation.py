"""Settings that decide what an evaluation or a detection can find."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from omegaconf import DictConfig, OmegaConf

from ..finding import Finding
from ..subject import Subject
from .settings import class_of, setting
from .wiring import needs

_HIGH_SCORE = 0.3
_LOW_NMS, _HIGH_NMS = 0.2, 0.8
_MOST = "model.max_detections_per_image"
_LIMITS = {"test_topk_candidates": 1000, "max_detections_per_image": 100}  # the detector's defaults


def thresholds(subject: Subject) -> Iterator[Finding]:
    """A threshold that hides detections, or keeps duplicates: detectron2#4217, retinanet-examples#8."""
    score = setting(subject.cfg, "model.test_score_thresh", 0.05)
    if score > _HIGH_SCORE:
        message = f"model.test_score_thresh={score:g} drops detections that AP counts, and all of an early evaluation"
        yield Finding(
            "warning", "score-thresh-high", message, "model.test_score_thresh", "model.test_score_thresh=0.05"
        )
    nms = setting(subject.cfg, "model.test_nms_thresh", 0.5)
    if not _LOW_NMS <= nms <= _HIGH_NMS:
        effect = "removes neighbouring objects" if nms < _LOW_NMS else "keeps several detections of one object"
        message = f"model.test_nms_thresh={nms:g} {effect}"
        yield Finding("warning", "nms-extreme", message, "model.test_nms_thresh", "model.test_nms_thresh=0.5")


def candidates(subject: Subject) -> Iterator[Finding]:
    """Fewer candidates per level than detections per image."""
    topk, most = (setting(subject.cfg, f"model.{key}", n) for key, n in _LIMITS.items())
    if topk < most:
        message = f"model.test_topk_candidates={topk} per level is less than model.max_detections_per_image={most}"
        key = "model.test_topk_candidates"
        yield Finding("warning", "topk-small", message, key, f"{key}={_LIMITS['test_topk_candidates']}")


@needs("train")
def detections_per_image(subject: Subject) -> Iterator[Finding]:
    """Fewer detections than objects per image, or COCO's AP counts fewer of a class: maskrcnn-benchmark#884."""
    labels = [[a["category_id"] for a in x.get("annotations", ()) if not a.get("iscrowd")] for x in subject.train]
    limits = {_MOST: ("objects", [len(x) for x in labels])}
    counted = [f"{key}.max_dets_per_image" for key in _coco_evaluators(subject.cfg)]
    for key in counted:
        limits[key] = "objects of one class", [max(Counter(x).values(), default=0) for x in labels]
    for key, (what, counts) in limits.items():
        most = int(np.max(setting(subject.cfg, key, 100)))
        many = float(np.percentile(counts, 99)) if counts else 0
        if many > most:
            needed = int(many * 1.5)
            message = (
                f"{key}={most}, but one image in a hundred has {many:.0f} {what} or more, and one has {max(counts)}"
            )
            fix = " ".join([f"{_MOST}={needed}", *(f"+{key}={needed}" for key in counted)])
            yield Finding("warning", "max-detections", message, key, fix)
            return


def _coco_evaluators(cfg: DictConfig, key: str = "dataloader.evaluator") -> list[str]:
    """Keys of the COCO evaluators of a config: the evaluator itself, or those in a list or in DatasetEvaluators."""
    node = OmegaConf.select(cfg, key, default=None, throw_on_resolution_failure=False)
    if not OmegaConf.is_config(node):
        return []
    inner = node if OmegaConf.is_dict(node) else range(len(node))
    found = [key] if class_of(cfg, key) == "COCOEvaluator" else []
    return found + [one for name in inner for one in _coco_evaluators(cfg, f"{key}.{name}")]


def evaluations(subject: Subject) -> Iterator[Finding]:
    """A training that is only evaluated at its end, so that nothing selects its best checkpoint."""
    period, iterations = setting(subject.cfg, "train.eval_period", 0), setting(subject.cfg, "train.max_iter", 0)
    if period >= iterations > 0:
        message = f"train.eval_period={period} is not below train.max_iter={iterations}: only the end is evaluated"
        yield Finding(
            "hint", "one-evaluation", message, "train.eval_period", f"train.eval_period={-(-iterations // 4)}"
        )
