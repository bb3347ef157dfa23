"""Which objects the anchors of a config can match, what AP that allows, and anchors that match more. No weights."""
