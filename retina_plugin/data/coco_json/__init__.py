"""Checks of the entries of a COCO json: images, categories, annotations and their boxes."""
