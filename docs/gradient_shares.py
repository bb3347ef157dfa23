"""AP on blood cells over the share of the gradient that the classification loss has at the end of training."""

from matplotlib.figure import Figure
from stored import results

from retina_plugin.pages.figures import COLOURS, new_panel

_LOSSES = {
    "cross entropy (gamma 0)": {
        "why_bccd": ("alpha_.5-gamma_0", "alpha_.25-gamma_0"),
        "box_share": ("gamma_0-weight_.54", "gamma_0-weight_.22"),
        "ce_weight": ("ce_.27", "ce_.11"),
    },
    "focal loss (gamma 2)": {
        "why_bccd": ("alpha_.5-gamma_2", "alpha_.25-gamma_2"),
        "box_share": ("gamma_2-weight_.54", "gamma_2-weight_.22"),
        "ce_weight": ("focal",),
    },
}


def gradient_shares() -> Figure:
    """Means of five seeds with their standard deviation, for all variants whose start and clipping were made alike."""
    figure, axes = new_panel(
        "Blood cells, 420 iterations",
        "share of classification in the gradient at the end, %",
        "AP, mean ± deviation of five seeds",
    )
    for (loss, studies), colour, marker in zip(_LOSSES.items(), (COLOURS[1], COLOURS[0]), "so", strict=True):
        points = [
            (100 * found["cls_share_at_end"][name], *found["rows"][name]["AP"])
            for found, names in ((results(study), names) for study, names in studies.items())
            for name in names
        ]
        axes.plot(*zip(*((x, mean) for x, mean, _ in points), strict=True), marker, color=colour, label=loss)
        for x, mean, spread in points:
            axes.plot([x, x], [mean - spread, mean + spread], color=colour, linewidth=1)
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, loc="lower left")
    return figure
