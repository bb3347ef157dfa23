"""Sums by group beside autograd of a whole detector, and histograms beside closed forms."""

from collections import Counter

import numpy as np
import pytest
import torch
from detectron2.config import instantiate
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from retina_plugin.evaluation.imbalance import (
    PT_EDGES,
    QUANTITIES,
    imbalance_record,
    imbalance_shares,
    imbalance_sums,
)
from retina_plugin.modeling.assigners import AnchorTargets, LabelAssigner
from retina_plugin.modeling.losses import DenseTargets, SigmoidFocalLoss, SoftmaxCrossEntropyLoss
from retina_plugin.modeling.meta_arch import TrainingPass

K = 3
LEVELS = ["p3", "p4", "p5", "p6", "p7"]
CLASSES = ["circle", "square", "triangle"]


class Weighing(LabelAssigner):
    """The labels of another assigner, and weights that differ between anchors."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, anchors, gt_instances, num_classes):
        targets = self.inner(anchors, gt_instances, num_classes)
        weights = torch.linspace(0.5, 2, targets.labels.numel()).view(targets.labels.shape)
        return AnchorTargets(targets.labels, targets.boxes, weights)


def detector(tiny_cfg, name, *more):
    model = instantiate(tiny_cfg(f"model.cls_loss=${{losses.{name}}}", *more).model)
    torch.nn.init.normal_(model.head.cls_score.weight, std=0.5)  # logits that differ
    return model.double().train()  # so that only rounding in float64 separates formula and closed form


def batch():
    found = []
    for shift in (0.0, 5.0):
        inputs = Instances((128, 128))
        boxes = torch.tensor([[4.0, 4, 28, 28], [20, 20, 84, 84], [5, 5, 110, 110]])
        inputs.gt_boxes, inputs.gt_classes = Boxes(boxes + shift), torch.tensor([1, 0, 1])
        found.append({"image": 255 * torch.rand(3, 128, 128), "instances": inputs})
    return found


def observe(model, data):
    """The record of a training pass, with the logits, targets and loss that trained."""
    trained, seen = {}, []
    inner = model.cls_loss.dense_loss

    def keep(logits, targets):
        logits.retain_grad()
        trained.update(logits=logits, targets=targets)
        return inner(logits, targets)

    model.cls_loss.dense_loss = keep
    model.observer = lambda x: seen.append((x, imbalance_sums(model.cls_loss, x, K)))
    with EventStorage():
        trained["loss"] = model(data)["loss_cls"]
    trained["loss"].backward()
    ((found, sums),) = seen
    scale = model.cls_loss_weight / model.loss_normalizer.item()
    return imbalance_record(sums, 0, scale, LEVELS, CLASSES), trained, found


CASES = [("focal", ()), ("sigmoid_ce", ("model.cls_loss_weight=2.5",)), ("softmax_ce", ()), ("softmax_focal", ())]
CASES += [("hinge", ()), ("ghm", ()), ("ohem", ()), ("asymmetric_focal", ())]


@pytest.mark.parametrize(("name", "more"), CASES)
def test_sums_are_those_of_autograd_of_the_detector(tiny_cfg, name, more):
    torch.manual_seed(0)
    model = detector(tiny_cfg, name, *more)
    model.selective_boxes = name in ("focal", "softmax_ce")  # the other training pass
    if name != "hinge":
        model.label_assigner = Weighing(model.label_assigner)
    record, trained, seen = observe(model, batch())
    labels, gradient = trained["targets"].labels, trained["logits"].grad.double().abs().sum(1)
    assert {-1, 0, 1, K} <= set(labels.tolist()) and not seen.logits.requires_grad
    level = np.repeat(np.arange(5), seen.level_sizes)
    expected = Counter()
    for i, label in enumerate(labels.tolist()):
        if label < 0:
            continue
        kind = "background" if label == K else "foreground"
        keys = [(kind, LEVELS[level[i % len(level)]])]
        if label != K:
            x0, y0, x1, y1 = seen.gt_boxes[i].tolist()
            area = (x1 - x0) * (y1 - y0)
            size = "small" if area < 32**2 else "medium" if area < 96**2 else "large"
            keys += [("classes", CLASSES[label]), ("sizes", size)]
        for key in keys:
            expected.update({(*key, 1): gradient[i].item(), (*key, 2): 1})
    for table in ("background", "foreground", "sizes", "classes"):
        for group, row in record[table].items():
            for column in (1, 2):
                assert row[column] == pytest.approx(expected[table, group, column], rel=1e-6, abs=1e-12)
    assert all(record["sizes"][size][2] > 0 for size in ("small", "medium", "large"))
    for foreground in ("foreground", "sizes", "classes"):
        rows = [*record["background"].values(), *record[foreground].values()]
        assert sum(row[0] for row in rows) == pytest.approx(trained["loss"].item(), rel=1e-6)
        assert sum(row[1] for row in rows) == pytest.approx(gradient.sum().item(), rel=1e-6)


def seen_of(logits, labels, level_sizes):
    anchors = torch.zeros(sum(level_sizes), 4)
    boxes = torch.tensor([[0.0, 0, 32, 32]]).expand(len(labels), 4)
    return TrainingPass(logits, DenseTargets(labels, anchors=anchors), boxes, level_sizes)


def test_shares_of_a_partition_sum_to_one():
    torch.manual_seed(0)
    labels = torch.randint(-1, K + 1, (40,))
    sums = imbalance_sums(SigmoidFocalLoss(), seen_of(torch.randn(40, K), labels, [16, 4]), K)
    shares = imbalance_shares(imbalance_record(sums, 0, 0.1, ["p3", "p4"], CLASSES))
    for quantity in QUANTITIES:
        own = {k.removeprefix(f"{quantity}."): v for k, v in shares.items() if k.startswith(f"{quantity}.")}
        for kind in ("level.", "size.", "class."):
            assert sum(v for k, v in own.items() if k.startswith(kind)) == pytest.approx(1, abs=1e-9)
        assert own["background"] + own["foreground"] == pytest.approx(1, abs=1e-9)
        assert own["size.medium"] == 1  # 32 x 32 is where medium begins


def test_without_foreground_there_are_no_shares_of_it():
    sums = imbalance_sums(SigmoidFocalLoss(), seen_of(torch.randn(6, K), torch.full((6,), K), [6]), K)
    shares = imbalance_shares(imbalance_record(sums, 0, 1.0, ["p3"], CLASSES))
    assert {k: v for k, v in shares.items() if k.startswith("cls")} == {
        "cls.background": 1, "cls.foreground": 0, "cls.level.p3": 1
    }  # fmt: skip
    nothing = imbalance_sums(SigmoidFocalLoss(), seen_of(torch.randn(6, K), torch.full((6,), -1), [6]), K)
    assert imbalance_shares(imbalance_record(nothing, 0, 1.0, ["p3"], CLASSES)) == {}


def test_histograms_count_log_odds_of_p_t():
    logits = torch.tensor([[3.1, -9.0, -9], [-2.4, -5, 0.6], [99, 0, 0], [-4.2, -5, -6], [0, 0, 0]])
    labels = torch.tensor([0, 2, 0, K, -1])
    sums = imbalance_sums(SigmoidFocalLoss(), seen_of(logits, labels, [5]), K)
    expected = np.zeros((2, 40))
    expected[0, np.searchsorted(PT_EDGES, 4.2) - 1] = 1  # minus the highest logit
    for log_odds in (3.1, 0.6, 9.9):
        expected[1, np.searchsorted(PT_EDGES, log_odds) - 1] += 1
    assert np.array_equal(sums.p_t, expected)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_left_to_the_guard_of_the_training(number):
    sums = imbalance_sums(SigmoidFocalLoss(), seen_of(torch.full((2, K), number), torch.tensor([0, K]), [2]), K)
    assert sums.p_t.sum() == (0 if np.isnan(number) else 2)


def test_histograms_of_a_softmax_use_its_scores():
    logits = torch.randn(50, K + 1, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % (K + 1)
    sums = imbalance_sums(SoftmaxCrossEntropyLoss(), seen_of(logits, labels, [50]), K)
    prob = logits.double().softmax(1)
    own = [prob[i, n].item() if n < K else 1 - prob[i, :K].max().item() for i, n in enumerate(labels.tolist())]
    log_odds = np.log(own) - np.log1p(-np.array(own))
    for row, mask in enumerate((labels == K, labels < K)):
        assert np.array_equal(sums.p_t[row], np.histogram(log_odds[mask.numpy()], PT_EDGES)[0])


def test_half_precision_and_sums_of_passes():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 30, K).bfloat16(), torch.randint(0, K + 1, (2, 30))
    halves = [imbalance_sums(SigmoidFocalLoss(), seen_of(x, y, [30]), K) for x, y in zip(logits, labels, strict=True)]
    both = imbalance_sums(SigmoidFocalLoss(), seen_of(logits.flatten(0, 1), labels.flatten(), [30]), K)
    whole = halves[0] + halves[1]
    for table in ("background", "foreground", "sizes", "classes", "p_t"):
        np.testing.assert_allclose(getattr(whole, table), getattr(both, table), rtol=1e-6)
