"""Closed forms of the losses: value and gradient in one pass over the logits."""
