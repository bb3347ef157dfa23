"""The overrides that docs/own_data.md names work with the configs that it names."""

import re

import pytest
from conftest import ROOT

from retina_plugin.config import get_config
from retina_plugin.config.overrides import apply_override

PAGE = (ROOT / "docs" / "own_data.md").read_text()
FILES = ["data.train_json=x", "data.train_images=x", "data.val_json=x", "data.val_images=x"]
OVERRIDES = sorted(
    {
        text
        for text in re.findall(r"`([^`]*=[^`]*)`", PAGE)
        if re.match(r"(data|model|train|optimizer|dataloader)\.", text)
    }
)


@pytest.mark.parametrize("config", sorted(set(re.findall(r"`(custom/\w+\.py)`", PAGE))))
def test_overrides_of_the_page_are_accepted(config):
    assert len(OVERRIDES) > 12
    cfg = get_config(config, FILES)
    for text in OVERRIDES:
        changed = cfg.copy()
        for override in text.split():
            apply_override(changed, override)


def test_codes_of_the_page_exist():
    codes = re.findall(r"^\| (`[\w-]+`(?:, `[\w-]+`)*) \|", PAGE, re.M)
    source = "\n".join(path.read_text() for path in (ROOT / "retina_plugin/analysis/doctor").rglob("*.py"))
    named = [code for row in codes for code in re.findall(r"[\w-]+", row)]
    assert len(named) > 12 and [code for code in named if f'"{code}"' not in source] == []
