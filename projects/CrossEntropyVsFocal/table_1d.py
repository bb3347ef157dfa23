# Table 1d: online hard example mining against focal loss, by batch size and by the threshold of the NMS on losses.
from .study import study

OHEM = "model.cls_loss=${losses.ohem}"  # 128 anchors, NMS at .5
OHEM_1_3 = "model.cls_loss=${losses.ohem_1_3}"

study.reference = "focal"
study.variants = dict(
    focal=[],
    ohem_128_nms_7=[OHEM, "losses.ohem.nms_thresh=0.7"],
    ohem_256_nms_7=[OHEM, "losses.ohem.batch_size=256", "losses.ohem.nms_thresh=0.7"],
    ohem_512_nms_7=[OHEM, "losses.ohem.batch_size=512", "losses.ohem.nms_thresh=0.7"],
    ohem_128_nms_5=[OHEM],
    ohem_256_nms_5=[OHEM, "losses.ohem.batch_size=256"],
    ohem_512_nms_5=[OHEM, "losses.ohem.batch_size=512"],
    ohem_1_3_128=[OHEM_1_3],
    ohem_1_3_256=[OHEM_1_3, "losses.ohem_1_3.batch_size=256"],
    ohem_1_3_512=[OHEM_1_3, "losses.ohem_1_3.batch_size=512"],
)
study.hypotheses = [dict(better="focal", than="ohem_128_nms_5", metric="AP")]
study.paper = dict(
    focal=dict(AP=36.0, AP50=54.9, AP75=38.7, source="Table 1d"),
    ohem_128_nms_7=dict(AP=31.1, AP50=47.2, AP75=33.2, source="Table 1d"),
    ohem_256_nms_7=dict(AP=31.8, AP50=48.8, AP75=33.9, source="Table 1d"),
    ohem_512_nms_7=dict(AP=30.6, AP50=47.0, AP75=32.6, source="Table 1d"),
    ohem_128_nms_5=dict(AP=32.8, AP50=50.3, AP75=35.1, source="Table 1d"),
    ohem_256_nms_5=dict(AP=31.0, AP50=47.4, AP75=33.0, source="Table 1d"),
    ohem_512_nms_5=dict(AP=27.6, AP50=42.0, AP75=29.2, source="Table 1d"),
    ohem_1_3_128=dict(AP=31.1, AP50=47.2, AP75=33.2, source="Table 1d"),
    ohem_1_3_256=dict(AP=28.3, AP50=42.4, AP75=30.3, source="Table 1d"),
    ohem_1_3_512=dict(AP=24.0, AP50=35.5, AP75=25.8, source="Table 1d"),
)
study.output_dir = "./output/table_1d"
