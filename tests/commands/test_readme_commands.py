"""The commands of the README work as pasted, in their order, twice; only sizes are reduced."""

import json
import re
import shlex
import shutil
import sys

import forked
import pytest
from conftest import ROOT, TINY
from detectron2.config import instantiate
from detectron2.data import MetadataCatalog
from test_readme import blocks

SMALL = {"compare": ["--num-images", "1"], "data": ["--num-images", "1"], "analyze-imbalance": ["--gallery", "1"]}


def commands(text):
    """The words of each command of a block, with the variables that it sets."""
    variables, found = {}, []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if match := re.fullmatch(r'(\w+)="(.*)"', line):
            variables[match[1]] = match[2]
        elif line and not line.startswith(". "):
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            found.append(shlex.split(line, comments=True))
    return found


def reduced(words):
    """The arguments with less to train and to draw."""
    _, command, *argv = words
    if command == "train":
        synthetic = ("synthetic", "dataloader.train.dataset", "dataloader.test.dataset")
        argv += [o for o in TINY if "quick/" in " ".join(argv) or not o.startswith(synthetic)]
    return [command, *argv, *SMALL.get(command, [])]


@pytest.fixture
def cells(tmp_path, tiny_cfg):
    """A COCO json and a folder of images, as a user has them."""
    for split, source in (("train", "train"), ("val", "test")):
        name = instantiate(tiny_cfg().dataloader[source].dataset.names)
        metadata = MetadataCatalog.get(name)
        shutil.copytree(metadata.image_root, tmp_path / "cells" / split)
        content = json.loads(open(metadata.json_file).read())
        (tmp_path / "cells" / f"{split}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("titles", [["Train, look, compare", "Look inside"], ["Your own data"]], ids=["quick", "own"])
def test_the_commands_of_the_readme_work_twice(titles, tmp_path, cells, unseen_figures):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    found = [words for title in titles for block in blocks("README.md", title) for words in commands(block)]
    assert len(found) >= 3 and all(words[0] == "retina" for words in found)
    for words in found * 2:
        done = forked.run([sys.executable, "-m", "retina_cli", *reduced(words)], cwd=tmp_path)
        # of a detector that was trained for a second
        finds_faults = words[1] == "doctor" and done.returncode == 1 and "fix:" in done.stdout
        assert done.returncode == 0 or finds_faults, (words, done.stdout, done.stderr)
    assert list((tmp_path / "output").glob("*/*.jpg")) or list((tmp_path / "output").glob("*/*.png"))
