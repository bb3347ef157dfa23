from .retinanet_R_50_FPN_1x import train

train.max_iter = 270000
train.output_dir = "./output/retinanet_R_50_FPN_3x"
