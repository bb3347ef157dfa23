"""What PyTorch's optimizers and schedules save is not mistaken for damage."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from retina_plugin.engine.reliability.checkpoint_state import inconsistencies

OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {"foreach": True},
    "Adafactor": {},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {},
    "ASGD": {},
    "NAdam": {},
    "RAdam": {},
    "RMSprop": {"centered": True, "momentum": 0.9},
    "Rprop": {},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_states_of_optimizers_are_consistent(name):
    if not hasattr(torch.optim, name):
        pytest.skip("this PyTorch lacks it")
    model = nn.Linear(2, 3)
    optimizer = getattr(torch.optim, name)(model.parameters(), **OPTIMIZERS[name])
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    trainer = {"iteration": 1, "optimizer": optimizer.state_dict(), "hooks": {}}
    assert list(inconsistencies({"iteration": 1, "trainer": trainer}, optimizer)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 4]),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 9),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, 9),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    ],
)
def test_states_of_schedules_are_consistent(make):
    optimizer = torch.optim.SGD(nn.Linear(2, 3).parameters(), lr=0.1)
    schedule = make(optimizer)
    optimizer.step()
    schedule.step()
    hooks = {"LRScheduler": schedule.state_dict()}
    trainer = {"iteration": 1, "optimizer": optimizer.state_dict(), "hooks": hooks}
    assert list(inconsistencies({"iteration": 1, "trainer": trainer}, optimizer)) == []
