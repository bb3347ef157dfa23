# Multipliers of the learning rate. All lengths are relative to train.max_iter, so a schedule scales with it.
from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler

# Detectron2's schedules for 16 images per batch, of 90,000 and 270,000 iterations
lr_multiplier_1x = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(values=[1.0, 0.1, 0.01], milestones=[60000, 80000, 90000]),
    warmup_length=1000 / 90000,
    warmup_method="linear",
    warmup_factor=0.001,
)
lr_multiplier_3x = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(values=[1.0, 0.1, 0.01], milestones=[210000, 250000, 270000]),
    warmup_length=1000 / 270000,
    warmup_method="linear",
    warmup_factor=0.001,
)

# one cycle: linear warmup in the first tenth, then down to 0 along a cosine
lr_multiplier_cosine = L(WarmupParamScheduler)(
    scheduler=L(CosineParamScheduler)(start_value=1.0, end_value=0.0),
    warmup_length=0.1,
    warmup_method="linear",
    warmup_factor=0.01,
)
