"""The study file: `study = dict(base=..., variants=dict(name=[...]), seeds=[...], ...)`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig
from omegaconf import OmegaConf

from ...config import ConfigError
from ...config.load import errors_named
from ...config.overrides import read_overrides
from ..tuning.tuned import apply_tuned
from .factors import combine, read_factors
from .hypothesis import read_hypotheses
from .metrics import COCO_METRICS, Metric, check_names, read_metric, read_study_metrics
from .seeds import plan_seeds
from .study import MATCHES, Study, Variant
from .tune_settings import read_tune_settings

_KEYS = """base variants factors seeds max_seeds reference output_dir overrides match match_scale threshold_free
resample_train tune tuned_by hypotheses metrics paper grid""".split()
_KINDS = {
    "base": (str | Path, "the name of a config"),
    "output_dir": (str | Path, "a folder"),
    "reference": (str, "the name of a variant"),
    "match": (list | tuple, f"a list of {list(MATCHES)}"),
    "match_scale": (bool | None, "True or False"),
    "threshold_free": (bool, "True or False"),
    "resample_train": (bool, "True or False"),
    "tuned_by": (str | Path | None, "a file"),
    "hypotheses": (list, "a list of dict(better=..., than=...)"),
    "paper": (dict, "dict(variant=dict(AP=..., source='Table 1b'))"),
}


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
        **_read_questions(content, [variant.name for variant in chosen["variants"]]),
        output_dir=Path(output_dir or content.get("output_dir", "./output/study")),
        overrides=(*content.get("overrides", ()), *overrides),
        has_factors="factors" in content,
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


def read_study_file(path: str | Path) -> dict[str, Any]:
    """The content of a study file, with combinations of factors as variants; raises ConfigError if it is not valid."""
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"study {path} does not exist or is not a .py file")
    with errors_named(f"study {path}"):
        content = _load(path)
    for key, (kind, words) in _KINDS.items():
        if key in content and not isinstance(content[key], kind):
            raise ConfigError(f"{path}: {key} must be {words}, got {content[key]!r}")
    if "factors" in content and "variants" not in content:
        content["variants"] = combine(read_factors(content["factors"]))
    elif "factors" in content:
        raise ConfigError(f"{path}: the combinations of factors are the variants: give factors or variants, not both")
    wrong = [f"{key!r} is unknown" for key in content if key not in _KEYS]
    wrong += [f"{key!r} is missing" for key in ("base", "variants") if key not in content]
    if wrong:
        raise ConfigError(f"{path}: {', '.join(wrong)}; study needs base and variants, and takes {_KEYS}")
    names = content["variants"]
    if not isinstance(names, Mapping):
        raise ConfigError(f"{path}: variants must be dict(name=['key=value', ...], ...), got {names!r}")
    bad = [n for n in names if type(n) is not str or not re.fullmatch(r"[^\W_][\w.\-]*", n)]
    if bad or not names:
        raise ConfigError(
            f"{path}: variants must have names of letters, digits, _ . -, starting with a letter or digit, got {bad}"
        )
    for name, overrides in names.items():
        check_overrides(f"{path}: variant {name}", overrides)
    check_overrides(f"{path}: overrides", content.get("overrides", ()))
    return content


def _load(path: Path) -> dict[str, Any]:
    try:
        study = LazyConfig.load(str(path), "study")
    except KeyError as e:
        raise ConfigError(f"it defines no {e}: a study file has study = dict(base=...)") from e
    if not OmegaConf.is_dict(study):
        raise ConfigError(f"study must be dict(base=...), got {study!r}")
    return OmegaConf.to_container(study, resolve=False)


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


def _read_questions(content: Mapping[str, Any], kept: Sequence[str]) -> dict[str, Any]:
    """The `Study` arguments hypotheses, not_asked, metrics and paper, for the variants that are kept."""
    declared = list(content["variants"])
    metrics = read_study_metrics(content.get("metrics", [metric.name for metric in COCO_METRICS]))
    asked, not_asked = read_hypotheses(content.get("hypotheses", ()), declared, kept, metrics)
    columns = tuple(dict.fromkeys([*metrics, *(h.metric for h in (*asked, *not_asked))]))
    check_names(columns)
    return {
        "hypotheses": asked,
        "not_asked": not_asked,
        "metrics": columns,
        "paper": _read_paper(content.get("paper", {}), declared, kept, metrics),
    }


def _read_paper(
    entries: Mapping[str, Any], declared: Sequence[str], kept: Sequence[str], metrics: Sequence[Metric]
) -> dict[str, dict[str, Any]]:
    """Published figures of the variants that are kept, such as dict(focal=dict(AP=34.0, source="Table 1b"))."""
    for variant, row in entries.items():
        if variant not in declared:
            raise ConfigError(f"paper: the study has no variant {variant!r}, only {list(declared)}")
        if not isinstance(row, Mapping) or not isinstance(row.get("source"), str):
            raise ConfigError(f"paper.{variant} must be dict(AP=..., source='Table 1b')")
        for name, value in row.items():
            if name != "source" and not isinstance(value, int | float):
                raise ConfigError(f"paper.{variant}.{name} must be a number, got {value!r}")
    return {
        variant: {k if k == "source" else read_metric(k, metrics).name: v for k, v in row.items()}
        for variant, row in entries.items()
        if variant in kept
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


def check_overrides(where: str, overrides: Any) -> tuple[str, ...]:
    """Overrides `key=value`; ConfigError unless they are such a list, without seed and folder, which the study sets."""
    overrides = read_overrides(where, overrides)
    if taken := [o for o in overrides if re.match(r"\+?train\.(seed|output_dir)\b", o)]:
        raise ConfigError(f"{where}: the study sets {taken}; use its seeds and output_dir, or --seeds and --output")
    return overrides


def _sibling(name: str | Path, study_file: Path) -> str:
    """The path of a file next to the study file if it exists there; otherwise `name`."""
    sibling = study_file.parent / name
    return str(sibling if sibling.is_file() else name)
