"""Which objects the anchors of a config can match, and a search of better ones."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from ...analysis.anchors.analyze import analyze
from ...analysis.anchors.assignment import assign
from ...analysis.anchors.boxes import Split, load_boxes
from ...analysis.anchors.layouts import with_overrides
from ...analysis.anchors.page import Result, render_page
from ...analysis.anchors.recall import row_of_all
from ...analysis.anchors.search import search, split_images
from ...engine.run_data import record_data
from ...files import write_json, write_text
from ...inference.images import create_folder
from ...pages.render import without_nan

PAGE, JSON = "anchors.html", "anchors.json"


def analyze_anchors(
    cfg: DictConfig,
    output: str | Path,
    name: str = "this config",
    split: Split = "train",
    searching: bool = False,
    levels: Sequence[str] = (),
    max_anchors: float | None = None,
    num_pictures: int = 4,
    max_images: int = 1000,
) -> Result:
    """Match the boxes of a split with the anchors of a config, and write anchors.html and anchors.json into `output`.

    Args:
        cfg: its weights play no role.
        output: folder.
        name: of the config, for the page.
        split: the boxes are those of this split, resized by its mapper.
        searching: whether to search better anchors, see `analysis.anchors.search`.
        levels, max_anchors: limits of the search.
        num_pictures: number of images drawn.
        max_images: most images of the split; a random sample if there are more.

    Raises:
        ConfigError: if the config has no PluggableRetinaNet with Detectron2's Matcher, or anchors cannot be searched.
        DataError: if the data cannot be read or have no box.
        OSError: if `output` cannot be written to.
    """
    create_folder(output)
    record_data(cfg)
    boxes = load_boxes(cfg, split, max_images)
    analyses, found, held_out = {"now": analyze(cfg, boxes)}, None, None
    if searching:
        found = search(cfg, analyses["now"].detector, boxes.images, levels, max_anchors)
        better = analyze(with_overrides(cfg, found.overrides), boxes) if found.overrides else analyses["now"]
        _, rest = split_images(boxes.images)
        held_out = tuple(row_of_all(assign(analysis.detector, rest)) for analysis in (analyses["now"], better))
        analyses |= {"found": better} if found.overrides else {}
    result = Result(name, split, boxes, analyses, found, held_out)
    write_json(Path(output, JSON), without_nan(_as_json(result)))
    write_text(Path(output, PAGE), render_page(result, num_pictures))
    return result


def _as_json(result: Result) -> dict:
    boxes = result.boxes
    return {
        "config": result.config,
        "split": result.split,
        "images": len(boxes.images),
        "images_of_split": boxes.num_images,
        "left_out": boxes.left_out,
        "resizing": boxes.resizing,
        "analyses": {name: analysis.as_json() for name, analysis in result.analyses.items()},
        "search": result.found and asdict(result.found) | {"held_out": [asdict(row) for row in result.held_out]},
    }
