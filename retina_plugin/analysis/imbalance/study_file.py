"""A study file that tests a hint of the advisor by training."""

import math
from collections.abc import Mapping
from pathlib import Path

from ...config import ConfigError
from ...files import write_text
from ...run_folder import CONFIG
from .advisor import GAMMAS, Advice, rounded

_TESTED = (0.0, 1.0, 2.0)  # gamma; four variants with the run's own loss train in reasonable time
_TEXT = """\
# Would another alpha and gamma train better than the loss of {run}?
# With these, background holds {target:.0%} of the gradient at the checkpoint of that run. This is a hint at one
# checkpoint and not a result: training under another loss leads to other logits. Every run starts at the score that
# suits its loss, and has a first gradient of the same length, so that variants differ in alpha and gamma alone.
study = dict(
    base={base!r},
    reference="own_loss",
    seeds=[0, 1, 2],
    match=["prior", "scale"],
    variants={{
        "own_loss": [],
{variants}    }},
    output_dir={output!r},
)
"""


def check_study_path(path: str | Path) -> None:
    """Raise ConfigError if a file of this name exists, or if it is no .py file."""
    if Path(path).suffix != ".py" or Path(path).exists():
        raise ConfigError(f"--write-study {path}: name a new file that ends in .py")


def write_study(path: str | Path, run_dir: str | Path, losses: Mapping[str, object], advice: Advice) -> None:
    """Write a study for retina ablate: the run's own loss beside focal losses that give background the target share.

    `losses` are those of the run's config; variants use its "focal".

    Raises:
        ConfigError: if the config has no losses.focal, or no alpha gives the target share.
    """
    if "focal" not in losses:
        raise ConfigError(f"--write-study: the config of {run_dir} has no losses.focal, as in configs/common/losses.py")
    alphas = {g: float(advice.alphas[GAMMAS.index(g)]) for g in _TESTED}
    if any(map(math.isnan, alphas.values())):
        raise ConfigError(
            "--write-study: no alpha gives background its share, because foreground or background has no gradient"
        )
    run = Path(run_dir).resolve()
    content = {"run": run.name, "base": str(run / CONFIG), "output": f"./output/imbalance_{run.name}"}
    variants = "".join(_variant(gamma, rounded(alpha)) for gamma, alpha in alphas.items())
    write_text(Path(path), _TEXT.format(target=advice.target, variants=variants, **content))


def _variant(gamma: float, alpha: float) -> str:
    focal = '"model.cls_loss=${losses.focal}"'
    values = f'"losses.focal.gamma={gamma}", "losses.focal.alpha={alpha}"'
    return f'        "gamma_{gamma:g}-alpha_{alpha:g}": [{focal}, {values}],\n'
