"""The training images of a run, where each seed has a sample of its own."""

from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...config.calls import is_call, parameters_of


def resample_training_images(cfg: DictConfig, seed: int) -> None:
    """Change `cfg` such that it trains on a bootstrap sample of its training images, drawn with `seed`.

    Raises:
        ConfigError: if the training loader is not `retina_plugin.data.build_train_loader`, or one with its argument.
    """
    loader = OmegaConf.select(cfg, "dataloader.train")
    if not is_call(loader) or "resample_seed" not in (parameters_of(loader) or ()):
        raise ConfigError("resample_train needs retina_plugin.data.build_train_loader as dataloader.train")
    loader.resample_seed = seed
