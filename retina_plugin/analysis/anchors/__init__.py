"""Analysis and search of a config's anchors, without weights: the objects that they match, and the AP that allows."""
