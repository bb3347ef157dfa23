# The question of why.py with the scale of the loss in place of alpha: a matched scale makes the first gradient of
# the classification as long as that of focal loss at the start .01.
from .why import study

study.factors = dict(
    start=study["factors"]["start"],
    focus=study["factors"]["focus"],
    scale={"own_scale": [], "matched_scale": ["model.cls_loss_weight=matched"]},
)
study.reference = "start_.01-gamma_2-own_scale"
study.output_dir = "./output/why_scale"
