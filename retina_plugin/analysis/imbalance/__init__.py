"""How foreground and background share the loss: of a trained detector, and during training."""
