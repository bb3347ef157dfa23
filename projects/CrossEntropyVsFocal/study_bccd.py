# The flagship's question on real images: blood cells, where white cells and platelets are few among many red cells.
# Needs the data of ../BloodCells, whose config it shortens to 150 iterations.
study = dict(
    base="../BloodCells/configs/retinanet_MNV2_FPN_bccd.py",
    reference="focal",
    seeds=[0, 1, 2],
    variants=dict(
        focal=[],
        ce=["model.cls_loss=${losses.sigmoid_ce}"],
        balanced_ce=["model.cls_loss=${losses.balanced_ce}"],
    ),
    overrides=["train.max_iter=150", "train.eval_period=0", "train.vis_period=0"],
    hypotheses=[
        dict(better="focal", than="ce", metric="AP"),
        dict(better="focal", than="balanced_ce", metric="AP"),
        dict(better="focal", than="ce", metric="APs"),
    ],
    output_dir="./output/cross_entropy_vs_focal_bccd",
)
