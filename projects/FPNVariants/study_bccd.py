# The same lesions on blood cells, whose three sizes need a level each.
from .study import study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.output_dir = "./output/fpn_variants_bccd"
