"""What the doctor says of the checkpoint that a training begins from."""

import pytest
import torch

from retina_plugin.analysis.doctor.subject import Subject
from retina_plugin.analysis.doctor.training import wiring
from retina_plugin.analysis.doctor.training.cost import cost
from retina_plugin.engine.setup import build_model


def findings(cfg):
    subject = Subject(cfg)
    return [finding for check in (wiring.usable, wiring.taken) for finding in check(subject)]


@pytest.fixture
def checkpoint(tmp_path, tiny_cfg):
    """A function that writes the weights of a tiny detector after a change of them; the override that names them."""

    def write(change=dict):
        state = change(build_model(tiny_cfg()).state_dict())
        torch.save({"model": state}, tmp_path / "x.pth")
        return f"train.init_checkpoint={tmp_path}/x.pth"

    return write


def without_stem(state):
    return {name: value for name, value in state.items() if ".bottom_up.body.features.0" not in name}


FAULTS = {
    "weights of another network": ("init-checkpoint", lambda state: {"net.weight": torch.ones(2)}, []),
    "a network without its first layers": ("init-checkpoint-partial", without_stem, []),
    "fewer anchors": ("init-checkpoint-anchors", dict, ["model.anchor_generator.scales_per_octave=1"]),
    "other pixels": ("init-checkpoint-differs", lambda state: state | {"pixel_std": torch.ones(3, 1, 1)}, []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(fault, checkpoint, tiny_cfg):
    code, change, overrides = FAULTS[fault]
    assert [finding.code for finding in findings(tiny_cfg(checkpoint(change), *overrides))] == [code]


def test_weights_that_fit_and_no_weights_have_no_fault(checkpoint, tiny_cfg):
    for cfg in (tiny_cfg(), tiny_cfg(checkpoint()), tiny_cfg(checkpoint(), "model.cls_loss=${losses.softmax_ce}")):
        assert findings(cfg) == []


def test_an_absent_file_is_said_once(tiny_cfg):
    cfg = tiny_cfg("train.init_checkpoint=absent.pth")
    assert [x.code for x in findings(cfg)] == ["init-checkpoint"]
    assert not list(cost(Subject(cfg)))  # needs a training that begins
