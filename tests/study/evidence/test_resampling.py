"""AP on resampled images, compared with pycocotools on data sets with repeated images."""

import contextlib
import io
import time
from collections import Counter

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retina_plugin.study.evidence.matching import match_detections
from retina_plugin.study.evidence.resampling import image_weights, resample_metrics

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def scene(rng, num_images, num_objects, num_false, num_categories=3):
    """Images, annotations and detections of all sizes, with crowds, images without objects, and one without either."""
    images = [{"id": 10 + i, "width": 640, "height": 480} for i in range(num_images)]
    annotations, detections = [], []
    for image in images[2:]:
        for _ in range(rng.poisson(num_objects)):
            box = _box(rng)
            key = {"image_id": image["id"], "category_id": int(rng.integers(1, num_categories + 1))}
            crowd = int(rng.random() < 0.05)
            own = {"bbox": box, "area": box[2] * box[3], "iscrowd": crowd, "id": len(annotations) + 1}
            annotations.append(key | own)
            if rng.random() < 0.8:
                near = [v * f for v, f in zip(box, rng.normal(1, 0.05, 4), strict=True)]
                detections.append(key | {"bbox": near, "score": rng.beta(4, 2)})
    for image in images[1:]:
        for _ in range(num_false):
            category = int(rng.integers(1, num_categories + 1))
            key = {"image_id": image["id"], "category_id": category}
            detections.append(key | {"bbox": _box(rng), "score": rng.beta(2, 4)})
    categories = [{"id": k, "name": f"c{k}"} for k in range(1, num_categories + 2)]  # one is never seen
    return {"images": images, "annotations": annotations, "categories": categories}, detections


def _box(rng):
    width, height = rng.choice([14, 50, 150], 2) * rng.uniform(0.8, 1.5, 2)
    return [rng.uniform(0, 480), rng.uniform(0, 330), float(width), float(height)]


def coco(dataset):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
    return truth


def pycocotools_metrics(dataset, detections):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco(dataset)
        evaluation = COCOeval(truth, truth.loadRes([dict(d) for d in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, 100 * evaluation.stats[:6], strict=True))


def repeat_images(dataset, detections, times):
    """The data set with image i `times[i]` times over, under new ids."""
    images, annotations, found = [], [], []
    for image, count in zip(dataset["images"], times, strict=True):
        for _ in range(count):
            new = {"image_id": len(images) + 1}
            images.append(image | {"id": new["image_id"]})
            for a in dataset["annotations"]:
                if a["image_id"] == image["id"]:
                    annotations.append(a | new | {"id": len(annotations) + 1})
            found += [d | new for d in detections if d["image_id"] == image["id"]]
    return dataset | {"images": images, "annotations": annotations}, found


def test_with_all_weights_1_metrics_equal_those_of_pycocotools():
    for seed in range(3):
        dataset, detections = scene(np.random.default_rng(seed), 12, 6, 20)
        matches = match_detections(coco(dataset), detections)
        ours = resample_metrics(matches, np.ones((12, 1)))
        theirs = pycocotools_metrics(dataset, detections)
        for metric in METRICS:
            assert ours[metric][0] == pytest.approx(theirs[metric], abs=1e-11), metric
        by_class = [100 * matches.precision[:, :, k].mean() for k in range(3)]
        assert [ours[f"AP-c{k}"][0] for k in (1, 2, 3)] == pytest.approx(by_class, abs=1e-11)
        assert np.isnan(ours["AP-c4"]).all()


def test_weights_equal_repeated_images():
    rng = np.random.default_rng(7)
    dataset, detections = scene(rng, 10, 5, 8)
    times = np.column_stack([image_weights(10, 4), np.arange(10) % 3])
    ours = resample_metrics(match_detections(coco(dataset), detections), times)
    for b in range(times.shape[1]):
        theirs = pycocotools_metrics(*repeat_images(dataset, detections, times[:, b]))
        for metric in METRICS:
            assert ours[metric][b] == pytest.approx(theirs[metric], abs=1e-11), (b, metric)


def test_detections_beyond_max_dets_do_not_count():
    dataset, detections = scene(np.random.default_rng(0), 6, 6, 60)
    few = resample_metrics(match_detections(coco(dataset), detections, 12), np.ones((6, 1)))
    best, taken = [], Counter()
    for d in sorted(detections, key=lambda d: -d["score"]):
        taken[d["image_id"], d["category_id"]] += 1
        best += [d] if taken[d["image_id"], d["category_id"]] <= 12 else []
    assert len(best) < len(detections)
    assert few["AP"][0] == pytest.approx(pycocotools_metrics(dataset, best)["AP"], abs=1e-11)


def test_without_detections_ap_is_0_and_nan_for_categories_without_objects():
    dataset, _ = scene(np.random.default_rng(0), 6, 6, 0)
    metrics = resample_metrics(match_detections(coco(dataset), []), image_weights(6, 20))
    assert (metrics["AP"] == 0).all() and np.isnan(metrics["AP-c4"]).all()


def test_500_resamples_of_87_dense_images_take_seconds():
    dataset, detections = scene(np.random.default_rng(0), 87, 14, 85)
    matches = match_detections(coco(dataset), detections)
    start = time.process_time()
    metrics = resample_metrics(matches, image_weights(87, 500))
    seconds = time.process_time() - start
    print(f"{len(detections) / 87:.0f} detections an image, 500 resamples in {seconds:.2f} s")
    assert seconds < 5 and metrics["AP"].std() > 0


def test_the_same_images_are_drawn_each_time():
    weights = image_weights(9, 50)
    assert (weights == image_weights(9, 50)).all() and (weights.sum(axis=0) == 9).all()
