"""A synthetic data set: filled shapes among outlined ones."""

from .dataset import SyntheticSettings, register_synthetic

__all__ = ["SyntheticSettings", "register_synthetic"]
