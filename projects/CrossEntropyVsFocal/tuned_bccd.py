# Four losses on blood cells with the full schedule, each with its own tuned learning rate and weight of the
# classification loss. The first trial of a search has the defaults, and all searches have the same number of trials:
#     retina tune --study FILE --trials 4
#     retina ablate --study FILE --tuned-by docs/results/tuning_bccd.json
# Each loss starts from its own best constant score, except ce_.01, and OHEM, which has no such score: these start from
# .01. The seeds are new.
from .confirm_bccd import study
from .demo import CE, OWN

study.overrides = [override for override in study.overrides if override != OWN]
study.variants = {
    "focal": [OWN],
    "ce": [CE, OWN],
    "balanced_ce": ["model.cls_loss=${losses.balanced_ce}", OWN],
    "ohem": ["model.cls_loss=${losses.ohem}"],
    "ce_.01": [CE],
}
study.hypotheses = [dict(better="focal", than=name, metric="AP") for name in study.variants if name != "focal"]
study.tune = dict(lr=[4e-4, 1.6e-3], weight=[0.05, 2.0], prior=None, clip=None, alpha=None, gamma=None, rungs=[1.0])
study.seeds = [25, 26, 27, 28, 29]
study.output_dir = "./output/tuned_bccd"
