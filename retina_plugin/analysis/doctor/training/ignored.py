"""Keys that nothing reads, although the config accepts them."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ....config import get_config
from ....config.calls import is_call
from ....config.walk import as_text, leaves
from ..finding import Finding
from ..subject import Subject
from .settings import class_of, unread_keys

_SECTIONS = ("model", "dataloader", "optimizer", "lr_multiplier", "train", "metadata")
_LOSSES = {"losses": "cls_loss", "box_losses": "box_loss"}  # the key of the model that chooses from each section
_LAZY_KEYS = {  # keys of this project's configs by prefix of Detectron2's yacs key
    "MODEL.ROI_HEADS.NUM_CLASSES": "model.num_classes",
    "MODEL.RETINANET.NUM_CLASSES": "model.num_classes",
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": "model.test_score_thresh",
    "MODEL.RETINANET.SCORE_THRESH_TEST": "model.test_score_thresh",
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": "model.test_nms_thresh",
    "MODEL.RETINANET.FOCAL_LOSS": "model.cls_loss",
    "MODEL.ANCHOR_GENERATOR": "model.anchor_generator",
    "MODEL.WEIGHTS": "train.init_checkpoint",
    "SOLVER.BASE_LR": "optimizer.lr",
    "SOLVER.MAX_ITER": "train.max_iter",
    "SOLVER.IMS_PER_BATCH": "dataloader.train.total_batch_size",
    "SOLVER.STEPS": "lr_multiplier",
    "INPUT": "dataloader.train.mapper.augmentations",
    "DATASETS.TRAIN": "dataloader.train.dataset.names",
    "DATASETS.TEST": "dataloader.test.dataset.names",
    "TEST.EVAL_PERIOD": "train.eval_period",
}


def unread(subject: Subject) -> Iterator[Finding]:
    """Values outside the sections of a training that no interpolation reads: detectron2#1351, #52, #1213.

    Examples are Detectron2's yacs keys in a lazy config, such as those of ROI heads, which RetinaNet lacks.
    """
    for section in subject.cfg:
        if section in (*_SECTIONS, *_LOSSES) or is_call(subject.cfg[section]):  # a LazyCall may be an option to choose
            continue
        for key, value in unread_keys(subject.cfg, section):
            yacs = next((lazy for old, lazy in _LAZY_KEYS.items() if key.startswith(old)), None)
            message = f"{key}={as_text(value)} has no effect: no part of the training reads it"
            fix = f"set {yacs} instead" if yacs else f"delete it, or refer to it with ${{{key}}}"
            yield Finding("warning", "key-not-read", message, key, fix)


def unread_losses(subject: Subject) -> Iterator[Finding]:
    """A changed setting of a loss in the sections `losses` and `box_losses` that the model does not use."""
    shipped = get_config("common/losses.py")
    for section, part in _LOSSES.items():
        if not OmegaConf.is_dict(subject.cfg.get(section)):
            continue
        usual = dict(leaves({section: OmegaConf.to_container(shipped[section], resolve=False)}))
        known = {key.split(".")[1] for key in usual}
        for key, value in unread_keys(subject.cfg, section):
            name = key.split(".")[1]
            if name in known and not key.endswith("_target_") and (key, value) not in usual.items():
                yield _unread_loss(subject.cfg, part, key, value)


def _unread_loss(cfg: DictConfig, part: str, key: str, value: Any) -> Finding:
    section, name, setting = key.split(".", 2)
    used = class_of(cfg, f"model.{part}")
    same = used == class_of(cfg, f"{section}.{name}")
    message = f"{key}={as_text(value)} has no effect: model.{part} is a {used or 'loss'} that does not read it"
    fix = f"model.{part}.{setting}={as_text(value)}" if same else f"model.{part}='${{{section}.{name}}}'"
    return Finding("warning", "loss-setting-not-read", message, key, fix)
