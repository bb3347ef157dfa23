"""Take what the documents show out of the folders that long commands wrote, into docs/results.

    python docs/take_results.py study output/demo demo         # the report of a study
    python docs/take_results.py grid output/phase_diagram NAME # the reports of the cells of a grid
    python docs/take_results.py image output/demo 13 demo_image    # one test image, and what its runs find there
    python docs/take_results.py curves output/RUN figure4_bccd # figure 4 of a detector
    python docs/take_results.py zoo output/RUN OTHER zoo       # AP of runs
    python docs/take_results.py tuning output/tuned_bccd_tuning/tuned.json tuning_bccd
    python docs/take_results.py errors output/RUN/errors/errors.json errors_bccd
    python docs/take_results.py sweep sweep.json inference_sweep   # of infer --sweep with --output sweep.json

The files are small, so that they can be kept: `python docs/refresh.py` draws pictures and tables from them alone.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from retina_plugin.analysis.imbalance.examine import examine
from retina_plugin.analysis.imbalance.report.figures import curves_by_label
from retina_plugin.config import EVERYTHING
from retina_plugin.evaluation.truth import read_truth
from retina_plugin.files import write_json
from retina_plugin.reading import read_json
from retina_plugin.run_folder import last_evaluation, read_config, read_detections
from retina_plugin.study.evidence.by_image import coco_test_data
from retina_plugin.study.execution.results import REPORT

RESULTS = Path(__file__).parent / "results"
_LEAST_SCORE = 0.05


def study(folder: str) -> dict[str, Any]:
    """Means, spreads, effects and verdicts of a study, in percent, and the command that ran it.

    Besides, by variant, the start, and the share of the classification loss in the gradient at the end of training.
    """
    report = read_json(Path(folder, REPORT), {})
    return {
        "command": re.sub(r" --(output \S+|report-only)", "", report["facts"]["command"]),
        "seeds": report["facts"]["seeds"],
        "rows": {r["variant"]: {k: _mean(v) for k, v in r["level"].items()} for r in report["rows"]},
        "above": {t: {k: _mean(v) for k, v in x.items()} for t, x in report["above"].items()},
        "start": {r["variant"]: r["prior_prob"] for r in report["confounds"]["rows"]},
        "cls_share_at_end": {r["variant"]: _last(r["cls_shares"]) for r in report["confounds"]["rows"]},
        "effects": {e["name"]: _difference(e) for e in report["effects"]},
        "verdicts": {_question(v["hypothesis"]): _difference(v) for v in report["verdicts"]},
    }


def grid(folder: str) -> dict[str, Any]:
    """What `study` takes, by cell such as "1e-3/120", of every cell of a grid that has a report."""
    reports = sorted(Path(folder).glob(f"*/*/{REPORT}"))
    return {"/".join(path.parts[-3:-1]): study(str(path.parent)) for path in reports}


def image(folder: str, image_id: str) -> dict[str, Any]:
    """The objects of one test image, and what each run of a study finds there; copies the image beside it."""
    variants = list(study(folder)["rows"])
    runs = {name: sorted(Path(folder, name).glob("seed*"))[0] for name in variants}
    json_file, _ = coco_test_data(read_config(runs[variants[0]], trust=EVERYTHING))
    truth, number = read_truth(json_file), int(image_id)
    shutil.copy(Path(json_file).parent / "images" / truth.imgs[number]["file_name"], RESULTS / "demo_image.png")
    found = {name: read_detections(run) for name, run in runs.items()}
    keep = ("category_id", "bbox", "score")
    return {
        "categories": {str(k): v["name"] for k, v in truth.cats.items()},
        "objects": [{k: a[k] for k in keep[:2]} for a in truth.loadAnns(truth.getAnnIds(number))],
        "found": {
            name: [{k: d[k] for k in keep} for d in x if d["image_id"] == number and d["score"] >= _LEAST_SCORE]
            for name, x in found.items()
        },
    }


def curves(run: str) -> dict[str, Any]:
    """Points of the curves of figure 4, and the shares that the text names."""
    found = examine(run, gallery=0)
    lines = {
        label: [
            [[round(float(x), 5) for x in axis] for axis in (c.fraction, c.loss)]
            for c in (p.thinned(120) for p in pair)
        ]
        for label, pair in curves_by_label(found.shares).items()
    }
    shares = {name: [float(x) for x in s.of_background] for name, s in found.shares.items()}
    return {"curves": lines, "background_share_of_loss_and_gradient": shares, "easiest_90_percent": found.easiest}


def zoo(*runs: str) -> dict[str, Any]:
    """The metrics of the last evaluation of runs."""
    return {Path(run).name: {k: v for k, v in last_evaluation(run).items() if "bbox/" in k} for run in runs}


def tuning(path: str) -> dict[str, Any]:
    """A file of tuned values as it is, so that studies can take them from here."""
    return read_json(Path(path), {})


def errors(path: str) -> dict[str, Any]:
    """What every type of error costs, with its interval."""
    return read_json(Path(path), {})["runs"][0]["delta_ap"]


def sweep(path: str) -> dict[str, Any]:
    """The ratios of time of a sweep of inference, by the varied quantity, its value and the measured side."""
    keep = ("ratio", "lowest", "highest")
    return {
        varied: {
            value: {side: {k: round(row[k], 4) for k in keep} for side, row in sides.items() if "ratio" in row}
            for value, sides in points.items()
        }
        for varied, points in read_json(Path(path), {}).items()
    }


def _difference(found: dict[str, Any]) -> list[float | None]:
    """Difference, ends of its interval, and p."""
    return [found["difference"][k] for k in ("mean", "low", "high")] + [found["p_corrected"]]


def _last(shares: dict[str, float]) -> float | None:
    """The share at the largest number of iterations; None if only that of the start is known."""
    last = max(shares, key=int, default="0")
    return shares[last] if int(last) else None


def _question(hypothesis: dict[str, Any]) -> str:
    return f"{hypothesis['better']} − {hypothesis['than']} in {hypothesis['metric']}"


def _mean(value: dict[str, Any]) -> list[float | None]:
    return [value["mean"], value["spread"]]


if __name__ == "__main__":
    kind, *sources, name = sys.argv[1:]
    take = {f.__name__: f for f in (study, grid, image, curves, zoo, tuning, errors, sweep)}[kind]
    write_json(RESULTS / f"{name}.json", take(*sources))
