# Two questions on blood cells, with seeds that no earlier study of them has used. Is focal loss better than cross
# entropy at the learning rate of ../BloodCells, each from its own start? Does bfloat16 change the AP of focal loss?
from .learning_rate_bccd import CE, study

study.variants = dict(focal=[], ce=[CE], focal_bfloat16=["train.amp.enabled=True"])
study.reference = "focal"
study.hypotheses = [
    dict(better="focal", than="ce", metric="AP"),
    dict(better="focal_bfloat16", than="focal", metric="AP", margin=0.5),
]
study.seeds = [5, 6, 7, 8, 9]
study.output_dir = "./output/confirm_bccd"
