"""RetinaNet laboratory for Detectron2. Importing the package registers every component."""

from importlib.util import find_spec

__version__ = "0.1.0"

if find_spec("detectron2") is None:
    raise ImportError(
        "retina_plugin needs detectron2, which is not installed: run `make install` in a clone of "
        "retina_plugin, or install it from https://github.com/facebookresearch/detectron2"
    )

from . import data, modeling  # noqa: E402
from .config import add_retina_plugin_config, get_config  # noqa: E402

__all__ = ["__version__", "add_retina_plugin_config", "data", "get_config", "modeling"]
