# make demo: is it the loss, or the start? Focal loss and cross entropy, each from the start of the paper, a class score
# of .01, and from the score that suits the loss and the data best before anything is learned.
from .study import study

del study["variants"], study["reference"]
study.factors = dict(
    start={"start_.01": [], "own_start": ["model.head.prior_prob=stationary"]},
    loss=dict(ce=["model.cls_loss=${losses.sigmoid_ce}"], focal=[]),
)
study.overrides = [
    *[x for x in study.overrides if "eval_period" not in x and "test.dataset" not in x],
    "train.eval_period=0",
    "dataloader.test.dataset.names.num_images=200",
]
study.seeds = [0]
study.hypotheses = []
study.paper = {}
study.output_dir = "./output/demo"
