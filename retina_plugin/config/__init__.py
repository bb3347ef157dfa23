"""Configs: load, override, check."""

from .errors import ConfigError
from .load import get_config, load_config
from .overrides import quoted
from .untrusted import EVERYTHING
from .yacs import add_retina_plugin_config

__all__ = ["EVERYTHING", "ConfigError", "add_retina_plugin_config", "get_config", "load_config", "quoted"]
