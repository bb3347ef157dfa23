# How much do anchors help that match the objects? Objects have 8 to 14 pixels, the smallest default anchor has 32. The
# other anchors were found on the training images, with no more anchors than the default, by
#     retina analyze-anchors --config-file quick/retinanet_tiny_synthetic.py synthetic.object_size=[8,14] --search
# and those on P2 by adding --levels p2 p3 p4 p5.
study = dict(
    base="quick/retinanet_tiny_synthetic.py",
    overrides=["synthetic.object_size=[8,14]", "train.max_iter=160", "train.eval_period=160", "train.vis_period=0"],
    reference="default",
    seeds=[0, 1, 2],
    variants={
        "default": [],
        "searched": [
            "model.head_in_features=[p3]",
            "model.anchor_generator.octave_base_scale=1.33",
            "model.anchor_generator.scales_per_octave=4",
            "model.anchor_generator.aspect_ratios=[0.5,0.88,1.6]",
        ],
        "searched_p2": [  # the head runs at three times as many locations
            "model.backbone.in_features=[res2,res3,res4,res5]",
            "model.head_in_features=[p2]",
            "model.anchor_generator.octave_base_scale=2.18",
            "model.anchor_generator.aspect_ratios=[0.84]",
        ],
    },
    hypotheses=[
        dict(better="searched", than="default", metric="AP"),
        dict(better="searched_p2", than="default", metric="AP"),
    ],
    output_dir="./output/anchors_searched",
)
