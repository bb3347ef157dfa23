# What remains of the lead of focal loss on blood cells when start, scale and clipping are made alike, and which part of
# the loss gives it, alpha or gamma? New seeds at the learning rate and full schedule of ../BloodCells. Cross entropy is
# alpha .5 with gamma 0. For: retina ablate --study FILE --match prior scale clip --jobs 2
from .confirm_bccd import study
from .why import study as why

del study["variants"]
study.factors = dict(alpha=why.factors["alpha"], focus=why.factors["focus"])
study.reference = "alpha_.25-gamma_2"
study.hypotheses = [dict(better="alpha_.25-gamma_2", than="alpha_.5-gamma_0", metric="AP")]
study.seeds = [10, 11, 12, 13, 14]
study.output_dir = "./output/why_bccd"
