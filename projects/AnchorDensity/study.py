# Table 1c of "Focal Loss for Dense Object Detection": the number of anchors per location. Takes minutes on a CPU.
ONE_RATIO = "model.anchor_generator.aspect_ratios=[1.0]"
SCALES = "model.anchor_generator.scales_per_octave"

study = dict(
    base="quick/retinanet_tiny_synthetic.py",
    overrides=["train.optimize_model=False"],  # as in ../CrossEntropyVsFocal; the default rounds differently
    reference="3_scales_3_ratios",
    seeds=[0, 1, 2],
    variants={
        "1_scale_1_ratio": [f"{SCALES}=1", ONE_RATIO],
        "2_scales_1_ratio": [f"{SCALES}=2", ONE_RATIO],
        "3_scales_1_ratio": [ONE_RATIO],
        "1_scale_3_ratios": [f"{SCALES}=1"],
        "2_scales_3_ratios": [f"{SCALES}=2"],
        "3_scales_3_ratios": [],
        "4_scales_3_ratios": [f"{SCALES}=4"],
    },
    hypotheses=[
        dict(better="3_scales_3_ratios", than="1_scale_1_ratio", metric="AP"),
        dict(better="4_scales_3_ratios", than="3_scales_3_ratios", metric="AP"),
    ],
    paper={
        "1_scale_1_ratio": dict(AP=30.3, AP50=49.0, AP75=31.8, source="Table 1c"),
        "2_scales_1_ratio": dict(AP=31.9, AP50=50.0, AP75=34.0, source="Table 1c"),
        "3_scales_1_ratio": dict(AP=31.8, AP50=49.4, AP75=33.7, source="Table 1c"),
        "1_scale_3_ratios": dict(AP=32.4, AP50=52.3, AP75=33.9, source="Table 1c"),
        "2_scales_3_ratios": dict(AP=34.2, AP50=53.1, AP75=36.5, source="Table 1c"),
        "3_scales_3_ratios": dict(AP=34.0, AP50=52.5, AP75=36.5, source="Table 1c"),
        "4_scales_3_ratios": dict(AP=33.8, AP50=52.1, AP75=36.2, source="Table 1c"),
    },
    output_dir="./output/anchor_density",
)
