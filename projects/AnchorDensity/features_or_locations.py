# P2 has finer features than P3, and a location every 4 pixels in place of 8. Which of the two helps tiny objects? Here
# are all combinations, with anchors of 9 to 14 pixels: also P2's features at every second location, and P3's repeated.
from .level_and_size import P2, P3, SIZE, study

del study["variants"], study["reference"]
FPN = "model.backbone._target_=retina_plugin.modeling.AblatedFPN"
study.overrides = [*study.overrides, P2[0]]
study.factors = dict(
    features={f"{level}_features": [FPN, f"model.backbone.features_of={level}"] for level in ("p3", "p2")},
    locations={"every_8px": [*P3, SIZE.format(1.09)], "every_4px": [P2[1], SIZE.format(2.18)]},
)
study.hypotheses = []
study.output_dir = "./output/anchors_features_or_locations"
