"""The loader of a COCO json, and checks of its entries: images, categories, annotations and their boxes."""
