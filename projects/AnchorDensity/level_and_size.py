# Is it the finer level or the smaller anchors that help tiny objects in searched.py? Here each changes alone: one level
# (P3 or P2), and anchors of 32 to 51 or of 9 to 14 pixels. P2 has four times as many locations and anchors.
from .searched import study

P2 = ["model.backbone.in_features=[res2,res3,res4,res5]", "model.head_in_features=[p2]"]
P3 = ["model.head_in_features=[p3]"]
SIZE = "model.anchor_generator.octave_base_scale={}"  # in strides: 8 pixels on P3, where the config has 4; 4 on P2
study.overrides = [*study.overrides, "model.anchor_generator.aspect_ratios=[0.84]"]
study.variants = dict(
    p3_32px=P3,
    p3_9px=[*P3, SIZE.format(1.09)],
    p2_32px=[*P2, SIZE.format(8)],
    p2_9px=[*P2, SIZE.format(2.18)],
)
study.reference = "p3_32px"
study.hypotheses = [
    dict(better=better, than=than, metric="AP")
    for better, than in (
        ("p3_9px", "p3_32px"),
        ("p2_9px", "p2_32px"),
        ("p2_32px", "p3_32px"),
        ("p2_9px", "p3_9px"),
    )
]
study.output_dir = "./output/anchors_level_and_size"
