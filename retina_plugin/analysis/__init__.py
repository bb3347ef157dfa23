"""What data, anchors and losses look like, and what they cost."""
