"""The page of one or several runs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from ....pages.figures import svg_uri
from ....pages.render import template_environment
from ..advisor import Advice, rounded
from ..examine import OWN, Examination
from ..functions import CROSS_ENTROPY, FOCAL
from ..hard_background import APART
from .figures import draw_curves, draw_probabilities, draw_reliability
from .gallery import draw_gallery
from .sentences import percent, sentences

_TEMPLATE = "imbalance.html.j2"


def render_page(
    examinations: Sequence[Examination],
    advices: Sequence[Advice],
    numbers: Sequence[dict[str, Any]],
    histories: Sequence[Sequence[Figure]],
    split: str,
) -> str:
    """The page as HTML, a single file, with the numbers of `numbers_of` and the figures of `draw_history`.

    Raises:
        DataError: if an image of the gallery cannot be read.
    """
    environment = template_environment("retina_plugin.analysis.imbalance.report", _TEMPLATE)
    environment.filters |= {"percent": percent, "rounded": rounded}
    content = {
        "runs": [_of_run(*run) for run in zip(examinations, advices, numbers, histories, strict=True)],
        "reliability": [svg_uri(figure) for figure in draw_reliability(examinations)],
        "split": split,
        "own": OWN,
        "apart": APART,
        "paper": (CROSS_ENTROPY, FOCAL),
    }
    return environment.get_template(_TEMPLATE).render(content)


def _of_run(
    examination: Examination, advice: Advice, numbers: dict[str, Any], history: Sequence[Figure]
) -> dict[str, Any]:
    return {
        "history": [svg_uri(figure) for figure in history],
        "name": examination.name,
        "sentences": sentences(examination, advice),
        "numbers": numbers,
        "curves": [svg_uri(figure) for figure in draw_curves(examination)],
        "probabilities": svg_uri(draw_probabilities(examination)),
        "shown": [next(iter(examination.shares)), OWN],
        "num_detections": len(examination.scores),
        "couples_anchors": examination.losses[OWN].couples_anchors,
        "is_near": advice.is_near.tolist(),
        "gallery": draw_gallery(examination.hardest, examination.class_names),
    }
