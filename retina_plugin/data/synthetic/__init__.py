"""A synthetic data set: filled shapes among outlined ones."""

from .dataset import SyntheticDials, register_synthetic

__all__ = ["SyntheticDials", "register_synthetic"]
