# Does gamma help on blood cells only because it leaves the box loss a larger share of the gradient at the end of
# training? Gamma is crossed with the weight of the classification loss: the low weight is meant to give cross entropy
# about the share at the end that gamma 2 has at the high weight (the report measures it). At the high weight the first
# gradient is about that of focal loss with weight 1. New seeds. For: retina ablate --study FILE --match prior clip
from .confirm_bccd import study
from .why import study as why

del study["variants"]
study.factors = dict(
    focus=why.factors["focus"],
    weight={"weight_.54": ["model.cls_loss_weight=0.54"], "weight_.22": ["model.cls_loss_weight=0.22"]},
)
study.overrides = [*study.overrides, "losses.focal.alpha=0.5"]
study.reference = "gamma_2-weight_.54"
study.hypotheses = [dict(better="gamma_2-weight_.54", than="gamma_0-weight_.22", metric="AP")]
study.seeds = [15, 16, 17, 18, 19]
study.output_dir = "./output/box_share"
