"""The learning rate of SGD, scaled to the batch size."""

_BASE_LR, _BASE_BATCH = 0.01, 16  # of SGD in Detectron2's RetinaNet configs


def linear_scaled_lr(batch_size: int, base_lr: float = _BASE_LR, base_batch_size: int = _BASE_BATCH) -> float:
    """The learning rate for `batch_size` images per update: `base_lr`, set for `base_batch_size`, scaled linearly.

    Source: "Accurate, Large Minibatch SGD", Goyal et al. 2017, section 2.1.
    """
    return base_lr * batch_size / base_batch_size
