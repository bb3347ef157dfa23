"""What a run is does not depend on which others run with it."""

from studies import CE, tiny_study

from retina_plugin.study import load_study
from retina_plugin.study.execution.plan import plan_jobs

VARIANTS = {
    "focal": [],
    "ce": [CE],
    "pafpn": ["model.backbone._target_=retina_plugin.modeling.PAFPN"],
}


def digests(study):
    plan = plan_jobs(study, threads=1)
    assert not plan.failed
    return {job.key: job.digest for job in plan.jobs}


def test_a_part_of_a_study_has_the_same_runs(tmp_path):
    whole = tiny_study(tmp_path, VARIANTS, max_iter=1, seeds=[3, 4], match_scale=True)
    known = digests(whole)
    assert set(known) == {(name, seed) for name in VARIANTS for seed in (3, 4)}
    assert len(set(known.values())) == len(known)
    path, folder = tmp_path / "study.py", tmp_path / "elsewhere"
    for seeds, only in [([4], ["pafpn"]), ([4, 3], ["ce", "pafpn"])]:
        part = load_study(path, seeds, only, folder)
        assert part.reference == only[0] and part.partner.name == "focal"
        assert digests(part).items() == {(v, s): known[v, s] for v in only for s in seeds}.items()
