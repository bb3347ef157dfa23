# The reverse of ce_weight_shapes.py: does focal loss lose its lead if it leaves the boxes as little of the gradient as
# cross entropy does? There focal loss gives the classification 14 % of the gradient at the end, cross entropy 50 %. One
# variant of focal loss has a weight that should bring its share to 50 %: .50/.50 = 6.1 times .14/.86. New seeds.
from .demo import OWN, study

study.variants = {"focal": [OWN], "focal_6.1": [OWN, "model.cls_loss_weight=6.1"]}
study.overrides = [*study.overrides, "synthetic.objects=[1,3]", "train.max_iter=1080", "optimizer.lr=0.002"]
study.hypotheses = [dict(better="focal", than="focal_6.1", metric="AP")]
study.seeds = [11, 12, 13]
study.output_dir = "./output/focal_weight_shapes"
