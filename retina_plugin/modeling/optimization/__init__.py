"""The same results in less time or memory: folded norms, a sparse box tower, and activation checkpointing."""
