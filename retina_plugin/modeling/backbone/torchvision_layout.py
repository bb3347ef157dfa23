"""Find the modules of a torchvision classification network that output its features of stride 2 to 32."""

from __future__ import annotations

import contextlib
import difflib
import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import get_model, list_models

_PROBE = 256  # pixels; a multiple of every stride, so that a size tells the stride


class Feature(NamedTuple):
    """A module whose output is a feature, and the layout of that output."""

    node: str
    channels: int
    stride: int
    channels_last: bool  # (N, H, W, C) as in transformers, instead of (N, C, H, W)


def build_net(name: str) -> nn.Module:
    """Build the classification network `name` of torchvision with random weights.

    Raises:
        ValueError: for an unknown name, with similar ones.
    """
    import torchvision.models as zoo

    names = list_models(module=zoo)
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0.4))
        raise ValueError(
            f"model.backbone.bottom_up.name={name!r} is not a torchvision classification network"
            + (f"; did you mean {near}?" if near else "")
        )
    return get_model(name, weights=None)


def torchvision_channels(name: str, feature: str) -> int:
    """Number of channels of `feature` ("res2" to "res5") of network `name`, for the top block of a config."""
    return find_features(name, (feature,))[feature].channels


def find_features(name: str, features: tuple[str, ...]) -> dict[str, Feature]:
    """Find features of network `name` by their names in Detectron2; "res<i>" has stride 2^i.

    Raises:
        ValueError: if the network has no feature of that stride.
    """
    layout = _layout(name)
    for feature in features:
        if feature not in layout:
            raise ValueError(
                f"model.backbone.bottom_up.out_features names {feature!r}, but {name} has {sorted(layout)}"
            )
    return {feature: layout[feature] for feature in features}


@functools.cache
def _layout(name: str) -> dict[str, Feature]:
    blocks = _trunk_outputs(name)
    strides = sorted({feature.stride for feature, _ in blocks})
    layout = {}
    for stride in (s for s in strides if s in (2, 4, 8, 16, 32)):
        layout[f"res{stride.bit_length() - 1}"] = _last_of([b for b in blocks if b[0].stride == stride])
    return layout


def _last_of(blocks: list[tuple[Feature, nn.Module]]) -> Feature:
    """The last block of a stride, without 1x1 convolutions that only add channels for the classifier."""
    widens = [_only_pointwise(module) for _, module in blocks]
    spatial = [i for i, (_, m) in enumerate(blocks) if _convs(m) and not widens[i]]
    if not spatial:
        return blocks[-1][0]
    end = spatial[-1] + 1
    while end < len(blocks) and not _convs(blocks[end][1]):
        end += 1  # its norm and activation
    return blocks[end - 1][0]


def _convs(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _only_pointwise(module: nn.Module) -> bool:
    return all(conv.kernel_size == (1, 1) for conv in _convs(module))


def _trunk_outputs(name: str) -> list[tuple[Feature, nn.Module]]:
    """Run the network on one square image, and list its consecutive blocks with their features."""
    net, image = _without_data(name)
    seen: list[tuple[Feature, nn.Module]] = []

    def record(node: str, module: nn.Module, output: Tensor) -> None:
        if (feature := _as_feature(node, output)) is not None:
            seen.append((feature, module))

    for node, module in _blocks(net):
        module.register_forward_hook(lambda m, _, out, node=node: record(node, m, out))
    try:
        with torch.no_grad():
            net(image)
    except (AssertionError, RuntimeError) as e:
        raise ValueError(f"model.backbone.bottom_up.name={name!r} only takes images of one size: {e}") from e
    return seen


def _without_data(name: str) -> tuple[nn.Module, Tensor]:
    for device in (
        "meta",
        "cpu",
    ):  # a few networks, such as RegNets, compute their shapes with tensors
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
