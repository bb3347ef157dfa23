# Does focal loss forgive a wrong start, or does .01 merely suit it? Each loss starts at the constant score that is best
# for it on these data, and as far above and below it as .01 is above that of cross entropy: 3.8 logits.
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
