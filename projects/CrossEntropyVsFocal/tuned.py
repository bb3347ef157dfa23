# Does focal loss stay ahead when both losses are tuned? The first trial of each search has the defaults and starts from
# the loss's own best constant score. Both searches have the same budget:
#     retina tune --study projects/CrossEntropyVsFocal/tuned.py --trials 16
#     retina ablate --study projects/CrossEntropyVsFocal/tuned.py --tuned-by output/tuned_tuning/tuned.json
# Learning rate, start and clipping of both are tuned, and alpha and gamma of focal loss.
from .study import study

study.overrides = [*study.overrides, "train.eval_period=0", "model.head.prior_prob=stationary"]
study.variants = dict(focal=[], ce=["model.cls_loss=${losses.sigmoid_ce}"])
study.seeds = [0, 1, 2, 3, 4, 5]
study.hypotheses = [dict(better="focal", than="ce", metric="AP")]
study.tune = dict(weight=None, rungs=[0.5, 1.0])  # a quarter of 80 iterations would say little
study.paper = {}
study.output_dir = "./output/tuned"
