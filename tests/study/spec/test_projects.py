"""Every variant of every project: which keys it changes, and that it trains."""

import functools

import pytest
import torch
from conftest import ROOT, TINY
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from omegaconf import OmegaConf

from retina_plugin.config import load_config
from retina_plugin.engine.prior import set_stationary_prior
from retina_plugin.engine.setup import build_model
from retina_plugin.modeling.losses import STATIONARY
from retina_plugin.study import load_study
from retina_plugin.study.spec.study import MATCHED_SCALE

STUDIES = sorted(ROOT.glob("projects/*/*.py"))
every_study = pytest.mark.parametrize("path", STUDIES, ids=[f"{p.parent.name}/{p.name}" for p in STUDIES])
load = functools.cache(load_study)
SMALL_MODEL = [override for override in TINY if override.startswith("model.")]


def differences(a, b, path=""):
    """Dotted keys in which two configs differ, interpolations as they stand."""
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return {path} if a != b else set()
    pairs = [(a.get(k), b.get(k), f"{path}.{k}".lstrip(".")) for k in {**a, **b}]
    return set().union(*(differences(*pair) for pair in pairs))


@every_study
def test_a_variant_differs_from_the_base_only_in_its_overrides(path):
    """Interpolations are compared as written, so values derived from an override are not differences."""
    study = load(path)
    base = OmegaConf.to_container(load_config(study.base), resolve=False)
    for variant in study.variants:
        cfg = OmegaConf.to_container(load_config(study.base, variant.overrides), resolve=False)
        assert differences(base, cfg) == {o.partition("=")[0] for o in variant.overrides}


@every_study
def test_no_two_variants_are_the_same(path):
    study = load(path)
    assert len({frozenset(v.overrides) for v in study.variants}) == len(study.variants) > 1
    assert study.reference in [v.name for v in study.variants]


@every_study
def test_every_variant_takes_a_step(path):
    study = load(path)
    for variant in study.variants:
        overrides = [o for o in (*study.overrides, *variant.overrides) if o != MATCHED_SCALE]
        cfg = load_config(study.base, [*SMALL_MODEL, *overrides])
        if cfg.model.head.prior_prob == STATIONARY:
            set_stationary_prior(cfg, foreground_share=1e-3)
        model = build_model(cfg)
        before = model.head.cls_score.weight.detach().clone()
        optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
        with EventStorage():
            total = sum(model([image()]).values())
        total.backward()
        optimizer.step()
        assert torch.isfinite(total)
        assert not torch.equal(model.head.cls_score.weight, before)


def image():
    boxes = Boxes(torch.tensor([[8.0, 8.0, 40.0, 40.0]]))
    instances = Instances((64, 64), gt_boxes=boxes, gt_classes=torch.tensor([1]))
    return {"image": torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8), "instances": instances}
