# Table 1b: focal loss with different gamma, each with the alpha that the paper found best for it.
from .study import study

study.reference = "gamma_2"
study.variants = {
    "gamma_0": ["losses.focal.gamma=0.0", "losses.focal.alpha=0.75"],
    "gamma_0.1": ["losses.focal.gamma=0.1", "losses.focal.alpha=0.75"],
    "gamma_0.2": ["losses.focal.gamma=0.2", "losses.focal.alpha=0.75"],
    "gamma_0.5": ["losses.focal.gamma=0.5", "losses.focal.alpha=0.5"],
    "gamma_1": ["losses.focal.gamma=1.0"],
    "gamma_2": [],
    "gamma_5": ["losses.focal.gamma=5.0"],
}
study.hypotheses = [
    dict(better="gamma_2", than="gamma_0", metric="AP"),
    dict(better="gamma_2", than="gamma_5", metric="AP"),
]
study.paper = {
    "gamma_0": dict(AP=31.1, AP50=49.4, AP75=33.0, source="Table 1b"),
    "gamma_0.1": dict(AP=31.4, AP50=49.9, AP75=33.1, source="Table 1b"),
    "gamma_0.2": dict(AP=31.9, AP50=50.7, AP75=33.4, source="Table 1b"),
    "gamma_0.5": dict(AP=32.9, AP50=51.7, AP75=35.2, source="Table 1b"),
    "gamma_1": dict(AP=33.7, AP50=52.0, AP75=36.2, source="Table 1b"),
    "gamma_2": dict(AP=34.0, AP50=52.5, AP75=36.5, source="Table 1b"),
    "gamma_5": dict(AP=32.2, AP50=49.6, AP75=34.8, source="Table 1b"),
}
study.output_dir = "./output/table_1b"
