# The same variants on blood cells, whose three sizes fall on different levels.
from .study import study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.output_dir = "./output/fpn_variants_bccd"
