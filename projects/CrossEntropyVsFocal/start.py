# Does focal loss tolerate a wrong start, or does .01 merely suit it? Each loss starts at its own best constant score on
# these data, and 3.8 logits above and below it. With cross entropy, .01 lies 3.8 logits above that score.
from .study import study

CE = "model.cls_loss=${losses.sigmoid_ce}"
study.variants = dict(
    focal=["model.head.prior_prob=stationary"],
    focal_above=["model.head.prior_prob=0.584"],
    focal_below=["model.head.prior_prob=0.0007"],
    ce=[CE, "model.head.prior_prob=stationary"],
    ce_above=[CE],  # .01
    ce_below=[CE, "model.head.prior_prob=5e-6"],
)
study.overrides = [*study.overrides, "train.eval_period=0"]
study.hypotheses = [
    dict(better="focal", than="ce", metric="AP"),
    dict(better="focal_above", than="ce_above", metric="AP"),
    dict(better="focal_below", than="ce_below", metric="AP"),
]
study.paper = {}
study.output_dir = "./output/start"
