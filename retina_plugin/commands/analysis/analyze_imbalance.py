"""An X-ray of the imbalance between foreground and background in trained detectors."""

from collections.abc import Sequence
from pathlib import Path

from ...analysis.dense import Split
from ...analysis.imbalance.advisor import advise, check_target
from ...analysis.imbalance.examine import examine
from ...analysis.imbalance.history import draw_history
from ...analysis.imbalance.report.figures import draw_figure_4
from ...analysis.imbalance.report.numbers import numbers_of
from ...analysis.imbalance.report.page import render_page
from ...analysis.imbalance.report.sentences import sentences
from ...analysis.imbalance.study_file import check_study_path, write_study
from ...config import ConfigError
from ...files import write_json, write_text
from ...inference.images import create_folder
from ...pages.figures import save_figure
from ...pages.render import without_nan
from ..compare import run_names

PAGE, NUMBERS, FIGURE = "imbalance.html", "imbalance.json", "figure4.png"


def analyze_imbalance(
    runs: Sequence[str | Path],
    output: str | Path | None = None,
    weights: str | Path | None = None,
    split: Split = "test",
    max_images: int | None = None,
    losses: Sequence[str] = (),
    gallery: int = 24,
    target: float = 0.5,
    study_file: str | Path | None = None,
    trust: Sequence[str] = (),
) -> tuple[Path, list[str]]:
    """Write the page, its numbers and the paper's figure 4 of run folders; returns the page's path and its sentences.

    Args:
        runs: run folders.
        output: a folder, by default RUN/imbalance of the first run.
        weights: another checkpoint than the run's, for one run.
        split: "test" or "train", the data to examine.
        max_images: number of images, from the first on; None for all.
        losses: names in configs/common/losses.py; by default cross entropy and focal losses as in the paper's figure.
        gallery: number of hard background anchors to draw.
        target: share of the gradient that background should hold, for the advisor.
        study_file: where to write a study that tests the advisor's hint for the first run; None for none.
        trust: modules of your own that the runs' configs may use.

    Raises:
        ConfigError, CheckpointError: for an invalid run, checkpoint or argument.
        DataError: if data or images cannot be read.
        OSError: if a file cannot be written.
    """
    if weights and len(runs) > 1:
        raise ConfigError("--weights belongs to one run: analyze one run at a time with it")
    if (max_images is not None and max_images < 1) or gallery < 0:
        raise ConfigError(f"--max-images {max_images} and --gallery {gallery} must be at least 1 and 0")
    check_target(target)
    if study_file:
        check_study_path(study_file)
    output = Path(output or Path(runs[0], "imbalance"))
    create_folder(output)
    found = [
        examine(run, name, weights, split, max_images, losses, gallery, trust)
        for run, name in zip(runs, run_names(runs), strict=True)
    ]
    advices = [advise(examination.xray, target) for examination in found]
    if study_file:
        write_study(study_file, runs[0], found[0].cfg.get("losses", {}), advices[0])
    numbers = [numbers_of(*pair) for pair in zip(found, advices, strict=True)]
    by_name = dict(zip((e.name for e in found), numbers, strict=True))
    histories = [draw_history(run) for run in runs]
    write_json(output / NUMBERS, without_nan({"split": split, "runs": by_name}))
    save_figure(draw_figure_4(found), output / FIGURE, dpi=100)
    write_text(output / PAGE, render_page(found, advices, numbers, histories, split))
    said = [
        f"{e.name}: {sentence}" if len(found) > 1 else sentence
        for e, advice in zip(found, advices, strict=True)
        for sentence in sentences(e, advice)
    ]
    return output / PAGE, said
