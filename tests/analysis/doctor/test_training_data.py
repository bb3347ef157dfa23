"""Faults between a config and its data: anchors, sizes, prior, batches."""

import copy

import numpy as np
import pytest
import torch
from conftest import QUICK, TINY
from detectron2.config import LazyCall, instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data import transforms as T
from detectron2.evaluation import DatasetEvaluators
from detectron2.structures import Boxes, BoxMode, pairwise_iou

from retina_plugin.analysis.doctor.data import image_lists, loading
from retina_plugin.analysis.doctor.subject import Subject
from retina_plugin.analysis.doctor.training import (
    CHECKS,
    anchors,
    cost,
    evaluation,
    learning_rate,
    prior,
    sizes,
    updates,
    wiring,
)
from retina_plugin.analysis.doctor.training.boxes import train_boxes, train_fit
from retina_plugin.config import get_config
from retina_plugin.config.overrides import apply_override
from retina_plugin.data.coco import dataset_names
from retina_plugin.modeling.losses import SigmoidCrossEntropyLoss
from retina_plugin.modeling.meta_arch import ForegroundCounter

SLOW = [check for check in CHECKS if check not in (cost.start, cost.cost)]
CE = "model.cls_loss='${losses.sigmoid_ce}'"
FEW = [
    "model.backbone.bottom_up.name=tiny_net",
    "dataloader.train.dataset.names.num_images=24",
    "dataloader.test.dataset.names.num_images=4",
]
SCALE = "model.anchor_generator.octave_base_scale"


@pytest.fixture(scope="module")
def read(cache):
    return get_config(QUICK, TINY)


@pytest.fixture
def tiny_cfg(read):
    """The tiny config with overrides, as the fixture of this name; faster than reading and checking it again."""

    def change(*overrides):
        cfg = copy.deepcopy(read)
        for override in overrides:
            apply_override(cfg, override)
        return cfg

    return change


@pytest.fixture
def data():
    """A function that registers images of the same size with the same objects, as dataset dicts."""
    names = []

    def register(objects, number=4, size=(64, 64), name="doctor_data", empty=0):
        annotations = [{"bbox": box, "bbox_mode": BoxMode.XYWH_ABS, "category_id": k} for box, k in objects]
        image = {"file_name": "none.png", "height": size[0], "width": size[1]}
        own = [image | {"image_id": i, "annotations": annotations if i >= empty else []} for i in range(number)]
        DatasetCatalog.register(name, lambda: own)
        MetadataCatalog.get(name).set(thing_classes=["circle", "square", "triangle"])
        names.append(name)
        return name

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def resized(cfg, edge, max_size=4000):
    call = LazyCall(T.ResizeShortestEdge)(short_edge_length=edge, max_size=max_size, sample_style="choice")
    cfg.dataloader.train.mapper.augmentations = [*cfg.dataloader.train.mapper.augmentations, call]
    return cfg


def subject_of(tiny_cfg, name, *overrides):
    cfg = tiny_cfg(*overrides)
    cfg.dataloader.train.dataset.names = name
    return Subject(cfg)


def codes(check, subject):
    return {finding.code for finding in check(subject)}


SMALL, FITTING = [([10, 10, 9, 9], 0)] * 3, [([8, 8, 33, 33], 0), ([10, 10, 40, 40], 1)]
LARGE = [([0, 0, 900, 900], 0)]
OF_BOXES = {
    "too small for the anchors": (anchors.coverage, "anchors-miss", SMALL * 7, (64, 64), None, []),
    "one class too small": (anchors.coverage, "anchors-miss", [*FITTING * 5, ([10, 10, 9, 9], 2)], (64, 64), None, []),
    "matched by nothing": (
        anchors.without_low_quality,
        "boxes-unmatched",
        SMALL,
        (64, 64),
        None,
        ["model.anchor_matcher.allow_low_quality_matches=false"],
    ),
    "levels without objects": (anchors.levels, "level-unused", FITTING, (64, 64), None, []),
    "below the stride": (sizes.small_objects, "objects-below-stride", [([5, 5, 6, 6], 0)], (64, 64), None, []),
    "below the stride after resizing": (sizes.small_objects, "objects-below-stride", FITTING, (640, 640), [64], []),
    "above all anchors": (
        anchors.coverage,
        "anchors-miss",
        LARGE,
        (1000, 1000),
        None,
        ["model.head_in_features=[p3,p4,p5]"],
    ),
    "enlarged images": (sizes.resize, "images-enlarged", FITTING, (64, 64), [256, 320, 320], []),
    "shrunk objects": (sizes.resize, "objects-shrunk", FITTING, (640, 640), [96], []),
    "more objects than detections": (
        evaluation.detections_per_image,
        "max-detections",
        FITTING * 8,
        (64, 64),
        None,
        ["model.max_detections_per_image=10"],
    ),
    "more objects of a class than AP counts": (
        evaluation.detections_per_image,
        "max-detections",
        FITTING * 8,
        (64, 64),
        None,
        ["+dataloader.evaluator.max_dets_per_image=[1,5,7]"],
    ),
    "few passes": (learning_rate.epochs, "few-epochs", FITTING, (64, 64), None, ["train.max_iter=1"]),
    "many passes": (learning_rate.epochs, "many-epochs", FITTING, (64, 64), None, ["train.max_iter=5000"]),
}


@pytest.mark.parametrize("fault", OF_BOXES)
def test_a_fault_of_the_boxes_is_found(fault, tiny_cfg, data):
    check, code, objects, size, edge, overrides = OF_BOXES[fault]
    subject = subject_of(tiny_cfg, data(objects, size=size), *overrides)
    if edge:
        resized(subject.cfg, edge)
    assert codes(check, subject) == {code}


def test_the_limits_that_the_doctor_advises_are_taken(tiny_cfg, data):
    """Six objects, of which AP counts five: its advice is a limit below ten."""
    name = data(FITTING[:1] * 6)
    (found,) = evaluation.detections_per_image(subject_of(tiny_cfg, name, "+dataloader.evaluator.max_dets_per_image=5"))
    advised = subject_of(tiny_cfg, name, *found.fix.split())
    assert not codes(evaluation.detections_per_image, advised)
    advised.cfg.dataloader.evaluator.dataset_name = dataset_names(advised.cfg, "test")[0]
    instantiate(advised.cfg.dataloader.evaluator)


@pytest.mark.parametrize(
    ("evaluators", "place"),
    [
        (lambda coco: [LazyCall(DatasetEvaluators)(evaluators=[]), coco], "1"),
        (lambda coco: LazyCall(DatasetEvaluators)(evaluators=[coco]), "evaluators.0"),
        (lambda coco: ["${other}"], "0"),
    ],
    ids=["list", "DatasetEvaluators", "interpolation"],
)
def test_a_coco_evaluator_among_others_is_advised_too(evaluators, place, tiny_cfg, data):
    subject = subject_of(tiny_cfg, data(FITTING[:1] * 6), "+dataloader.evaluator.max_dets_per_image=5")
    subject.cfg.other = subject.cfg.dataloader.evaluator
    subject.cfg.dataloader.evaluator = evaluators(subject.cfg.dataloader.evaluator)
    (found,) = evaluation.detections_per_image(subject)
    most, key = "model.max_detections_per_image", f"dataloader.evaluator.{place}.max_dets_per_image"
    assert found.where == key and found.fix == f"{most}=9 +{key}=9"
    for override in found.fix.split():
        apply_override(subject.cfg, override)
    assert not codes(evaluation.detections_per_image, subject)


@pytest.mark.parametrize(
    "check", [c for c in dict.fromkeys(x[0] for x in OF_BOXES.values()) if c is not anchors.levels]
)
def test_objects_of_the_anchors_sizes_are_no_fault(check, tiny_cfg, data):
    assert not codes(check, subject_of(tiny_cfg, data(FITTING), "train.max_iter=100"))


OF_MODELS = {
    "cross entropy without prior": (prior.prior, "no-prior", "error", [CE, "model.head.prior_prob=0.5"]),
    "focal loss without prior": (prior.prior, "no-prior", "warning", ["model.head.prior_prob=0.5"]),
    "softmax without prior": (
        prior.prior,
        "no-prior",
        "error",
        ["model.cls_loss='${losses.softmax_ce}'", "model.head.prior_prob=0.5"],
    ),
    "cross entropy far from its start": (prior.prior, "prior-far", "warning", [CE, "model.head.prior_prob=1e-6"]),
    "focal loss far from its start": (prior.prior, "prior-far", "hint", ["model.head.prior_prob=5e-3"]),
    "focal loss very far from its start": (prior.prior, "prior-far", "warning", ["model.head.prior_prob=1e-4"]),
    "weight of cross entropy with focus": (
        prior.focus_and_weight,
        "alpha-high",
        "hint",
        ["losses.focal.alpha=0.75"],
    ),
    "weight of focal loss without focus": (
        prior.focus_and_weight,
        "alpha-low",
        "warning",
        ["losses.focal.gamma=0.0"],
    ),
    "all frozen": (updates.frozen, "all-frozen", "error", ["train.freeze=[backbone,head]"]),
    "head frozen": (updates.frozen, "head-frozen", "warning", ["train.freeze=[head.cls_score]"]),
    "BatchNorm of one image": (
        updates.batch_norm,
        "batchnorm-batch",
        "warning",
        ["dataloader.train.total_batch_size=2", "train.accumulation=2"],
    ),
    "anchors per location": (wiring.builds, "model-not-built", "error", ["model.head.num_anchors=5"]),
    "strides of other levels": (wiring.builds, "model-not-built", "error", ["model.anchor_generator.strides=[4,8]"]),
    "loss and its arguments": (wiring.builds, "model-not-built", "error", ["model.focal_loss_gamma=1.0"]),
}


@pytest.mark.parametrize("fault", OF_MODELS)
def test_a_fault_of_the_model_is_found(fault, tiny_cfg):
    check, code, severity, overrides = OF_MODELS[fault]
    assert [(x.code, x.severity) for x in check(Subject(tiny_cfg(*overrides)))] == [(code, severity)]


def test_the_message_of_a_model_that_is_not_built_names_both_values_once(tiny_cfg):
    subject = Subject(tiny_cfg("model.head.num_anchors=5"))
    found = [x for check in SLOW for x in check(subject) if x.severity != "hint"]
    assert [x.code for x in found] == ["model-not-built"]
    assert "model.head.num_anchors is 5" in found[0].message and "9" in found[0].message


def test_another_model_is_not_examined_but_no_fault(tiny_cfg):
    subject = Subject(tiny_cfg())
    subject.model = torch.nn.Identity()
    assert [(x.severity, x.code) for x in wiring.builds(subject)] == [("hint", "model-not-examined")]
    assert not codes(anchors.coverage, subject)


def test_the_quick_config_has_no_fault():
    subject = Subject(get_config(QUICK, FEW))
    found = [x for check in SLOW for x in check(subject)]
    assert [str(x) for x in found if x.severity != "hint"] == []
    assert {x.code for x in found} == {"anchors-miss", "level-unused", "prior-far"}


def test_the_stationary_start_is_no_fault(tiny_cfg):
    assert not codes(prior.prior, Subject(tiny_cfg(CE, "model.head.prior_prob=stationary")))


def test_the_distance_of_the_prior_is_that_of_cross_entropys_share(tiny_cfg):
    subject = Subject(tiny_cfg(CE))
    share = prior.foreground_share(subject)
    assert prior.stationary_score(subject) == pytest.approx(share, rel=1e-5)  # -s log p - (1 - s) log(1 - p)
    assert type(subject.model.cls_loss) is SigmoidCrossEntropyLoss and 0 < share < 0.1


def test_strides_are_those_of_the_maps(tiny_cfg):
    subject = Subject(tiny_cfg())
    assert not codes(anchors.real_strides, subject)
    subject.model.anchor_generator.strides = [4, 8, 16, 32, 64]
    (found,) = anchors.real_strides(subject)
    assert (found.code, found.fix) == ("strides-differ", "model.anchor_generator.strides=[8,16,32,64,128]")


def test_the_proposed_scale_leaves_the_share_that_it_says(tiny_cfg, data):
    name = data(SMALL * 7)
    (found,) = anchors.coverage(subject_of(tiny_cfg, name))
    override, _, text = found.fix.partition(" ")
    better = subject_of(tiny_cfg, name, override)
    assert override.startswith(SCALE)
    assert text.startswith(f"({(train_fit(better).max(0) < 0.5).mean():.0%} of boxes")
    assert not codes(anchors.coverage, better)


def test_the_scale_is_chosen_on_all_images(tiny_cfg, data):
    """The first images, which the present anchors fit, say nothing of the others."""
    name = data(FITTING, number=80)
    for image in DatasetCatalog.get(name)[64:]:
        image["annotations"] = [{"bbox": [10, 10, 9, 9], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 2}] * 21
    (found,) = anchors.coverage(subject_of(tiny_cfg, name))
    override, _, text = found.fix.partition(" ")
    better = subject_of(tiny_cfg, name, override)
    share = (train_fit(better).max(0) < 0.5).mean()
    assert text.startswith(f"({share:.0%} of boxes") and share < 0.5 < (16 * 21) / (16 * 21 + 64 * 2)


def test_the_fit_is_the_highest_iou_with_any_anchor(tiny_cfg):
    subject = Subject(tiny_cfg())
    found, fit = train_boxes(subject), train_fit(subject)
    boxes = Boxes.cat([x.instances.gt_boxes for x in found.images])
    by_level = ForegroundCounter(subject.model).anchors(128, 128)  # 64 pixels, padded for p7
    expected = [pairwise_iou(boxes, x).max(1).values.numpy() for x in by_level]
    assert fit.shape == (5, sum(len(x["annotations"]) for x in subject.train))
    np.testing.assert_allclose(fit, expected, atol=1e-6)


def test_boxes_are_resized_as_the_mapper_does(tiny_cfg, data):
    subject = subject_of(tiny_cfg, data([([10, 20, 30, 40], 1)], size=(100, 150)))
    resized(subject.cfg, [40, 50, 90])
    found = train_boxes(subject)
    transform = T.ResizeShortestEdge([50, 50]).get_transform(np.zeros((100, 150, 3), np.uint8))
    boxes = found.images[0].instances.gt_boxes.tensor
    np.testing.assert_allclose(boxes.numpy(), transform.apply_box(np.array([[10, 20, 40, 60]])), rtol=1e-6)
    assert found.sizes[0] == pytest.approx((15 * 20) ** 0.5) and found.enlarged[0] == 0.5


def test_crowds_and_boxes_without_area_are_left_out(tiny_cfg, data):
    name = data(FITTING)
    images = DatasetCatalog.get(name)
    images[0]["annotations"] = [
        {"bbox": [0, 0, 30, 30], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, "iscrowd": 1},
        {"bbox": [0, 0, 0, 30], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0},
        {"bbox": [5, 5, 25, 30], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 2},
    ]
    found = train_boxes(subject_of(tiny_cfg, name))
    assert len(found.classes) == 1 + 3 * len(FITTING)
    (box,) = found.images[0].instances.gt_boxes
    assert box.tolist() == [5, 5, 25, 30] and found.classes[0] == 2


@pytest.mark.parametrize("filters", [True, False])
def test_images_without_objects_and_what_becomes_of_them(filters, tiny_cfg, data):
    subject = subject_of(tiny_cfg, data(FITTING, empty=1), f"dataloader.train.dataset.filter_empty={filters}")
    (found,) = image_lists.images_without_objects(subject)
    assert found.code == "images-without-objects"
    assert ("training leaves them out" if filters else "they train as background") in found.message


def test_training_data_as_test_data(tiny_cfg):
    cfg = tiny_cfg()
    assert not codes(loading.same_file, Subject(cfg))
    cfg.dataloader.test.dataset.names = cfg.dataloader.train.dataset.names
    assert codes(loading.same_file, Subject(cfg)) == {"leak-same-file"}


def test_no_check_fails_without_objects(tiny_cfg, data):
    subject = subject_of(tiny_cfg, data([], number=3))
    checks = [check for check in SLOW if check is not prior.prior]  # whose files are not there
    assert {x.severity for check in checks for x in check(subject)} <= {"hint"}
