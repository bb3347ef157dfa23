"""The detections of a run beside the objects of its test data, matched as COCO does at one IoU threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from pycocotools.coco import COCO

from ...data import DataError, dataset_metadata, dataset_names
from ...engine.run_data import check_classes
from ...evaluation.box_metrics import BoxEvaluation, Detection, evaluate_boxes
from ...evaluation.truth import read_truth
from ...run_folder import DETECTIONS, read_config, read_detections
from ...study.evidence.by_image import coco_test_data
from ..pasting import evaluating


@dataclass(frozen=True)
class Objects:
    """The G objects of I images, without crowds.

    Attributes:
        image: (G,) index of the image.
        label: (G,) class, 0..K-1 in the order of category ids.
        box: (G, 4) XYWH in pixels of the original image.
        area: (G,) in square pixels, as the json file says.
    """

    image: np.ndarray
    label: np.ndarray
    box: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class Found:
    """The D detections that COCO evaluates: of each image and class, those with the highest scores.

    Attributes:
        image, label, box: as in `Objects`.
        score: (D,) in [0, 1].
        matched: (D,) index of the object that COCO's matching gives a detection; -1 is none.
        ignored: (D,) bool, whether a detection lies in a crowd and does not count.
    """

    image: np.ndarray
    label: np.ndarray
    box: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray


@dataclass(frozen=True)
class Results:
    """One run on its test data.

    Attributes:
        name: of the run on pages.
        cfg: its config.
        image_ids, files: I ids of the json file, ascending, and the paths of these images.
        classes: K names.
        iou: the threshold of `found.matched`.
        coco: COCO's metrics at IoU .5 to .95, all classes and area ranges.
    """

    name: str
    cfg: DictConfig
    image_ids: tuple[int, ...]
    files: tuple[str, ...]
    classes: tuple[str, ...]
    iou: float
    objects: Objects
    found: Found
    coco: BoxEvaluation


def read_results(run_dir: str | Path, iou: float = 0.5, trust: Sequence[str] = (), name: str | None = None) -> Results:
    """The detections of a run folder's last evaluation, and the objects of its test data.

    `name` is that of the run on pages, by default that of its folder.

    Raises:
        ConfigError: if the folder holds no config.yaml.
        DataError: if there are no detections or no COCO json, or if they do not belong together.
    """
    cfg = read_config(run_dir, trust=trust)
    path = Path(run_dir, DETECTIONS)
    if not path.is_file():
        raise DataError(f"{path} is missing: evaluate the run first, with retina train {evaluating(run_dir)}")
    try:
        json_file, max_dets = coco_test_data(cfg)
        check_classes(cfg, "test")
        truth, detections = read_truth(json_file), read_detections(run_dir)
        image_root = str(dataset_metadata(dataset_names(cfg, "test")[0]).image_root)
        return match_results(truth, detections, iou, max_dets, name or Path(run_dir).name, cfg, image_root)
    except (ValueError, TypeError, KeyError) as e:
        reason = str(e) if isinstance(e, DataError) else f"{type(e).__name__}: {e}"
        raise DataError(f"{path} cannot be compared with the test data of the run: {reason}") from e


def match_results(
    truth: COCO,
    detections: Sequence[Detection],
    iou: float = 0.5,
    max_dets: int = 100,
    name: str = "",
    cfg: DictConfig | None = None,
    image_root: str = "",
) -> Results:
    """Match detections in COCO's result format with objects; `truth` is complete as by `complete_annotations`.

    Raises:
        ValueError: if a detection is in an image that is not in `truth`.
    """
    detections = [d for d in detections if d["category_id"] in truth.cats]
    coco = evaluate_boxes(truth, detections, [max_dets])
    at_iou = evaluate_boxes(truth, detections, [max_dets], ious=[iou], all_areas_only=True)
    objects, places = _objects(truth, coco)
    files = [str(Path(image_root, str(truth.imgs[i].get("file_name", "")))) for i in coco.image_ids]
    return Results(
        name=name,
        cfg=cfg if cfg is not None else DictConfig({}),
        image_ids=tuple(coco.image_ids),
        files=tuple(files),
        classes=tuple(str(truth.cats[i]["name"]) for i in coco.category_ids),
        iou=iou,
        objects=objects,
        found=_found(at_iou, detections, places),
        coco=coco,
    )


def _objects(truth: COCO, coco: BoxEvaluation) -> tuple[Objects, dict[int, int]]:
    """The objects, and their indices by number of the annotation, as `BoxEvaluation.cells` counts them from 1."""
    images, labels = ({own: i for i, own in enumerate(ids)} for ids in (coco.image_ids, coco.category_ids))
    numbered = enumerate(truth.loadAnns(truth.getAnnIds()), 1)
    known = [(n, a) for n, a in numbered if a["image_id"] in images and a["category_id"] in labels]
    kept = [(n, a) for n, a in known if not a["iscrowd"]]
    objects = Objects(
        image=np.array([images[a["image_id"]] for _, a in kept], int),
        label=np.array([labels[a["category_id"]] for _, a in kept], int),
        box=np.array([a["bbox"] for _, a in kept], float).reshape(-1, 4),
        area=np.array([a["area"] for _, a in kept], float),
    )
    return objects, {number: place for place, (number, _) in enumerate(kept)}


def _found(coco: BoxEvaluation, detections: Sequence[Detection], places: dict[int, int]) -> Found:
    """The detections in COCO's order: by image, and highest score first."""
    rows = []
    for (label, _, image), cell in coco.cells.items():
        columns = zip(cell["dtIds"], cell["dtMatches"][0], cell["dtIgnore"][0], strict=True)
        for number, match, ignored in columns:
            detection = detections[int(number) - 1]
            place = -1 if ignored else places.get(int(match), -1)
            rows.append((image, -detection["score"], label, *detection["bbox"], place, bool(ignored)))
    table = np.array(rows, float).reshape(-1, 9)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    image, label, matched, ignored = (table[:, i].astype(int) for i in (0, 2, 7, 8))
    return Found(image, label, table[:, 3:7], -table[:, 1], matched, ignored.astype(bool))


def by_image(image: np.ndarray, num_images: int) -> list[np.ndarray]:
    """For each image, the indices of its entries in `image`, (N,) indices of images."""
    ends = np.cumsum(np.bincount(image, minlength=num_images))
    return np.split(np.argsort(image, kind="stable"), ends[:-1])
