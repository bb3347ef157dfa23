"""Evaluation of a study's runs without a score threshold.

Losses differ in the scores that they give to detected objects. With a threshold, AP would also measure this difference.
"""

from omegaconf import DictConfig, OmegaConf

from ...config.calls import is_call, target_of
from ...evaluation import COCOEvaluator


def evaluate_all_scores(cfg: DictConfig) -> None:
    """Change `cfg` so that its evaluation uses all scores, and also reports AP at the threshold of `cfg`.

    `model.test_score_thresh` becomes 0, and its former value becomes `dataloader.evaluator.deployment_thresh` unless
    that is set. A config without this threshold, or without a COCOEvaluator of this package, is not changed.
    """
    model, evaluator = (OmegaConf.select(cfg, key) for key in ("model", "dataloader.evaluator"))
    target = target_of(evaluator) if is_call(evaluator) else None
    if not is_call(model) or "test_score_thresh" not in model:
        return
    if not isinstance(target, type) or not issubclass(target, COCOEvaluator):
        return
    if evaluator.get("deployment_thresh") is None:
        evaluator.deployment_thresh = model.test_score_thresh
    model.test_score_thresh = 0.0
