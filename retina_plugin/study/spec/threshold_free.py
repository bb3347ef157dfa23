"""Evaluation of a study's runs without a score threshold.

Losses differ in the scores that they give to detected objects. With a threshold, AP would also measure this difference.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config.calls import is_call, target_of
from ...evaluation import COCOEvaluator


def evaluate_all_scores(cfg: DictConfig) -> None:
    """Change `cfg` so that its evaluation uses all scores, and also reports AP at the threshold of `cfg`.

    `model.test_score_thresh` becomes 0, and its former value becomes the `deployment_thresh` of evaluators that have
    none. A config without this threshold, or without a COCOEvaluator of this package, is not changed.
    """
    model, evaluator = (OmegaConf.select(cfg, key) for key in ("model", "dataloader.evaluator"))
    own = [node for node in (evaluator if OmegaConf.is_list(evaluator) else [evaluator]) if _is_coco(node)]
    if not own or not is_call(model) or "test_score_thresh" not in model:
        return
    for node in own:
        if node.get("deployment_thresh") is None:
            node.deployment_thresh = model.test_score_thresh
    model.test_score_thresh = 0.0


def _is_coco(node: Any) -> bool:
    target = target_of(node) if is_call(node) else None
    return isinstance(target, type) and issubclass(target, COCOEvaluator)
