"""The study that a study file describes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...config import ConfigError
from ..tuning.tuned import apply_tuned
from .factors import read_factors
from .file_content import check_overrides, read_study_file
from .hypothesis import Hypothesis, read_hypothesis
from .metrics import COCO_METRICS, check_names, read_paper, read_study_metrics
from .seeds import plan_seeds
from .study import MATCHES, Study, Variant
from .tune_settings import read_tune_settings

logger = logging.getLogger(__name__)


def load_study(
    path: str | Path,
    seeds: Sequence[int] | str | None = None,
    only: Sequence[str] | None = None,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    match_scale: bool | None = None,
    match: Sequence[str] | None = None,
    tuned_by: str | Path | None = None,
) -> Study:
    """Read and check a study file.

    With `factors` in place of variants, their combinations are the variants (see `factors.py`). The study ignores a
    `grid` in the file, which `grid.load_grid` reads.

    `seeds`, `output_dir`, `match` (names of `MATCHES`) and `tuned_by` replace what the file says, `overrides` are added
    to those of the file, and `only` names the variants to keep. Overrides apply in the order study, tuned, variant, so
    a variant's own overrides win. `match_scale` adds "scale" to `match` or removes it. With an empty `tuned_by`, no
    tuned values are used. With `seeds="auto"`, seeds are added until every verdict is settled, at most `max_seeds` of
    the file (default 10).

    Raises:
        ConfigError: if the file is not a valid study, a name is unknown, or an override does not fit the base config.
    """
    content = read_study_file(path)
    check_overrides("the command line", overrides)
    chosen = _choose_variants(content, only, path)
    study = Study(
        base=_sibling(content["base"], Path(path)),
        **chosen,
        **plan_seeds(seeds, content),
        **_read_questions(content, chosen),
        output_dir=Path(output_dir or content.get("output_dir", "./output/study")),
        overrides=(*content.get("overrides", ()), *overrides),
        factors=read_factors(content["factors"]) if "factors" in content and not chosen["hidden"] else (),
        match=read_match(content, match, match_scale),
        threshold_free=content.get("threshold_free", True),
        resample_train=content.get("resample_train", False),
        tune=read_tune_settings(content.get("tune", {})),
    )
    tuned_by = _sibling(content.get("tuned_by") or "", Path(path)) if tuned_by is None else tuned_by
    if tuned_by:
        study = apply_tuned(study, tuned_by)
    for variant in (study.partner, *study.variants):
        study.run_config(variant, study.seeds[0])  # report a bad override before any training
    return study


def _choose_variants(content: Mapping[str, Any], only: Sequence[str] | None, path: str | Path) -> dict[str, Any]:
    """The `Study` arguments variants, hidden, reference and partner."""
    variants = {name: Variant(name, tuple(overrides)) for name, overrides in content["variants"].items()}
    reference = content.get("reference", next(iter(variants)))
    for name in (reference, *(only or ())):
        if name not in variants:
            raise ConfigError(f"{path} has no variant {name!r}, only {list(variants)}")
    kept = [name for name in variants if not only or name in only]
    return {
        "variants": tuple(variants[name] for name in kept),
        "hidden": tuple(variant for name, variant in variants.items() if name not in kept),
        "reference": reference if reference in kept else kept[0],
        "partner": variants[reference],
    }


def _read_questions(content: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The `Study` arguments hypotheses, questions, other_questions, metrics and paper, for the `chosen` variants."""
    declared, kept = list(content["variants"]), [variant.name for variant in chosen["variants"]]
    metrics = read_study_metrics(content.get("metrics", [metric.name for metric in COCO_METRICS]))
    hypotheses = questions = tuple(read_hypothesis(x, declared, metrics) for x in content.get("hypotheses", ()))
    if not hypotheses and "factors" not in content:
        reference, names = chosen["partner"].name, [v.name for v in (*chosen["variants"], *chosen["hidden"])]
        questions = tuple(Hypothesis(name, reference, metrics[0]) for name in names if name != reference)
    asked = tuple(h for h in questions if {h.better, h.than} <= set(kept))
    others = tuple(h for h in questions if h not in asked)
    for hypothesis in others if hypotheses else ():
        logger.warning("not asked, because not all of its variants run: %s", hypothesis)
    columns = tuple(dict.fromkeys([*metrics, *(h.metric for h in (*asked, *others))]))
    check_names(columns)
    return {
        "hypotheses": asked if hypotheses else (),
        "questions": asked,
        "other_questions": others,
        "metrics": columns,
        "paper": read_paper(content.get("paper", {}), declared, kept, metrics),
    }


def read_match(content: Mapping[str, Any], match: Sequence[str] | None, scale: bool | None) -> tuple[str, ...]:
    """What a study matches, in the order of `MATCHES`.

    `match` replaces the list of the file, and `scale` adds or removes "scale"; None leaves both to the file.

    Raises:
        ConfigError: for an unknown name.
    """
    names = content.get("match", ()) if match is None else match
    if isinstance(names, str) or any(name not in list(MATCHES) for name in names):
        raise ConfigError(f"match must be a list of {list(MATCHES)}, got {names!r}")
    if scale is None and match is None:
        scale = content.get("match_scale")
    chosen = set(names) if scale is None else set(names) - {"scale"} | ({"scale"} if scale else set())
    return tuple(name for name in MATCHES if name in chosen)


def _sibling(name: str | Path, study_file: Path) -> str:
    """The path of a file next to the study file if it exists there; otherwise `name`."""
    sibling = study_file.parent / name
    return str(sibling if sibling.is_file() else name)
