"""A report shows the names of categories, whatever they contain."""

import base64
import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import planted
import pytest
from detectron2.config import LazyCall as L
from detectron2.config import instantiate

from retina_plugin.data import dataset_metadata, register_coco
from retina_plugin.evaluation.truth import read_truth
from retina_plugin.study import write_report
from retina_plugin.study.report.figures import draw_bands
from retina_plugin.study.spec.metrics import read_metric

NAMES = [r"$\frac{ <script>alert('1')</script> & " + 100 * "x", "a|b/gloss\n\U0001f9eb \u202ec", '`c` "q" $']


@pytest.fixture(scope="module")
def report(tmp_path_factory, trained_run):
    """The folder of a report about a detector of these categories."""
    folder = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planted, "_test_data", lambda run, given=planted._test_data: renamed(given(run)[0], folder))
        metrics = ["AP", {"key": f"bbox/AP-{NAMES[0]}"}, {"key": f"bbox/AP-{NAMES[1]}"}]
        study, results = planted.plant_study(folder, trained_run, seeds=(0, 1), metrics=metrics)
        write_report(study, results, num_images=2)
    return study.output_dir


def renamed(cfg, folder):
    """The same test data with these names of categories and annotation ids from 0."""
    known = dataset_metadata(instantiate(cfg.dataloader.test.dataset.names))
    content = json.loads(Path(known.json_file).read_text())
    for category, name in zip(content["categories"], NAMES, strict=True):
        category["name"] = name
    for annotation in content["annotations"]:
        annotation["id"] -= 1
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    shutil.copytree(known.image_root, folder / "images", dirs_exist_ok=True)
    cfg.dataloader.test.dataset.names = L(register_coco)(json_file=str(path), image_root=str(folder / "images"))
    cfg.metadata.thing_classes = NAMES
    return cfg, read_truth(str(path))


def test_the_page_has_all_pictures_and_escaped_names(report):
    html = (report / "report.html").read_text()
    assert html.count("data:image/jpeg;base64") == 2 * 3 and html.count("data:image/svg+xml;base64") == 7
    assert "<script" not in html and "\u202e" not in html
    shown = unescape(html)
    assert NAMES[0] in shown and "a|b/gloss\\n\U0001f9eb \\u202ec" in shown and NAMES[2] in shown
    for image in re.findall("data:image/svg.xml;base64,([A-Za-z0-9+/=]+)", html):
        assert b"<script" not in base64.b64decode(image)


def test_tables_of_the_text_keep_their_columns(report):
    lines = (report / "report.md").read_text().splitlines()
    tables = [re.findall(r"(?<!\\)\|", line) for line in lines if line.startswith("|")]
    assert {len(found) for found in tables[:2]} == {len(tables[2])}
    assert not any(re.search(r"(?<!\\)<script", line) for line in lines)


def test_the_json_has_the_names_as_they_are(report):
    content = json.loads((report / "report.json").read_text())
    assert content["classes"] == [f"AP-{name}" for name in NAMES]
    assert content["facts"] and not content["no_images_because"]


@pytest.mark.parametrize("name", ["glossy", "a/loss", "x/y"])
def test_more_ap_of_a_category_is_better_whatever_its_name(name):
    metric = read_metric(f"bbox/AP-{name}")
    assert metric.higher_is_better and metric.is_percent


def test_a_variant_whose_name_begins_with_an_underscore_is_in_the_legend():
    line = np.array([[0.0, 1.0], [2.0, 3.0]])
    _, axes = draw_bands({"_mine": [line], "focal": [line]}, "title", "x")
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == ["_mine", "focal"]
