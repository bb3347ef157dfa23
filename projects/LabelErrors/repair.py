# Do proposals of find-label-errors win back the AP that faulty annotations cost? Synthetic shapes, 9 % of whose
# annotations get a planted fault. Detectors are trained on the clean and on the faulty annotations, on those repaired
# by all proposals of strength above 0 (unseen), and by those that are right among the first twice as many as faults
# (reviewed).
FOLDER = "output/label_errors"
TRAIN, VAL = f"{FOLDER}/synthetic_train_400_c41e1861a7", f"{FOLDER}/synthetic_val_200_5be35e25a3"
study = dict(
    base="custom/retinanet_MNV2_FPN.py",
    overrides=[
        f"data.train_images={TRAIN}/images",
        f"data.val_json={VAL}/instances.json",
        f"data.val_images={VAL}/images",
        "data.short_edge=[128]",
        "model.num_classes=3",
        "model.backbone.out_channels=64",
        "model.head.conv_dims=[64]",
        "model.head.prior_prob=stationary",
        "optimizer.lr=0.002",
        "train.max_iter=1080",
        "train.freeze=[backbone.bottom_up]",
        "train.eval_period=0",
        "train.vis_period=0",
        "train.checkpointer.period=100",
    ],
    reference="faulty",
    seeds=[0, 1, 2, 3],
    variants=dict(
        clean=[f"data.train_json={TRAIN}/instances.json"],
        faulty=[f"data.train_json={FOLDER}/planted/instances.json"],
        unseen=[f"data.train_json={FOLDER}/unseen/repaired.json"],
        reviewed=[f"data.train_json={FOLDER}/reviewed/repaired.json"],
    ),
    hypotheses=[
        dict(better="clean", than="faulty", metric="AP"),
        dict(better="unseen", than="faulty", metric="AP"),
        dict(better="reviewed", than="faulty", metric="AP"),
    ],
    output_dir=f"./{FOLDER}/study",
)
