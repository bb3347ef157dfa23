"""From hand-made evidence to proposals: kinds, boxes, classes, order."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform
from scipy.special import expit, logit

from retina_plugin.analysis.labels.evidence import LEAST_SCORE, read_evidence
from retina_plugin.analysis.labels.odds import fit_by_class, fit_log_odds, margin
from retina_plugin.analysis.labels.proposals import propose

SIZE, GAP = 20, 60


def image(image_id, annotations, detections, crowds=(), scale=1):
    """Evidence of annotations (XYWH, category 1..3) and detections (XYWH, scores of the three classes)."""
    anchors = torch.tensor([box for box, _ in detections], dtype=torch.float32).reshape(-1, 4) * scale
    anchors[:, 2:] += anchors[:, :2]
    dense = SimpleNamespace(
        entry={"image_id": image_id, "file_name": f"{image_id}.png", "height": 400, "width": 400},
        logits=torch.tensor([scores for _, scores in detections], dtype=torch.float32).reshape(-1, 3).logit(),
        deltas=torch.zeros(len(detections), 4),
        anchors=anchors,
        scale=(scale, scale),
    )
    model = SimpleNamespace(
        cls_loss=SimpleNamespace(scores=torch.sigmoid),
        box2box_transform=Box2BoxTransform((1, 1, 1, 1)),
        test_nms_thresh=0.5,
    )
    boxes = [(box, category, 0) for box, category in annotations] + [(box, 1, 1) for box in crowds]
    entries = [
        {"id": 100 * image_id + i, "image_id": image_id, "category_id": category, "bbox": list(box), "iscrowd": crowd}
        for i, (box, category, crowd) in enumerate(boxes)
    ]
    return read_evidence(model, dense, entries, {1: 0, 2: 1, 3: 2})


def cell(i, dx=0):
    return (GAP * (i % 6) + dx, GAP * (i // 6), SIZE, SIZE)


def sound(image_id, score):
    """An image whose six objects are annotated and detected, and which has a weak false detection."""
    found = [(cell(i), np.roll([score, 0.1, 0.1], i % 3)) for i in range(6)]
    return image(image_id, [(cell(i), 1 + i % 3) for i in range(6)], [*found, (cell(8), [0.06, 0.06, 0.07])])


SOUND = [sound(i, 0.3 + 0.05 * i) for i in range(1, 11)]


def test_each_fault_leads_to_its_proposal():
    faulty = image(
        20,
        [(cell(1), 1), (cell(2, dx=8), 2), (cell(3), 3), (cell(4), 1)],
        [
            (cell(0), [0.1, 0.9, 0.1]),
            (cell(1), [0.1, 0.1, 0.9]),
            (cell(2), [0.1, 0.9, 0.1]),
            (cell(4), [0.9, 0.1, 0.1]),
        ],
    )
    first = propose([*SOUND, faulty], 3)[:4]
    assert {p.image_id for p in first} == {20} and all(p.strength > 0 for p in first)
    assert [p.id for p in first] == [1, 2, 3, 4]
    by_kind = {p.kind: p for p in first}
    missing, wrong, misplaced, spurious = (by_kind[k] for k in ("missing", "wrong class", "misplaced", "spurious"))
    assert (missing.annotation_id, missing.old_box, missing.new_label) == (None, None, 1)
    assert missing.new_box == pytest.approx([0, 0, 20, 20], abs=1e-4) and missing.score == pytest.approx(0.9)
    assert (wrong.annotation_id, wrong.old_label, wrong.new_label) == (2000, 0, 2)
    assert wrong.new_box == wrong.old_box
    assert (misplaced.annotation_id, misplaced.old_label, misplaced.new_label) == (2001, 1, 1)
    assert misplaced.old_box == [128, 0, 148, 20] and misplaced.new_box == pytest.approx([120, 0, 140, 20], abs=1e-4)
    assert (spurious.annotation_id, spurious.new_box, spurious.new_label) == (2002, None, None)
    assert spurious.score == pytest.approx(LEAST_SCORE)


def test_a_sound_set_has_no_proposal_above_zero():
    assert [p for p in propose(SOUND, 3) if p.strength > 0] == []


def test_stronger_evidence_makes_stronger_proposals():
    faulty = [image(20 + i, [], [(cell(0), [score, 0.1, 0.1])]) for i, score in enumerate((0.5, 0.9, 0.7))]
    found = [p for p in propose([*SOUND, *faulty], 3) if p.image_id >= 20]
    assert [p.image_id for p in found] == [21, 22, 20]


def test_an_annotation_whose_place_scores_as_high_is_not_misplaced():
    """The detector is unsure of the box, as its neighbouring anchors show: that is no fault of the annotation."""

    def strength(score_of_tight):
        loose, tight = (cell(0, dx=7), [0.7, 0.1, 0.1]), (cell(0, dx=2), [score_of_tight, 0.1, 0.1])
        found = propose([*SOUND, image(20, [(cell(0), 1)], [loose, tight])], 3)
        return next((p.strength for p in found if p.image_id == 20 and p.kind == "misplaced"), None)

    assert strength(0.75) is None
    assert strength(0.1) > strength(0.4) > 0


def test_nothing_is_missing_next_to_an_annotation_or_in_a_crowd():
    detections = [(cell(0, dx=12), [0.9, 0.1, 0.1]), (cell(2), [0.9, 0.1, 0.1])]
    evidence = image(20, [(cell(0), 3)], detections, crowds=[(100, 0, 90, 90)])
    assert len(evidence.scores) == 1 and evidence.overlaps == pytest.approx(8 / 32, abs=1e-5)
    assert {p.kind for p in propose([*SOUND, evidence], 3) if p.image_id == 20} == {"spurious"}


def test_boxes_are_in_pixels_of_the_original_image():
    evidence = image(1, [(cell(2), 1)], [(cell(2), [0.8, 0.2, 0.1]), (cell(2, dx=2), [0.1, 0.4, 0.1])], scale=2)
    assert evidence.boxes == pytest.approx(np.array([[120, 0, 140, 20]]), abs=1e-4)
    assert evidence.seen == pytest.approx(np.array([[0.8, 0.4, 0.1]])) and evidence.partner.tolist() == [0]


def test_images_without_annotations_or_detections():
    empty = image(30, [], [])
    assert propose([empty], 3) == []
    (only,) = propose([empty, image(31, [(cell(0), 1)], [])], 3)
    assert only.kind == "spurious" and only.score == pytest.approx(LEAST_SCORE)


def test_log_odds_at_two_values_are_those_of_the_shares():
    """With two values of x the line passes through both log-odds, which Platt's targets give in closed form."""
    x = np.repeat([-1.0, 2.0], [50, 30])
    answers = np.r_[np.arange(50) < 10, np.arange(30) < 24]
    high, low = 35 / 36, 1 / 48
    expected = [logit((10 * high + 40 * low) / 50), logit((24 * high + 6 * low) / 30)]
    slope, intercept = fit_log_odds(x, answers)
    assert slope * np.array([-1.0, 2.0]) + intercept == pytest.approx(expected, abs=1e-3)


def test_log_odds_stay_finite_and_never_fall():
    x = np.linspace(-2, 2, 40)
    _, intercept = fit_log_odds(x, np.ones(40, bool))
    assert 0 < intercept < 10
    assert fit_log_odds(x, x < 0)[0] == 0
    assert fit_log_odds(x, x > 0, through_origin=True)[1] == 0
    assert np.isfinite(fit_log_odds(np.zeros(0), np.zeros(0, bool))).all()


def test_lines_by_class_lie_between_all_and_their_own():
    """Without scores, n_k (p_k - share_k) = - what class k adds, where its likelihood and its prior balance."""
    counts, yes = np.array([400, 20, 0]), np.array([300, 2, 0])
    labels = np.repeat([0, 1, 2], counts)
    answers = np.concatenate([np.arange(n) < y for n, y in zip(counts, yes, strict=True)])
    x = np.zeros(420)
    lines, common = fit_by_class(x, labels, answers, 3), fit_log_odds(x, answers)[1]
    added = lines.intercepts - common
    assert counts * expit(lines.intercepts) - yes == pytest.approx(-added, abs=1e-2)
    assert added[2] == pytest.approx(0, abs=1e-6) and added[1] < -1 < 0 < added[0]


def test_margin_of_one_class_is_over_what_is_not_seen():
    assert margin(np.array([[0.5]])) == pytest.approx(-logit(LEAST_SCORE))
    assert margin(np.array([[0.1, 0.8, 0.5]])) == pytest.approx(logit(0.8))
