# Does focal loss find objects that cross entropy misses among easy negatives? Synthetic shapes, minutes on a CPU.
# Three of the losses that the paper compares (arXiv 1708.02002, section 4.1); ladder.py has the others. About
# half of the images have no object, the others one; synthetic.objects=[1,3] gives four times as many objects.
study = dict(
    base="quick/retinanet_tiny_synthetic.py",
    overrides=[
        "synthetic.objects=[0,1]",
        "synthetic.image_size=256",
        "dataloader.train.total_batch_size=16",
        "dataloader.test.dataset.names.num_images=400",
        "train.freeze=[backbone.bottom_up]",  # halves the time and reduces the variation between seeds
        "train.max_iter=80",
        "train.eval_period=40",
        "train.optimize_model=False",  # as for the figures in README.md; the default rounds differently
        "train.vis_period=0",
        "train.checkpointer.period=40",
    ],
    reference="focal",
    seeds=[0, 1, 2],
    variants=dict(
        focal=[],
        ce=["model.cls_loss=${losses.sigmoid_ce}"],
        balanced_ce=["model.cls_loss=${losses.balanced_ce}"],
    ),
    hypotheses=[
        dict(better="focal", than="balanced_ce", metric="AP"),
        dict(better="focal", than="ce", metric="AP"),
        dict(better="balanced_ce", than="ce", metric="AP"),
    ],
    paper=dict(
        focal=dict(AP=34.0, AP50=52.5, AP75=36.5, source="Table 1b, gamma 2, alpha .25"),
        ce=dict(AP=30.2, AP50=46.7, AP75=32.8, source="Table 1a, alpha .5"),
        balanced_ce=dict(AP=31.1, AP50=49.4, AP75=33.0, source="Table 1a, alpha .75"),
    ),
    output_dir="./output/cross_entropy_vs_focal",
)
