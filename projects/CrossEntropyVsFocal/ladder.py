# Cross entropy with and without the prior, with alpha and with softmax, focal loss, and OHEM and FL* as alternatives.
from .study import study

study.variants.update(
    # every anchor starts with a score of one half, and the loss of the background dominates (section 3.3)
    ce_without_prior=["model.cls_loss=${losses.sigmoid_ce}", "model.head.prior_prob=0.5"],
    softmax_ce=["model.cls_loss=${losses.softmax_ce}"],
    ohem=["model.cls_loss=${losses.ohem}"],
    focal_star=["model.cls_loss=${losses.focal_star}"],
)
study.paper.update(
    focal_star=dict(AP=33.8, AP50=52.7, AP75=36.3, source="Table 3, gamma 2, beta 1"),
)
study.output_dir = "./output/loss_ladder"
