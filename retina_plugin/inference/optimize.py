"""Make a trained detector faster without changing how it is called."""

import copy
import logging
from typing import Literal, get_args

import torch
from torch import nn

from ..modeling import PluggableRetinaNet
from ..modeling.optimization.box_tower import box_layers
from ..modeling.optimization.fast_conv import use_fast_convolutions
from ..modeling.optimization.norms import fold_norms
from ..modeling.optimization.processor import has_bfloat16
from ..modeling.optimization.recompute import undo_recomputing
from ..modeling.optimization.training import undo_training_layers
from ..printable import first_line
from .fast import FastInference, as_fast
from .packing import pack_convolutions
from .probe import are_alike, probe

logger = logging.getLogger(__name__)

Dtype = Literal["auto", "float32", "bfloat16"]
DTYPES = get_args(Dtype)
_INFERENCE = """forward forward_inference inference_single_image _transpose_dense_predictions
_decode_multi_level_predictions _decode_per_level_predictions""".split()


def optimize_for_inference(model: nn.Module, dtype: Dtype = "float32") -> nn.Module:
    """A faster detector with copies of backbone, head and anchors; `model` does not change.

    Norms are folded into convolutions, memory is laid out with channels last, scores and boxes are computed only for
    candidates (see `modeling.optimization` for the box tower), and NMS stops once enough detections are kept. In
    float32, detections are those of `model` up to rounding, but the choice among equal scores may differ. "bfloat16"
    computes backbone and head in bfloat16, scores and boxes in float32; on a CPU, large 3 x 3 convolutions then round
    more than torch's, see `modeling.optimization.winograd`. "auto" selects bfloat16 where the processor has
    instructions for it, otherwise float32. The default, float32, does not depend on the machine.

    A detector that is not a PluggableRetinaNet, overrides a method of inference, cannot be copied, or whose optimized
    copy gives other outputs for an image of noise, is returned as it is, and the log says so. Outputs differ if a
    module calls the children of an nn.Sequential one by one and uses what is between them.

    Raises:
        ValueError: for another `dtype`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}")
    if reason := _why_not(model):
        logger.info("inference is not optimized: %s", reason)
        return model
    try:
        fast = _copy_networks(model)
    except Exception as e:  # a part written by the user may raise anything
        logger.warning("inference is not optimized: the detector cannot be copied: %s", first_line(e))
        return model
    if not isinstance(model, FastInference) and (reason := _what_differs(fast)):
        logger.warning("inference is not optimized: %s", reason)
        return model
    half = dtype == "bfloat16" or (dtype == "auto" and has_bfloat16(model.device))
    return _optimize(fast, torch.bfloat16 if half else torch.float32)


def _what_differs(model: PluggableRetinaNet) -> str:
    """What an optimized copy in float32 does otherwise for an image of noise; empty if it does the same."""
    try:
        alike = are_alike(probe(model), probe(_optimize(_copy_networks(model), torch.float32)))
    except Exception as e:  # a part written by the user may raise anything
        return f"an image of noise ends in {type(e).__name__}: {first_line(e)}"
    return "" if alike else "its outputs for an image of noise would be others"


def _optimize(model: PluggableRetinaNet, dtype: torch.dtype) -> PluggableRetinaNet:
    """Optimize in place a detector that `_copy_networks` made, and return it."""
    for part in (model.backbone, model.head):
        fold_norms(undo_training_layers(undo_recomputing(part)))
        part.to(dtype=dtype, memory_format=torch.channels_last)
        part.requires_grad_(False)
    if model.device.type == "cpu":
        _pack(model)
    return as_fast(model)


def _pack(fast: PluggableRetinaNet) -> None:
    pack_convolutions(fast.backbone, within=fast)
    runs_in_parts = box_layers(fast.head) is not None  # then the box tower needs plain weights
    for part in (fast.head.cls_subnet, fast.head.cls_score) if runs_in_parts else (fast.head,):
        pack_convolutions(part, within=fast)
    if runs_in_parts:
        use_fast_convolutions(fast.head.bbox_subnet)


def _why_not(model: nn.Module) -> str:
    """Why a detector cannot be made faster; empty if it can."""
    name, known = type(model).__name__, FastInference if isinstance(model, FastInference) else PluggableRetinaNet
    if not isinstance(model, PluggableRetinaNet):
        return f"{name} is not a PluggableRetinaNet"
    own = [method for method in _INFERENCE if getattr(type(model), method) is not getattr(known, method)]
    return f"{name} overrides {', '.join(own)}" if own else ""


def _copy_networks(model: PluggableRetinaNet) -> PluggableRetinaNet:
    """The detector in evaluation mode with copies of backbone, head and anchor generator; it shares its other parts."""
    new = copy.copy(model)
    new._modules, new._buffers = dict(model._modules), dict(model._buffers)
    for name in ("backbone", "head", "anchor_generator"):
        new._modules[name] = copy.deepcopy(model._modules[name]).eval()
    new.training = False
    return new
