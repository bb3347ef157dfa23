# After 1080 iterations on the synthetic shapes of the cell 4e-3 of phase_diagram.py, focal loss is ahead by 2 AP, and the
# classification has 15 % of its gradient, but 50 % of that of cross entropy. Is that share the cause? Here cross entropy
# also has a weight that brings its share down: .15 / .85 of the gradient of the boxes, where it had .50 / .50. New seeds.
from .demo import CE, OWN, study

study.variants = dict(focal=[OWN], ce=[CE, OWN])
study.variants["ce_.18"] = [CE, OWN, "model.cls_loss_weight=0.18"]
study.overrides = [*study.overrides, "synthetic.objects=[1,3]", "train.max_iter=1080"]
study.hypotheses = [
    dict(better="ce_.18", than="ce", metric="AP"),
    dict(better="focal", than="ce_.18", metric="AP", margin=1.0),
    dict(better="focal", than="ce", metric="AP"),
]
study.seeds = [3, 4, 5]
study.output_dir = "./output/ce_weight_shapes"
