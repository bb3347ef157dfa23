# Why does cross entropy fail? Three factors in which the losses differ, each at two levels, in all eight combinations:
# the score at the start of training, the weight alpha of objects, and gamma. Cross entropy is gamma 0.
from .study import study

del study["variants"], study["reference"]
study.factors = dict(
    start={"start_.01": [], "own_start": ["model.head.prior_prob=stationary"]},
    alpha={"alpha_.5": ["losses.focal.alpha=0.5"], "alpha_.25": []},
    focus={"gamma_0": ["losses.focal.gamma=0.0"], "gamma_2": []},
)
study.overrides = [*study.overrides, "train.eval_period=0"]
study.hypotheses = []
study.paper = {}
study.output_dir = "./output/why"
