"""What costs a detector AP: errors by type, by class and size, and the anchors behind them."""
