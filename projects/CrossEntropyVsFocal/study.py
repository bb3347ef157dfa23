# Does focal loss find objects that cross entropy loses among easy negatives? Synthetic shapes, minutes on a CPU.
# The variants climb the paper's ladder (arXiv 1708.02002, sections 3 and 4.1).
study = dict(
    base="quick/retinanet_tiny_synthetic.py",
    reference="focal",
    seeds=[0, 1, 2],
    variants=dict(
        focal=[],
        ce=["model.cls_loss=${losses.sigmoid_ce}"],
        balanced_ce=["model.cls_loss=${losses.balanced_ce}"],
        softmax_ce=["model.cls_loss=${losses.softmax_ce}"],
        # without the prior every anchor starts at a score of one half, and the background's loss is all there is
        ce_without_prior=["model.cls_loss=${losses.sigmoid_ce}", "model.head.prior_prob=0.5"],
    ),
    output_dir="./output/cross_entropy_vs_focal",
)
