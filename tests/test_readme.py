"""What the documents say can be done."""

import re
import sys

import pytest
from conftest import QUICK, ROOT, train_args

README = (ROOT / "README.md").read_text()


def blocks(name, title):
    """The indented blocks of a section of a document, dedented."""
    text = (ROOT / name).read_text().split(f"# {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


DOCUMENTS = sorted(
    p for p in ROOT.glob("**/*.md") if not {".venv", "output", ".pytest_cache"} & set(p.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_files_that_documents_name_exist(path):
    text = path.read_text()
    names = re.findall(r"\]\(((?!http)[^)#]+)\)", text)
    assert all((path.parent / name).exists() for name in names)
    files = re.findall(r"\b((?:tools|configs|projects)/[\w./-]+\.(?:py|sh))\b", text)
    assert all((ROOT / name).is_file() for name in files)


def test_every_override_of_the_table_is_taken():
    from retina_plugin.config import get_config

    table = README.split("| What to change | How |")[1].split("\n\n")[0]
    found = re.findall(r"`((?:model|synthetic|train)\.[^`]+)`", table)
    assert len(found) >= 5
    for text in found:
        overrides = [o.replace("'", "").replace("NAME", "ohem") for o in text.split()]
        get_config(QUICK, overrides)


def test_the_loss_and_the_pyramid_of_the_readme_train(tmp_path, monkeypatch):
    module, config = blocks("docs/extending.md", "A loss of your own")
    (pyramid,) = blocks("docs/extending.md", "A pyramid of your own")
    definition, use = pyramid.split("model.backbone._target_")
    (tmp_path / "my_losses.py").write_text(module + definition)
    text = config + "from my_losses import NoTopDown\nmodel.backbone._target_" + use
    (tmp_path / "my_config.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    from retina_plugin.engine import main
    from retina_plugin.inference.predictor import LazyPredictor

    main(train_args(tmp_path / "run", config_file=str(tmp_path / "my_config.py")))
    predictor = LazyPredictor.from_run(tmp_path / "run", trust=["my_losses"])
    assert type(predictor.model.cls_loss).__name__ == "SquaredError"
    assert type(predictor.model.backbone).__name__ == "NoTopDown"


def test_the_recipe_for_projects_runs():
    (code,) = blocks("docs/detectron2.md", "In a project you already have")
    code += "\ncfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = 'cpu', ''\n"
    code += "model = detectron2.modeling.build_model(cfg)\n"
    names = {}
    exec(code, names)
    assert type(names["model"]).__name__ == "PluggableRetinaNet"
    assert type(names["model"].backbone).__name__ == "PAFPN"


def test_the_example_of_one_part_runs():
    (code,) = blocks("docs/detectron2.md", "One part alone")
    names = {}
    exec(code, names)
    assert names["logits"].grad[:5].abs().sum() > 0 and names["logits"].grad[5].abs().sum() == 0
