"""Which values are tuned for which variant, and where their overrides stand."""

import pytest
from studies import CE, tiny_study

from retina_plugin.config import ConfigError
from retina_plugin.study.spec.study import Variant
from retina_plugin.study.spec.tune_settings import TuneSettings, read_tune_settings
from retina_plugin.study.tuning.space import overrides_of, search_space, with_tuned

FOCAL = "model.cls_loss=${losses.focal}"
VARIANTS = {
    "base": [],
    "named": [FOCAL],
    "ce": [CE],
    "balanced": ["model.cls_loss=${losses.balanced_ce}"],
    "softmax": ["model.cls_loss=${losses.softmax_ce}"],
    "pinned": [FOCAL, "model.cls_loss.gamma=0", "model.head.prior_prob=0.001"],
}


@pytest.fixture(scope="module")
def spaces(tmp_path_factory):
    study = tiny_study(tmp_path_factory.mktemp("space"), VARIANTS)
    return study, {v.name: search_space(study, v, study.tune) for v in study.variants}


def names(space):
    return [d.name for d in space]


def test_a_loss_is_tuned_in_the_numbers_that_it_has(spaces):
    found = {variant: names(space) for variant, space in spaces[1].items()}
    common = ["lr", "prior", "clip", "weight"]
    assert found["base"] == found["named"] == [*common, "alpha", "gamma"]
    assert found["ce"] == found["softmax"] == common and found["balanced"] == [*common, "alpha"]


def test_a_value_that_a_variant_sets_is_not_tuned(spaces):
    assert names(spaces[1]["pinned"]) == ["lr", "clip", "weight", "alpha"]


def test_the_learning_rate_ranges_around_that_of_the_config(spaces):
    (lr,) = (d for d in spaces[1]["ce"] if d.name == "lr")
    assert (lr.low, lr.high, lr.log, lr.default) == (pytest.approx(1e-4), pytest.approx(1e-2), True, 1e-3)


def test_the_weight_of_the_classification_loss_has_the_default_of_the_model(spaces):
    (weight,) = (d for d in spaces[1]["ce"] if d.name == "weight")
    assert (weight.key, weight.low, weight.high, weight.log, weight.default) == (
        "model.cls_loss_weight", 0.05, 2.0, True, 1.0,
    )  # fmt: skip


@pytest.mark.parametrize("variant", ["base", "named", "balanced", "pinned"])
def test_tuned_overrides_reach_the_loss_that_the_variant_uses(spaces, variant):
    study, space = spaces[0], spaces[1][variant]
    own = Variant(variant, tuple(VARIANTS[variant]))
    cfg = study.run_config(with_tuned(own, overrides_of({d.name: 0.4567891 for d in space}, space)), 0)
    assert cfg.model.cls_loss.alpha == cfg.optimizer.lr == cfg.train.clip_grad_norm == 0.4568
    assert cfg.model.cls_loss_weight == 0.4568
    assert cfg.model.cls_loss.get("gamma", 0.4568) == (0 if variant == "pinned" else 0.4568)


def test_a_study_file_sets_ranges_and_budget():
    settings = read_tune_settings({"lr": [1e-3, 1e-2], "gamma": None, "rungs": [0.5, 1], "reduction": 3})
    assert settings.ranges["lr"] == (1e-3, 1e-2) and "gamma" not in settings.ranges and settings.rungs == (0.5, 1)
    assert (settings.survivors(16), settings.survivors(3), settings.survivors(1)) == (5, 2, 1)
    assert TuneSettings() == read_tune_settings({})


@pytest.mark.parametrize(
    "content",
    [{"momentum": [0, 1]}, {"lr": [0, 1]}, {"prior": 0.1}, {"alpha": [0.5, 0.2]}, {"rungs": [1, 0.5]}, {"rungs": []},
     {"reduction": 0}, {"share": 1.0}, {"batch": 2.5}, ["lr"]],
)  # fmt: skip
def test_settings_that_are_not_valid_are_refused(content):
    with pytest.raises(ConfigError, match="tune"):
        read_tune_settings(content)
