# The same question on blood cells: real, dense, with platelets that are few and small.
from .study import study

study.base = "../BloodCells/configs/retinanet_MNV2_FPN_bccd.py"
study.output_dir = "./output/cross_entropy_vs_focal_bccd"
