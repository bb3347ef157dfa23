# Is cross entropy with a lower weight level with focal loss on blood cells, within 1 AP? box_share.py varies the weight
# at alpha .5; here focal loss is that of the configs, with weight 1, and cross entropy has no alpha. At .27 its first
# gradient is about as long as that of focal loss. New seeds. For: retina ablate --study FILE --match prior clip
from .confirm_bccd import study
from .learning_rate_bccd import CE

study.variants = {
    "focal": [],
    "ce_.27": [CE, "model.cls_loss_weight=0.27"],
    "ce_.11": [CE, "model.cls_loss_weight=0.11"],
}
study.reference = "focal"
study.hypotheses = [
    dict(better="ce_.11", than="ce_.27", metric="AP"),
    dict(better="ce_.11", than="focal", metric="AP", margin=1.0),
]
study.seeds = [20, 21, 22, 23, 24]
study.output_dir = "./output/ce_weight"
