# Table 1a: cross entropy with weight alpha for objects and 1 - alpha for background.
from .study import study

BALANCED = "model.cls_loss=${losses.balanced_ce}"

study.reference = "alpha_0.75"
study.variants = {
    "alpha_0.1": [BALANCED, "losses.balanced_ce.alpha=0.1"],
    "alpha_0.25": [BALANCED, "losses.balanced_ce.alpha=0.25"],
    "alpha_0.5": [BALANCED, "losses.balanced_ce.alpha=0.5"],
    "alpha_0.75": [BALANCED],
    "alpha_0.9": [BALANCED, "losses.balanced_ce.alpha=0.9"],
    "alpha_0.99": [BALANCED, "losses.balanced_ce.alpha=0.99"],
    "alpha_0.999": [BALANCED, "losses.balanced_ce.alpha=0.999"],
}
study.hypotheses = [dict(better="alpha_0.75", than="alpha_0.5", metric="AP")]
study.paper = {
    "alpha_0.1": dict(AP=0.0, AP50=0.0, AP75=0.0, source="Table 1a"),
    "alpha_0.25": dict(AP=10.8, AP50=16.0, AP75=11.7, source="Table 1a"),
    "alpha_0.5": dict(AP=30.2, AP50=46.7, AP75=32.8, source="Table 1a"),
    "alpha_0.75": dict(AP=31.1, AP50=49.4, AP75=33.0, source="Table 1a"),
    "alpha_0.9": dict(AP=30.8, AP50=49.7, AP75=32.3, source="Table 1a"),
    "alpha_0.99": dict(AP=28.7, AP50=47.4, AP75=29.9, source="Table 1a"),
    "alpha_0.999": dict(AP=25.1, AP50=41.7, AP75=26.1, source="Table 1a"),
}
study.output_dir = "./output/table_1a"
