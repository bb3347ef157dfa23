"""Any torchvision classification network as a Detectron2 backbone."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.feature_extraction import create_feature_extractor

from .torchvision_layout import build_net, find_features
from .torchvision_weights import imagenet_weights, random_weights_stay

logger = logging.getLogger(__name__)

_NORMS = {
    "BN": lambda net: net,
    "FrozenBN": FrozenBatchNorm2d.convert_frozen_batchnorm,
    "SyncBN": nn.SyncBatchNorm.convert_sync_batchnorm,
}


class TorchvisionBackbone(Backbone):
    """A torchvision network, selected by name, that returns its features of chosen strides.

    Features have Detectron2's names, where "res<i>" has stride 2^i, so that the network can replace a ResNet without
    other changes. Images must be RGB, normalized with mean 123.675, 116.28, 103.53 and standard deviation
    58.395, 57.12, 57.375.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = "IMAGENET1K_V1",
        out_features: Sequence[str] = ("res3", "res4", "res5"),
        norm: str = "FrozenBN",
        freeze_at: int = 0,
    ) -> None:
        """Build the network.

        Args:
            name: name of the network in torchvision, such as "mobilenet_v2" or "resnet18".
            weights: name of torchvision weights for the network, "DEFAULT" for the newest; None for random weights.
            out_features: names of the features to return.
            norm: "FrozenBN", "BN" or "SyncBN", which replaces the batch norms of the network.
            freeze_at: modules up to and including "res<freeze_at>" are frozen with their statistics; 0 freezes none.

        Raises:
            ValueError: for an unknown network, weights, feature or norm, or a network with a fixed image size.
            OSError: if the weights cannot be found or downloaded.
        """
        super().__init__()
        if norm not in _NORMS:
            raise ValueError(f"model.backbone.bottom_up.norm={norm!r} is not one of {sorted(_NORMS)}")
        self._features = find_features(name, tuple(out_features))
        net = build_net(name)
        if weights is not None and hasattr(net, "transform_input"):
            net.transform_input = True  # the weights of GoogLeNet expect values from -1 to 1
        if weights is not None and (state := imagenet_weights(name, weights)) is not None:
            net.load_state_dict(state)
        elif weights is None and norm == "FrozenBN" and random_weights_stay():
            logger.warning(
                "%s: FrozenBN with random weights does not train; set model.backbone.bottom_up.norm=BN", name
            )
        if freeze_at:
            last = f"res{freeze_at}"
            _freeze(net, find_features(name, (last,), "freeze_at")[last].node)
        nodes = {feature.node: key for key, feature in self._features.items()}
        self.body = _NORMS[norm](create_feature_extractor(net, nodes, suppress_diff_warning=True))
        _freeze_statistics(self.body)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute features (N, C, H / stride, W / stride) of images (N, 3, H, W)."""
        features = self.body(x)
        for name, feature in self._features.items():
            if feature.channels_last:
                features[name] = features[name].permute(0, 3, 1, 2)
        return features

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchvisionBackbone:
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        new.__dict__ = copy.deepcopy(self.__dict__, memo)
        for graph in ("train_graph", "eval_graph"):  # torchvision before 0.21 does not copy them
            setattr(new.body, graph, copy.deepcopy(getattr(self.body, graph)))
        new.body.train(self.body.training)  # torchvision copies into training mode
        modes = {name: module.training for name, module in self.body.named_modules()}
        for name, module in new.body.named_modules():
            module.training = modes.get(name, self.body.training)
        return new

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of every feature."""
        return {n: ShapeSpec(channels=f.channels, stride=f.stride) for n, f in self._features.items()}


def _freeze(net: nn.Module, node: str) -> None:
    """Freeze all modules that are defined before a node, and the node itself."""
    is_reached = False
    for name, module in net.named_modules():
        if is_reached and not name.startswith(f"{node}."):
            break
        is_reached = is_reached or name == node
        for weight in module.parameters(recurse=False):
            weight.requires_grad_(False)


def _freeze_statistics(body: nn.Module) -> None:
    """Replace batch norms whose weights are frozen by FrozenBN, as Detectron2's ResNet does."""
    for parent in list(body.modules()):
        for name, module in parent.named_children():
            if isinstance(module, _BatchNorm) and module.affine and not module.weight.requires_grad:
                setattr(parent, name, FrozenBatchNorm2d.convert_frozen_batchnorm(module))
