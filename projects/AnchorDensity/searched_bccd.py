# How much do anchors help that match the objects of real images? A platelet has 20 pixels here, the smallest default
# anchor has 32. "by_hand" is the config of ../BloodCells, whose anchors were set to the median sizes of the classes.
# "searched" was found on the training images, with no more anchors than the default, by
#     retina analyze-anchors --config-file projects/BloodCells/configs/retinanet_MNV2_FPN_bccd.py \
#         model.anchor_generator.octave_base_scale=4.0 --search
study = dict(
    base="../BloodCells/configs/retinanet_MNV2_FPN_bccd.py",
    overrides=["train.eval_period=0", "train.vis_period=0"],
    reference="default",
    seeds=[0, 1, 2],
    variants={
        "default": ["model.anchor_generator.octave_base_scale=4.0"],
        "by_hand": [],
        "searched": [
            "model.head_in_features=[p3,p4,p5]",
            "model.anchor_generator.octave_base_scale=2.2",
            "model.anchor_generator.scales_per_octave=4",
            "model.anchor_generator.aspect_ratios=[0.83,1.1]",
        ],
    },
    metrics=["AP", "AP50", "AP75", "APs", "APm", "APl", "AP-Platelets", "AP-RBC", "AP-WBC"],
    hypotheses=[
        dict(better="searched", than="default", metric="AP"),
        dict(better="searched", than="default", metric="AP-Platelets"),
        dict(better="searched", than="by_hand", metric="AP"),
    ],
    output_dir="./output/anchors_searched_bccd",
)
