# `make demo`: cross entropy and focal loss, each from its own best constant score, and both from .01, the start of the
# paper. Takes two minutes on two CPU cores, and is the cell 1e-3/120 of phase_diagram.py. Images have 128 pixels a
# side; about half of them have no object, the others one. The backbone keeps its ImageNet weights.
from .study import study

CE = "model.cls_loss=${losses.sigmoid_ce}"
OWN = "model.head.prior_prob=stationary"
study.variants = dict(focal=[OWN], ce=[CE, OWN], focal_01=[], ce_01=[CE])
study.overrides = [
    "dataloader.train.total_batch_size=8",
    "dataloader.train.dataset.names.num_images=400",
    "dataloader.test.dataset.names.num_images=200",
    "train.freeze=[backbone.bottom_up]",
    "train.eval_period=0",
    "train.vis_period=0",
    "train.checkpointer.period=100",
    "synthetic.image_size=128",
    "synthetic.objects=[0,1]",
    "train.max_iter=120",
]
study.hypotheses = [
    dict(better="focal", than="ce", metric="AP"),
    dict(better="focal_01", than="ce_01", metric="AP"),
]
study.paper = {}
study.output_dir = "./output/demo"
