"""Where a torchvision classification net has its features of stride 4, 8, 16 and 32."""

from __future__ import annotations

import contextlib
import difflib
import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import get_model, list_models

_PROBE = 256  # pixels; every stride up to 32 divides it and leaves a different size


class Feature(NamedTuple):
    """The module whose output is a feature, and what that output is."""

    node: str
    channels: int
    stride: int
    channels_last: bool  # (N, H, W, C) instead of (N, C, H, W), as transformers have it


def build_net(name: str) -> nn.Module:
    """The classification net `name` of torchvision, without weights.

    Raises:
        ValueError: for a name that torchvision does not know, with the nearest ones.
    """
    import torchvision.models as zoo

    names = list_models(module=zoo)
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0.4)) or "none is near"
        raise ValueError(
            f"model.backbone.bottom_up.name={name!r} is no torchvision classification net: {near}"
        )
    return get_model(name, weights=None)


def torchvision_channels(name: str, feature: str) -> int:
    """Channels of `feature` ("res2" to "res5") of net `name`, for a config to derive a top block from."""
    return find_features(name, (feature,))[feature].channels


def find_features(name: str, features: tuple[str, ...]) -> dict[str, Feature]:
    """Features of net `name` by Detectron2's names; "res<i>" has stride 2^i.

    Raises:
        ValueError: if the net has none of that stride.
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
        layout[f"res{stride.bit_length() - 1}"] = _last_of(
            [b for b in blocks if b[0].stride == stride]
        )
    return layout


def _last_of(blocks: list[tuple[Feature, nn.Module]]) -> Feature:
    """The last block of a stride, without convs that only widen the features for the classifier."""
    widens = [_only_pointwise(module) for _, module in blocks]
    spatial = [i for i, (_, m) in enumerate(blocks) if _convs(m) and not widens[i]]
    if not spatial:
        return blocks[-1][0]
    end = spatial[-1] + 1
    while end < len(blocks) and not _convs(blocks[end][1]):
        end += 1  # the norm and activation that belong to it
    return blocks[end - 1][0]


def _convs(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _only_pointwise(module: nn.Module) -> bool:
    return all(conv.kernel_size == (1, 1) for conv in _convs(module))


def _trunk_outputs(name: str) -> list[tuple[Feature, nn.Module]]:
    """The blocks that run one after another, each with what it gives for one square image."""
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
        raise ValueError(
            f"model.backbone.bottom_up.name={name!r} takes images of one size only: {e}"
        ) from e
    return seen


def _without_data(name: str) -> tuple[nn.Module, Tensor]:
    for device in (
        "meta",
        "cpu",
    ):  # a few nets, such as the RegNets, compute their shape with tensors
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
