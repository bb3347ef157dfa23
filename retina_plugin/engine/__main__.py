"""`python -m retina_plugin.engine` trains as `retina train`, without the doctor before and the page after it.

Programs that start trainings use it, such as studies.
"""

from .cli import train_net

train_net()
