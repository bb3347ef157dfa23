# The effect of each part of the feature pyramid on small objects and on time. Synthetic shapes, minutes on a CPU.
FROM = "model.backbone._target_=retina_plugin.modeling."

study = dict(
    base="quick/retinanet_tiny_synthetic.py",
    overrides=["train.optimize_model=False"],  # as for the figures in README.md; the default rounds differently
    reference="fpn",
    seeds=[0, 1, 2],
    variants=dict(
        fpn=[],
        # rows (d), (e) and (f) of "Feature Pyramid Networks", tables 1 and 2
        no_top_down=[f"{FROM}AblatedFPN", "model.backbone.top_down=False"],
        no_lateral=[f"{FROM}AblatedFPN", "model.backbone.lateral=False"],
        one_level=["model.head_in_features=[p3]", "model.anchor_generator.num_octaves=5"],
        p6_from_p5=[
            "model.backbone.top_block.in_feature=p5",
            "model.backbone.top_block.in_channels=${model.backbone.out_channels}",
        ],
        p2_added=[
            "model.backbone.in_features=[res2,res3,res4,res5]",
            "model.head_in_features=[p2,p3,p4,p5,p6,p7]",
        ],
        pafpn=[f"{FROM}PAFPN"],
        bifpn=[f"{FROM}BiFPN"],
    ),
    metrics=["AP", "AP50", "APs", "APm", "APl"],
    hypotheses=[
        dict(better="fpn", than="no_top_down", metric="APs"),
        dict(better="fpn", than="no_lateral", metric="AP"),
        dict(better="fpn", than="one_level", metric="AP"),
    ],
    output_dir="./output/fpn_variants",
)
