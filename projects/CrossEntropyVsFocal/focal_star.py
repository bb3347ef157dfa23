# Table 3 of the appendix: FL*, an alternative formula to focal loss, which also reduces the loss of easy examples.
from .study import study

study.reference = "focal"
study.variants = dict(
    focal=[],
    balanced_ce=["model.cls_loss=${losses.balanced_ce}"],
    focal_star_2_1=["model.cls_loss=${losses.focal_star}"],
    focal_star_4_0=[
        "model.cls_loss=${losses.focal_star}",
        "losses.focal_star.gamma=4.0",
        "losses.focal_star.beta=0.0",
    ],
)
study.hypotheses = [
    dict(better="focal_star_2_1", than="balanced_ce", metric="AP"),
    dict(better="focal_star_4_0", than="balanced_ce", metric="AP"),
]
study.paper = dict(
    focal=dict(AP=34.0, AP50=52.5, AP75=36.5, source="Table 3"),
    balanced_ce=dict(AP=31.1, AP50=49.4, AP75=33.0, source="Table 3"),
    focal_star_2_1=dict(AP=33.8, AP50=52.7, AP75=36.3, source="Table 3"),
    focal_star_4_0=dict(AP=33.9, AP50=51.8, AP75=36.4, source="Table 3"),
)
study.output_dir = "./output/focal_star"
