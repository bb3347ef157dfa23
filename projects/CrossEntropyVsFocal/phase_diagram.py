# Which loss is better when? The study of demo.py in a grid: share of foreground in all logits, and length of training.
# The share changes with the number and size of objects and the size of images. The report has a map of the verdicts.
from .demo import study

study.grid = dict(
    foreground={
        "1e-4": ["synthetic.image_size=384"],
        "2e-4": ["synthetic.image_size=256"],
        "1e-3": ["synthetic.image_size=128"],
        "4e-3": ["synthetic.objects=[1,3]"],
        "1e-2": ["synthetic.objects=[10,16]", "synthetic.object_size=[16,40]"],
    },
    iterations={str(n): [f"train.max_iter={n}"] for n in (40, 120, 360, 1080)},
)
study.output_dir = "./output/phase_diagram"
