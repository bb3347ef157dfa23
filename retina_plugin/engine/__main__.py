"""`python -m retina_plugin.engine` is tools/train_net.py for installed packages."""

from .cli import train_net

train_net()
