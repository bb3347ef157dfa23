# The question of study.py on real images: blood cells, with few white cells and platelets among many red cells.
# Needs the data of ../BloodCells, and shortens its config to 150 iterations.
from .study import study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.overrides = ["train.max_iter=150", "train.eval_period=0", "train.vis_period=0", "train.optimize_model=False"]
study.hypotheses = [
    dict(better="focal", than="ce", metric="AP"),
    dict(better="focal", than="balanced_ce", metric="AP"),
    dict(better="focal", than="ce", metric="APs"),
]
study.paper = {}
study.output_dir = "./output/cross_entropy_vs_focal_bccd"
