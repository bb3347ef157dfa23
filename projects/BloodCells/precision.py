# Does bfloat16 change the AP where 3 x 3 convolutions take fewer multiplications, which rounds more often? The config
# of this folder with 128 channels in pyramid and head, from which on they do. Seeds that no other study has used; the
# margin was fixed before the first run.
study = dict(
    base="configs/retinanet_MNV2_FPN_bccd.py",
    overrides=[
        "model.backbone.out_channels=128",
        "model.head.conv_dims=[128,128]",
        "train.eval_period=0",
        "train.vis_period=0",
        "train.checkpointer.period=420",
    ],
    reference="float32",
    seeds=[25, 26, 27, 28, 29],
    variants=dict(float32=[], bfloat16=["train.amp.enabled=True"]),
    metrics=["AP", "AP50", "AP75", "APs", "APm", "APl"],
    hypotheses=[dict(better="bfloat16", than="float32", metric="AP", margin=0.5)],
    output_dir="./output/precision_bccd",
)
