"""Checks of data: categories, boxes, images, and what training and test data share.

`QUICK` are the checks that read no image.
"""

from . import box_formats, boxes, categories, classes, image_files, image_lists, leakage, loading, pixels

QUICK = (
    *loading.CHECKS,
    *categories.CHECKS,
    *classes.CHECKS,
    *box_formats.CHECKS,
    *boxes.CHECKS,
    *image_lists.CHECKS,
)
CHECKS = (*QUICK, *image_files.CHECKS, *pixels.CHECKS, *leakage.CHECKS)
