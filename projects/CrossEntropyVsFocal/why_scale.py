# The question of why.py with the scale of the loss in place of alpha: a matched scale gives the first gradient of
# the classification loss the norm that it has with focal loss at the start .01.
from .why import study

study.factors = dict(
    start=study["factors"]["start"],
    focus=study["factors"]["focus"],
    scale={"own_scale": [], "matched_scale": ["model.cls_loss_weight=matched"]},
)
study.reference = "start_.01-gamma_2-own_scale"
study.output_dir = "./output/why_scale"
