"""A network of five convolutions, known to torchvision as "tiny_net", for tests in which any backbone will do.

It is built, trained and saved several times as fast as the smallest network of torchvision. Processes that do not
import the tests do not know it.
"""

from torch import Tensor, nn
from torchvision.models._api import register_model

TINY_NET = "tiny_net"


class TinyNet(nn.Module):
    """Features of stride 2 to 32."""

    def __init__(self):
        super().__init__()
        channels = (3, 8, 8, 16, 16, 16)
        self.features = nn.Sequential(*(_block(*pair) for pair in zip(channels, channels[1:], strict=False)))
        self.classifier = nn.Linear(channels[-1], 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean((2, 3)))


def _block(channels: int, out_channels: int) -> nn.Module:
    conv = nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _build(weights: None = None, **_) -> nn.Module:
    return TinyNet()


_build.__module__ = "torchvision.models.tiny_net"  # list_models looks at it
register_model(TINY_NET)(_build)
