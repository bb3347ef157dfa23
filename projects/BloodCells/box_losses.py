# Which box loss suits small real data? The config of this folder, shortened, with a frozen backbone, so that nine runs
# take minutes on two CPU cores.
study = dict(
    base="configs/retinanet_MNV2_FPN_bccd.py",
    overrides=[
        "train.max_iter=100",
        "train.freeze=[backbone.bottom_up]",
        "train.eval_period=0",
        "train.vis_period=0",
        "train.checkpointer.period=100",
    ],
    reference="l1",
    seeds=[0, 1, 2],
    variants=dict(
        l1=[],
        smooth_l1=["model.box_loss=${box_losses.smooth_l1}"],
        giou=["model.box_loss=${box_losses.giou}"],
    ),
    metrics=["AP", "AP50", "AP75", "APs", "APm", "APl"],
    hypotheses=[
        dict(better="giou", than="l1", metric="AP"),
        dict(better="giou", than="smooth_l1", metric="AP"),
        dict(better="giou", than="l1", metric="AP75"),
    ],
    output_dir="./output/box_losses_bccd",
)
