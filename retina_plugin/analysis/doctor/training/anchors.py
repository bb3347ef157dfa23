"""Ground truth that no anchor fits, by the matcher's thresholds and at the training resolution."""

from collections.abc import Iterator

import numpy as np
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.matcher import Matcher

from ....modeling.anchor_generator import OctaveAnchorGenerator
from ....modeling.meta_arch import FeatureMaps
from ..finding import Finding
from ..subject import Subject
from .boxes import TrainBoxes, train_boxes, train_fit
from .wiring import needs

_SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)  # octave_base_scale to choose from
_MANY, _SOME = 0.5, 0.25  # shares of boxes that no anchor fits
_LEAST_BOXES = 20  # of a class, to judge it
_MOST_NAMED = 5
_FOREGROUND = 0.5  # IoU
_KEY = "model.anchor_generator"


@needs("model", "train")
def coverage(subject: Subject) -> Iterator[Finding]:
    """Boxes that no anchor fits: keras-retinanet#555, pytorch-retinanet#173, detectron2#1213, Detectron#283.

    Only the anchors with its highest IoU can be foreground for such a box, as "low-quality matches"; a small box may
    have several of them.
    """
    thresholds, found = _thresholds(subject), train_boxes(subject)
    if thresholds is None or not len(found.classes):
        return
    low, high = thresholds
    iou = train_fit(subject).max(0)
    misfit = iou < high
    classes = list(_misfit_classes(subject, found, misfit))
    if misfit.mean() <= _SOME and not classes:
        return
    is_warning = misfit.mean() > _MANY or any(count >= _LEAST_BOXES for *_, count in classes)
    share = f"{misfit.mean():.0%} of {len(misfit)} boxes have no anchor with an IoU of {high:g}"
    share += f" and {(iou < low).mean():.0%} none with {low:g}"
    sizes = f"median size {np.median(found.sizes[misfit]):.0f} of {np.median(found.sizes):.0f} pixels after resizing"
    message = f"{share} ({sizes}){_listed(classes)}: they train only their closest anchors, if any"
    fix = _better_scale(subject, misfit, high)
    yield Finding("warning" if is_warning else "hint", "anchors-miss", message, _KEY, fix)


@needs("model")
def real_strides(subject: Subject) -> Iterator[Finding]:
    """Anchor strides that differ from the strides of the feature maps: keras-retinanet#1054, PR#945."""
    model = subject.model
    side = 4 * max(model.backbone.size_divisibility, *model.anchor_generator.strides)
    maps = FeatureMaps(model)(side, side)
    real = [side // max(x.shape[-1], 1) for x in maps]
    if real != list(model.anchor_generator.strides):
        message = f"{_KEY}.strides are {model.anchor_generator.strides}, but the backbone's maps have strides {real}"
        yield Finding(
            "error", "strides-differ", message, f"{_KEY}.strides", f"{_KEY}.strides=[{','.join(map(str, real))}]"
        )


@needs("model", "train")
def without_low_quality(subject: Subject) -> Iterator[Finding]:
    """Boxes that train nothing at all, because low-quality matches are off: keras-retinanet#555."""
    thresholds = _thresholds(subject)
    if thresholds is None or not len(train_boxes(subject).classes):
        return
    if subject.model.label_assigner.anchor_matcher.allow_low_quality_matches:
        return
    lost = train_fit(subject).max(0) < thresholds[1]
    if lost.any():
        message = f"{lost.sum()} of {len(lost)} boxes match no anchor and train nothing"
        key = "model.anchor_matcher.allow_low_quality_matches"
        severity = "warning" if lost.mean() > 0.05 else "hint"
        yield Finding(severity, "boxes-unmatched", message, key, f"{key}=true")


@needs("model", "train")
def levels(subject: Subject) -> Iterator[Finding]:
    """Levels of the pyramid whose anchors match no box: their logits only ever see background."""
    found, names = train_boxes(subject), subject.model.head_in_features
    if _thresholds(subject) is None or not len(found.classes):
        return
    iou = train_fit(subject)
    used = (((iou == iou.max(0)) | (iou >= _FOREGROUND)) & (iou > 0)).any(1)
    unused = [name for name, is_used in zip(names, used, strict=True) if not is_used]
    if unused and used.any():
        message = f"none of {len(found.classes)} boxes matches an anchor of {', '.join(unused)}"
        fix = f"model.head_in_features=[{','.join(x for x in names if x not in unused)}] trains without them"
        yield Finding("hint", "level-unused", message, "model.head_in_features", fix)


def _thresholds(subject: Subject) -> tuple[float, float] | None:
    """The IoU below which an anchor is background, and the IoU from which it is foreground.

    None if the matcher is no Matcher or the anchors come from no DefaultAnchorGenerator.
    """
    if not isinstance(subject.model.anchor_generator, DefaultAnchorGenerator):
        return None
    matcher = getattr(subject.model.label_assigner, "anchor_matcher", None)
    return (matcher.thresholds[1], matcher.thresholds[-2]) if isinstance(matcher, Matcher) else None


def _misfit_classes(subject: Subject, found: TrainBoxes, misfit: np.ndarray) -> Iterator[tuple[str, float, float, int]]:
    """Classes with more than half of their boxes misfit: name, share of misfits, median size, number of boxes."""
    for label in np.unique(found.classes):
        own = found.classes == label
        if misfit[own].mean() > _MANY:
            name = subject.class_names[label] if label < len(subject.class_names) else str(label)
            yield name, float(misfit[own].mean()), float(np.median(found.sizes[own])), int(own.sum())


def _listed(classes: list[tuple[str, float, float, int]]) -> str:
    worst = sorted(classes, key=lambda x: -x[1] * x[3])[:_MOST_NAMED]
    texts = [f"{share:.0%} of {n} {name} of median size {size:.0f}" for name, share, size, n in worst]
    return f"; among them {', '.join(texts)}" if texts else ""


def _better_scale(subject: Subject, misfit: np.ndarray, high: float) -> str:
    """The fix to propose: the octave_base_scale that leaves the fewest boxes without an anchor, if one is better."""
    generator = subject.model.anchor_generator
    if not isinstance(generator, OctaveAnchorGenerator):
        return f"set {_KEY}.sizes to the sizes of the objects after resizing"
    now = subject.cfg.model.anchor_generator.get("octave_base_scale", 4.0)
    shares = {scale: float((train_fit(subject, scale / now).max(0) < high).mean()) for scale in _SCALES}
    best = min(shares, key=lambda scale: (round(shares[scale], 2), abs(scale - 4)))
    if shares[best] > misfit.mean() - 0.02:
        return f"no {_KEY}.octave_base_scale is better: train on larger images, or add p2 to model.head_in_features"
    return f"{_KEY}.octave_base_scale={best:g} ({shares[best]:.0%} of boxes are then without an anchor)"
