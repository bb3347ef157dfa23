# Start and loss on real images in all four combinations, with the full schedule of ../BloodCells: cross entropy and
# focal loss, each from .01 and from its own best constant score on these data.
from .study_bccd import study

del study["variants"], study["reference"]
study.overrides = ["train.eval_period=0", "train.vis_period=0", "train.optimize_model=False"]
study.factors = dict(
    start={"start_.01": [], "own_start": ["model.head.prior_prob=stationary"]},
    loss={"ce": ["model.cls_loss=${losses.sigmoid_ce}"], "focal": []},
)
study.hypotheses = []
study.output_dir = "./output/start_bccd"
