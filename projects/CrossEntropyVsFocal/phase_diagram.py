# Which loss wins where? Cross entropy and focal loss, from the start .01 and each from its own, in a grid of shares of
# foreground among all scores and lengths of training. The share changes with the number and size of objects and of the
# images. A map of the verdicts is drawn.
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
]
study.grid = dict(
    foreground={
        "1e-4": ["synthetic.image_size=384", "synthetic.objects=[0,1]"],
        "2e-4": ["synthetic.image_size=256", "synthetic.objects=[0,1]"],
        "1e-3": ["synthetic.image_size=128", "synthetic.objects=[0,1]"],
        "4e-3": ["synthetic.image_size=128", "synthetic.objects=[1,3]"],
        "1e-2": ["synthetic.image_size=128", "synthetic.objects=[10,16]", "synthetic.object_size=[16,40]"],
    },
    iterations={str(n): [f"train.max_iter={n}"] for n in (40, 120, 360, 1080)},
)
study.hypotheses = [
    dict(better="focal", than="ce", metric="AP"),
    dict(better="focal_01", than="ce_01", metric="AP"),
]
study.paper = {}
study.output_dir = "./output/phase_diagram"
