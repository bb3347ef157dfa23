"""Find the modules of a torchvision classification network that output its features of stride 2 to 32."""

import contextlib
import difflib
import functools
from typing import NamedTuple

import torch
import torchvision.models
from torch import Tensor, nn
from torchvision.models import get_model, list_models

_PROBE = 256  # pixels; a multiple of every stride, so that the size of a feature determines its stride


class Feature(NamedTuple):
    """A module whose output is a feature, and the layout of that output."""

    node: str
    channels: int
    stride: int
    channels_last: bool  # (N, H, W, C) as in transformers, instead of (N, C, H, W)


def build_net(name: str) -> nn.Module:
    """Build torchvision's classification network `name` with random weights; ValueError for an unknown name."""
    names = list_models(module=torchvision.models)
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0.4))
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"model.backbone.bottom_up.name={name!r} is not a torchvision classification network{hint}")
    return get_model(name, weights=None)


def torchvision_channels(name: str, feature: str) -> int:
    """Number of channels of `feature`, such as "res5", of network `name`, for the top block in a config."""
    return find_features(name, (feature,))[feature].channels


def find_features(name: str, features: tuple[str, ...], key: str = "out_features") -> dict[str, Feature]:
    """Find features of network `name`; "res<i>" has stride 2^i.

    Raises:
        ValueError: if the network lacks one of them, which the setting `key` of the backbone names.
    """
    layout = _layout(name)
    for feature in features:
        if feature not in layout:
            there = sorted(layout) or "none of a stride 2 to 32, as its convolutions do not pad"
            raise ValueError(f"model.backbone.bottom_up.{key} names {feature!r}, but {name} has {there}")
    return {feature: layout[feature] for feature in features}


@functools.cache
def _layout(name: str) -> dict[str, Feature]:
    blocks = _trunk_outputs(name)
    of_stride = {i: [block for block in blocks if block[0].stride == 2**i] for i in range(1, 6)}
    return {f"res{i}": _last_of(found) for i, found in of_stride.items() if found}


def _last_of(blocks: list[tuple[Feature, nn.Module]]) -> Feature:
    """The last block of a stride, without 1x1 convolutions that only add channels for the classifier."""
    spatial = [i for i, (_, m) in enumerate(blocks) if any(conv.kernel_size != (1, 1) for conv in _convs(m))]
    if not spatial:
        return blocks[-1][0]
    end = spatial[-1] + 1
    while end < len(blocks) and not _convs(blocks[end][1]):
        end += 1  # the norm and activation of the last convolution
    return blocks[end - 1][0]


def _convs(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _trunk_outputs(name: str) -> list[tuple[Feature, nn.Module]]:
    """Run the network on one square image, and list its consecutive blocks with their features."""
    net, image = _without_data(name)
    seen: list[tuple[Feature | None, nn.Module]] = []
    for node, module in _blocks(net):
        module.register_forward_hook(lambda m, _, out, node=node: seen.append((_as_feature(node, out), m)))
    try:
        with torch.no_grad():
            net(image)
    except (AssertionError, RuntimeError) as e:
        raise ValueError(f"model.backbone.bottom_up.name={name!r} only takes images of one size: {e}") from e
    return [(feature, module) for feature, module in seen if feature is not None]


def _without_data(name: str) -> tuple[nn.Module, Tensor]:
    for device in ("meta", "cpu"):  # a few networks, such as RegNets, compute their shapes with tensors
        with torch.device(device), contextlib.suppress(NotImplementedError):
            return build_net(name).eval(), torch.empty(1, 3, _PROBE, _PROBE)
    raise AssertionError(name)


def _blocks(net: nn.Module) -> list[tuple[str, nn.Module]]:
    for container in ("features", "layers", "trunk_output", "blocks"):
        if isinstance(trunk := getattr(net, container, None), nn.Module):
            stem = [("stem", net.stem)] if isinstance(getattr(net, "stem", None), nn.Module) else []
            return stem + [(f"{container}.{n}", m) for n, m in trunk.named_children()]
    return list(net.named_children())


def _as_feature(node: str, output: Tensor) -> Feature | None:
    if not isinstance(output, Tensor) or output.dim() != 4:
        return None
    _, a, b, c = output.shape
    if b == c and b > 1 and _PROBE % b == 0:
        return Feature(node, a, _PROBE // b, False)
    if a == b and a > 1 and _PROBE % a == 0:
        return Feature(node, c, _PROBE // a, True)
    return None
