"""The benchmarks of inference, label assignment and evaluation: both sides do the same, and their times are told."""

import cv2
import forked
import numpy as np
import pytest
import torch
from conftest import QUICK, TINY
from detectron2.config import instantiate

from retina_plugin.benchmark.assign import benchmark_assignment
from retina_plugin.benchmark.evaluation import benchmark_evaluation
from retina_plugin.benchmark.inference.candidates import benchmark_candidates
from retina_plugin.benchmark.inference.infer import benchmark_inference
from retina_plugin.benchmark.inference.predict import benchmark_prediction
from retina_plugin.benchmark.pairs import WARM_UP, format_times, seconds_of, time_in_turn
from retina_plugin.benchmark.peers import detectron2_peer
from retina_plugin.benchmark.step import _SIDES, benchmark_step
from retina_plugin.data import DataError


def test_ratios_are_medians_over_rounds(monkeypatch):
    clock = iter([0.0] * 8 + [0, 2, 2, 3, 3, 5, 5, 9, 9, 19, 19, 20])  # two rounds that warm up, and three
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    found = time_in_turn({"a": lambda: None, "b": lambda: None}, 3)
    assert found["a"] == {"seconds": 2, "ratio": 1, "lowest": 1, "highest": 1}
    assert found["b"] == {"seconds": 1, "ratio": 0.5, "lowest": 0.1, "highest": 2}
    assert "0.100 to 2.000" in format_times(found) and "/ a" in format_times(found)


def test_work_that_a_gpu_has_not_finished_is_not_timed(monkeypatch):
    calls = []
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: calls.append("wait"))
    monkeypatch.setattr("time.perf_counter", lambda: calls.append("clock") or 0.0)
    seconds_of(lambda: calls.append("run"))
    assert calls == ["wait", "clock", "run", "wait", "clock"]


def test_the_stock_detector_has_the_same_detections(tiny_cfg):
    model = instantiate(tiny_cfg("model.test_score_thresh=0.0095").model).eval()
    batch = [{"image": torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)}]
    with torch.no_grad():
        ours, theirs = (m(batch)[0]["instances"] for m in (model, detectron2_peer(model)))
    assert len(ours) > 0 and torch.equal(ours.scores, theirs.scores)
    assert torch.equal(ours.pred_boxes.tensor, theirs.pred_boxes.tensor)


def test_logits_that_the_stock_detector_would_misread_are_refused(tiny_cfg):
    with pytest.raises(ValueError, match="4 logits for 3 classes, Detectron2's RetinaNet one per class"):
        detectron2_peer(instantiate(tiny_cfg("model.cls_loss=${losses.softmax_ce}").model))


def test_inference_without_its_reference_or_with_too_many_candidates_ends(monkeypatch):
    with pytest.raises(ValueError, match="one per class"):
        benchmark_inference(QUICK, (64, 64), 9, 1, [*TINY, "model.cls_loss=${losses.softmax_ce}"], memory=False)
    with pytest.raises(ValueError, match="10000000 candidates are more than the .* scores of this image"):
        benchmark_inference(QUICK, (64, 64), 10**7, 1, TINY, memory=False)


def test_inference_is_timed_with_the_candidates_that_are_asked_for(monkeypatch):
    seen = {}

    def count(sides, repeats):
        seen.update(sides=list(sides), repeats=repeats, stock=sides["detectron2"])
        for run in sides.values():
            run()
        return {name: {"seconds": 1.0, "ratio": 1.0, "lowest": 1.0, "highest": 1.0} for name in sides}

    monkeypatch.setattr("retina_plugin.benchmark.inference.infer.time_in_turn", count)
    monkeypatch.setattr("retina_plugin.benchmark.inference.infer.has_bfloat16", lambda device: True)
    found = benchmark_inference(QUICK, (96, 128), 40, 5, [*TINY, "model.test_score_thresh=0.05"], 2, memory=False)
    assert [name for name in seen["sides"] if "," not in name] == ["detectron2", "float32", "bfloat16"]
    assert seen["repeats"] == 5 and len(seen["stock"].args[0]) == 2
    assert found["detectron2"]["gflop"] > 0 and "ratio" not in found["matmul, float32"]
    model, (batch,) = seen["stock"].func, seen["stock"].args
    with torch.no_grad():
        features = model.backbone(model.preprocess_image(batch).tensor)
        logits = model.head([features[name] for name in model.head_in_features])[0]
    above = sum((x[0].sigmoid() > model.test_score_thresh).sum() for x in logits)
    assert above == pytest.approx(40, abs=1)


def test_all_sides_predict_the_same_files_in_turn(trained_run, tmp_path, monkeypatch):
    found = {}

    def collect(sides, repeats):
        found.update({name: [run() for _ in range(repeats)] for name, run in sides.items()})

    for number in (0, 1):
        noise = np.random.RandomState(number).randint(0, 255, (48, 64, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), noise)
    monkeypatch.setattr("retina_plugin.benchmark.inference.predict.time_in_turn", collect)
    monkeypatch.setattr("retina_plugin.benchmark.inference.predict.has_bfloat16", lambda device: True)
    benchmark_prediction(str(trained_run), [str(tmp_path)], 3)
    assert list(found) == ["detectron2", "float32", "bfloat16"]
    for theirs, ours, half in zip(*found.values(), strict=True):
        assert len(ours) and not ours.scores[:5].equal(half.scores[:5])
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=1e-5)
        boxes, expected = (x.pred_boxes.tensor[:20] for x in (ours, theirs))  # equal scores come later
        torch.testing.assert_close(boxes, expected, rtol=0, atol=1e-2)
    first, second, third = (x.scores for x in found["float32"])
    assert first.equal(third) and not first[:5].equal(second[:5])


def test_an_image_that_only_one_side_can_read_is_named(trained_run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="OpenCV cannot read image .*a.png"):
        benchmark_prediction(str(trained_run), [str(tmp_path)], 1)


def test_candidates_are_as_many_as_are_asked_for_and_both_sides_find_the_same(monkeypatch):
    found = {}

    def compare(sides, repeats):
        found["logits"] = next(sides["detectron2"].args[-2])
        found.update({name: run()[0] for name, run in sides.items()})

    monkeypatch.setattr("retina_plugin.benchmark.inference.candidates.time_in_turn", compare)
    benchmark_candidates((96, 128), 700, 1)
    assert sum(int((x.sigmoid() > 0.05).sum()) for x in found["logits"]) == pytest.approx(700, abs=1)
    ours, theirs = found["retina_plugin"], found["detectron2"]
    assert len(ours) == 100
    torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pred_boxes.tensor, theirs.pred_boxes.tensor, rtol=0, atol=1e-2)


def test_more_candidates_than_scores_are_refused():
    with pytest.raises(ValueError, match="100000 scores above the threshold are more than the 61920 of this image"):
        benchmark_candidates((64, 64), 100_000, 1)


def test_assignment_is_timed():
    found = benchmark_assignment((64, 96), 3, 1)
    assert list(found) == ["detectron2", "retina_plugin"] and found["retina_plugin"]["seconds"] > 0


def test_evaluation_gives_both_sides_the_same_ap():
    found = benchmark_evaluation(6, 10, 3)
    assert list(found) == ["metric, pycocotools", "metric", "evaluator, Detectron2", "evaluator"]
    assert len({x["AP"] for x in found.values()}) == 1 and found["metric"]["AP"] > 0


def test_both_sides_of_a_step_train_on_the_same_batches(monkeypatch):
    losses = {}

    def compare(sides, steps):
        for name, run in sides.items():
            if "," in name:  # the machine
                continue
            losses[name] = []
            for _ in range(steps + WARM_UP):
                run()
                values = run.args[0].storage.latest()
                losses[name].append([values[key][0] for key in ("loss_cls", "loss_box_reg")])
        return {name: {"seconds": 1.0, "ratio": 1.0, "lowest": 1.0, "highest": 1.0} for name in sides}

    monkeypatch.setattr("retina_plugin.benchmark.step.time_in_turn", compare)
    gflop = iter([1.0, 3.0])  # of the two batches that are timed
    monkeypatch.setattr("retina_plugin.benchmark.step.count_gflop", lambda run: run() or next(gflop))
    monkeypatch.setattr("retina_plugin.benchmark.memory.subprocess", forked)
    found = benchmark_step(QUICK, 2, TINY)
    assert len(losses["retina_plugin"]) == 4 and len({tuple(x) for x in losses["retina_plugin"]}) > 1
    torch.testing.assert_close(
        torch.tensor(losses["retina_plugin"]), torch.tensor(losses["detectron2"]), rtol=1e-3, atol=1e-5
    )
    assert all(found[side]["peak_mb"] > 100 for side in losses) and found["detectron2"]["gflop"] == 2.0


def test_a_step_accumulates_as_training_does(tiny_cfg):
    trainer = _SIDES["retina_plugin"](tiny_cfg("train.accumulation=2"), [])
    assert trainer.update.accumulation == 2
