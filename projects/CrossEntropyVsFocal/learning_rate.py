# Does the lead of focal loss depend on the learning rate? Each loss starts from its own best constant score, at
# the learning rate of the other studies, .001, and at two and four times this rate.
from .study import study

CE = "model.cls_loss=${losses.sigmoid_ce}"
RATES = {".001": [], ".002": ["optimizer.lr=0.002"], ".004": ["optimizer.lr=0.004"]}
study.overrides = [*study.overrides, "train.eval_period=0", "model.head.prior_prob=stationary"]
study.variants = {}
for rate, overrides in RATES.items():
    study.variants[f"focal_lr{rate}"] = overrides
    study.variants[f"ce_lr{rate}"] = [CE, *overrides]
study.reference = "focal_lr.001"
study.seeds = [0, 1, 2, 3, 4, 5]
study.hypotheses = [dict(better=f"focal_lr{rate}", than=f"ce_lr{rate}", metric="AP") for rate in RATES]
study.paper = {}
study.output_dir = "./output/learning_rate"
