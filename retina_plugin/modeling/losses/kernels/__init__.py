"""Fast implementations of the losses: value and gradient in closed form, in one pass over the logits."""
