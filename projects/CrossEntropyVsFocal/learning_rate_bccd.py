# Does the order of the two losses on blood cells depend on the learning rate? Each loss starts from its own best
# constant score, with the full schedule of ../BloodCells, at the learning rate of that config (.001), lower and higher.
from .learning_rate import CE, RATES, study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.overrides = ["train.eval_period=0", "train.vis_period=0", "model.head.prior_prob=stationary"]
study.variants = {}
for rate, overrides in {".0005": ["optimizer.lr=0.0005"], **RATES}.items():
    study.variants[f"focal_lr{rate}"] = overrides
    study.variants[f"ce_lr{rate}"] = [CE, *overrides]
study.hypotheses.insert(0, dict(better="focal_lr.0005", than="ce_lr.0005", metric="AP"))
study.seeds = [0, 1, 2]
study.output_dir = "./output/learning_rate_bccd"
