"""Check that a key of the model holds a loss of the right kind."""

from torch import nn


def check_kind(key: str, loss: object, kind: type[nn.Module]) -> None:
    """Raise a ValueError unless `loss`, the value of a key such as "model.cls_loss", is an instance of `kind`."""
    if not isinstance(loss, kind):
        group = "box_losses" if "box" in key else "losses"
        raise ValueError(
            f"{key} is of class {type(loss).__name__}, not a {kind.__name__}: set {key}='${{{group}.NAME}}', or a "
            f"subclass of retina_plugin.modeling.losses.{kind.__name__}"
        )
