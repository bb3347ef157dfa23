# The variants of study.py on blood cells, where objects of the three classes fall on different levels.
from .study import study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.output_dir = "./output/fpn_variants_bccd"
