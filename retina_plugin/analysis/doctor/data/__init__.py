"""Checks of data: categories, boxes, images, and what training and test data share.

`QUICK_CHECKS` are the checks that read no image.
"""

from . import box_formats, box_pairs, boxes, categories, classes, image_files, image_lists, leakage, loading

QUICK_CHECKS = (
    *loading.CHECKS,
    *categories.CHECKS,
    *classes.CHECKS,
    *box_formats.CHECKS,
    *boxes.CHECKS,
    *box_pairs.QUICK,
    *image_lists.CHECKS,
)
CHECKS = (*QUICK_CHECKS, *box_pairs.SLOW, *image_files.CHECKS, *leakage.CHECKS)
