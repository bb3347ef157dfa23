"""What the doctor says of run folders with one fault each, and of sound ones."""

import json

import pytest
from detectron2.config import LazyCall
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator

from retina_plugin.analysis.doctor.after import RUN_CHECKS
from retina_plugin.analysis.doctor.after.cover import cover
from retina_plugin.analysis.doctor.after.record import Record
from retina_plugin.analysis.doctor.examine import examine_run
from retina_plugin.config import get_config
from retina_plugin.config.yaml_file import save_config
from retina_plugin.data import register_coco

QUICK = "quick/retinanet_tiny_synthetic.py"
CATEGORIES = [{"id": i, "name": name} for i, name in ((1, "cat"), (2, "dog"), (3, "owl"))]
SIDES = (30, 44, 60, 10)  # the last one is small
ITERATIONS = range(9, 100, 10)
FLAT = [2.30, 2.31, 2.29, 2.30, 2.30, 2.28, 2.30, 2.31, 2.30, 2.30]
RISING = [0.5, 0.4, 0.3, 0.32, 0.36, 0.4, 0.45, 0.5, 0.55, 0.6]


def annotations(sides=SIDES, images=10):
    """One object of each side per image, apart from each other, in turn of the three categories."""
    boxes = [
        {"image_id": i, "category_id": 1 + (i + n) % 3, "bbox": [10 + 100 * (n % 2), 10 + 100 * (n // 2), side, side]}
        for i in range(images)
        for n, side in enumerate(sides)
    ]
    return [{"id": number, "iscrowd": 0} | box for number, box in enumerate(boxes, 1)]


def sound_detections(truth):
    return [{k: x[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.9} for x in truth]


def lines(losses=None, aps=(30.0, 45.0, 48.0), **more):
    """Lines of metrics.json: losses every 10 iterations, and evaluations in equal distances."""
    losses = [1 / (1 + i / 10) for i in ITERATIONS] if losses is None else losses
    found = [{"iteration": i, "total_loss": x, "grad_norm": 3.0} for i, x in zip(ITERATIONS, losses, strict=False)]
    for name, values in more.items():
        name = name.replace("__", "/")
        found += [{"iteration": i, name: x} for i, x in zip(ITERATIONS, values, strict=False)]
    ends = [100 * (n + 1) // len(aps) for n in range(len(aps))]
    return sorted(found, key=lambda x: x["iteration"]) + [
        {"iteration": i, "bbox/AP": x} for i, x in zip(ends, aps, strict=True)
    ]


class Folder:
    """A sound run folder to change."""

    def __init__(self, path, cfg):
        self.path, self.cfg, self.truth = path, cfg, annotations()
        self.lines, self.detections = lines(), sound_detections(self.truth)
        self.files = {"model_final.pth": b"", "model_0000099.pth": b"", "last_checkpoint": b"model_final.pth"}

    def explain(self):
        (self.path / "inference").mkdir()
        for name, content in self.files.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).write_bytes(content)
        self.truth = [x | {"area": x["bbox"][2] ** 2} for x in self.truth]
        images = [{"id": i, "width": 200, "height": 200, "file_name": f"{i}.png"} for i in range(10)]
        whole = {"images": images, "annotations": self.truth, "categories": CATEGORIES}
        (self.path / "truth.json").write_text(json.dumps(whole))
        (self.path / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        if self.detections is not None:
            (self.path / "inference/coco_instances_results.json").write_text(json.dumps(self.detections))
        save_config(self.cfg, self.path / "config.yaml")
        return examine_run(self.path)


@pytest.fixture(scope="module")
def base():
    return get_config(QUICK, ["train.max_iter=100"])


@pytest.fixture
def folder(tmp_path, base):
    cfg = base.copy()
    call = LazyCall(register_coco)(json_file=str(tmp_path / "truth.json"), image_root=str(tmp_path))
    cfg.dataloader.test.dataset.names = call
    return Folder(tmp_path, cfg)


def relabelled(change):
    return lambda f: [x.update(category_id=change(x["category_id"])) for x in f.detections]


def repeated(f):
    f.cfg.model.test_nms_thresh = 0.9
    f.detections += [x | {"bbox": [x["bbox"][0] + 1, *x["bbox"][1:]], "score": 0.8} for x in f.detections]


def small_missed(f):
    f.detections = [x for x in f.detections if x["bbox"][2] > 20]


def set_lines(*args, **kwargs):
    return lambda f: setattr(f, "lines", lines(*args, **kwargs))


def clipped(f):
    f.cfg.train.clip_grad_norm = 0.1
    f.lines = lines(clipped_steps=[i + 1 for i in ITERATIONS])


def interrupted(f):
    f.lines = [line for line in f.lines if line["iteration"] < 60]
    f.files = {"model_0000049.pth": b"", "last_checkpoint": b"model_0000049.pth"}


def test_numbers_that_are_not_finite_hide_no_finding(folder):
    """As with train.nonfinite=skip: the median of the others counts, and the lowest of the others."""
    folder.cfg.train.clip_grad_norm = 0.1
    values = [RISING[0], float("nan"), *RISING[2:]]
    folder.lines = lines(clipped_steps=[i + 1 for i in ITERATIONS], validation__loss_cls=values)
    folder.lines[0]["grad_norm"] = float("nan")
    found = {x.code: x for x in folder.explain()}
    assert found.keys() == {"always-clipped", "over-confident"}
    assert found["always-clipped"].fix.startswith("train.clip_grad_norm=6,")


FAULTS = {
    "not-finite": lambda f: f.files.update({"nonfinite/iteration_0000012_rank0.pth": b""}),
    "diverged": set_lines([1, 0.8, 0.7, 0.9, 5, 30, 200, 900, 1e4, 1e5]),
    "loss-flat": set_lines(FLAT, aps=(1.0, 1.0, 1.0)),
    "always-clipped": clipped,
    "overfitting": set_lines(aps=(48.0, 47.0, 47.5), validation__loss_cls=RISING),
    "over-confident": set_lines(validation__loss_cls=RISING),
    "best-long-ago": set_lines(aps=(20.0, 40.0, 35.0, 30.0, 29.0)),
    "still-improving": set_lines(aps=(10.0, 20.0, 30.0)),
    "no-checkpoint": lambda f: f.files.clear(),
    "checkpoint-missing": lambda f: f.files.update({"last_checkpoint": b"model_0000055.pth"}),
    "unfinished": interrupted,
    "no-metrics": lambda f: f.lines.clear(),
    "no-detections": lambda f: f.detections.clear(),
    "no-results-file": lambda f: setattr(f, "detections", None),
    "low-scores": lambda f: [x.update(score=0.06) for x in f.detections],
    "ap-zero": set_lines(aps=(0.0, 0.0, 0.0)),
    "classes-exchanged": relabelled(lambda k: k % 3 + 1),  # each id is the next one
    "one-class": relabelled(lambda k: 2),
    "duplicates": repeated,
    "misses-small": small_missed,
}
ALSO = {"no-checkpoint": {"unfinished"}}  # without a final checkpoint a run is not finished


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_found_and_nothing_else(code, folder):
    FAULTS[code](folder)
    assert {x.code for x in folder.explain()} == {code} | ALSO.get(code, set())


def test_commands_to_paste_are_about_this_folder(folder):
    folder.path = folder.path / "a b"
    folder.path.mkdir()
    FAULTS["unfinished"](folder)
    folder.detections = None
    fixes = {x.code: x.fix for x in folder.explain()}
    flags = f"--config-file '{folder.path}/config.yaml' 'train.output_dir=\"{folder.path}\"'"
    assert fixes["unfinished"] == f"retina train {flags} --resume"
    assert fixes["no-results-file"].startswith(f"retina train {flags} --eval-only ")


def test_a_sound_run_has_no_fault(folder):
    assert folder.explain() == []


def test_a_detector_that_tells_little_gets_no_advice_about_small_objects(folder):
    FAULTS["misses-small"](folder)
    FAULTS["low-scores"](folder)
    assert {x.code for x in folder.explain()} == {"low-scores"}


def test_two_exchanged_classes_are_named(folder):
    relabelled(lambda k: {1: 2, 2: 1, 3: 3}[k])(folder)
    (found,) = folder.explain()
    assert found.code == "classes-exchanged" and "cat as dog, dog as cat" in found.message
    assert found.message.startswith("100% of 27 covered objects of 2 classes")


def test_two_rare_classes_that_are_confused_once_are_not_exchanged(folder):
    for entry in (*folder.truth, *folder.detections):
        entry["category_id"] = 1
    folder.truth[0]["category_id"] = folder.detections[1]["category_id"] = 2
    folder.truth[1]["category_id"] = folder.detections[0]["category_id"] = 3
    assert not folder.explain()


@pytest.mark.parametrize(
    ("code", "fix", "other"),
    [
        ("one-class", "model.cls_loss.alpha=[...] with", "more images"),
        ("misses-small", "model.anchor_generator.octave_base_scale=1.3", "smaller model.anchor_generator.sizes"),
    ],
)
def test_only_keys_that_the_config_has_are_advised(code, fix, other, folder):
    FAULTS[code](folder)
    (found,) = folder.explain()
    assert found.fix.startswith(fix)
    model, sizes = folder.cfg.model, [[32.0], [64.0], [128.0], [256.0], [512.0]]
    strides = [8, 16, 32, 64, 128]
    model.anchor_generator = LazyCall(DefaultAnchorGenerator)(sizes=sizes, aspect_ratios=[[1.0]], strides=strides)
    model.head.num_anchors, model.cls_loss = 1, "${losses.softmax_ce}"
    save_config(folder.cfg, folder.path / "config.yaml")
    (found,) = examine_run(folder.path)
    assert found.code == code and found.fix.startswith(other)


def test_the_strongest_detection_of_an_object_decides(folder):
    folder.detections += [x | {"category_id": 2, "score": 0.95} for x in folder.detections if x["category_id"] == 1]
    folder.explain()
    found = cover(Record(folder.path))
    assert set(found.covered[found.truth == 1]) == {2} and found.detected.all()
    assert set(found.covered[found.truth == 3]) == {3}


def test_a_loss_that_is_not_finite_is_found_without_a_dump(folder):
    folder.lines = lines([1.0, 0.8, float("nan")])
    assert {x.code for x in folder.explain()} == {"not-finite"}


def test_a_flat_loss_of_a_good_detector_is_no_fault(folder):
    folder.lines = lines(FLAT)
    assert folder.explain() == []


def test_a_loss_that_fell_at_once_is_not_flat(folder):
    losses = [2.0, 0.9, 0.6, *[0.57] * 12, *[0.56] * 5]
    folder.lines = [{"iteration": 5 * i + 4, "total_loss": x} for i, x in enumerate(losses)] + lines([], (8.0,))
    assert folder.explain() == []


def test_a_flat_loss_of_a_run_that_was_never_evaluated_says_nothing(folder):
    folder.lines = lines(FLAT, aps=())
    assert {x.code for x in folder.explain()} == {"unfinished"}


@pytest.mark.parametrize("aps", [(), (48.0,)])
def test_without_a_course_of_ap_a_rising_loss_is_overfitting(aps, folder):
    folder.lines = lines(aps=aps, validation__loss_cls=RISING)
    assert {x.code for x in folder.explain()} - {"unfinished"} == {"overfitting"}


def test_early_stopping_is_no_fault(folder):
    folder.cfg.train.early_stopping, folder.cfg.train.max_iter = 2, 1000
    folder.files = {"model_0000099.pth": b"", "last_checkpoint": b"model_0000099.pth"}
    assert folder.explain() == []


def test_without_its_data_a_run_is_still_examined(folder):
    FAULTS["diverged"](folder)
    folder.cfg.dataloader.test.dataset.names.json_file = "nowhere.json"
    assert {x.code for x in folder.explain()} == {"diverged"}


def test_a_trained_run_is_examined_by_every_check(trained_run):
    found = examine_run(trained_run)
    assert {x.code for x in found} <= {"low-scores", "ap-zero", "one-class", "loss-flat", "misses-small"}
    assert Record(trained_run).truth is not None and len(RUN_CHECKS) == 15


def test_a_folder_without_a_config_is_refused(tmp_path):
    (found,) = examine_run(tmp_path)
    assert found.code == "config-invalid" and "config.yaml" in found.message
    assert found.where == str(tmp_path) and "train.output_dir" in found.fix


def test_a_check_that_fails_does_not_hide_what_others_find(folder):
    FAULTS["diverged"](folder)
    FAULTS["no-detections"](folder)
    del folder.cfg.optimizer  # whose learning rate is part of the advice against divergence
    assert {x.code for x in folder.explain()} == {"check-failed", "no-detections"}


def test_a_model_without_anchors_is_examined(folder):
    small_missed(folder)
    folder.cfg.model.head.num_anchors = 9
    del folder.cfg.model.anchor_generator
    assert folder.explain() == []
