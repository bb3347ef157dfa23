"""Pictures of proposals about annotations of any place."""

import numpy as np
import pytest

from retina_plugin.analysis.labels.pictures import draw_proposal
from retina_plugin.analysis.labels.proposals import Proposal


@pytest.mark.parametrize("box", [[10.0, 10, 30, 20], [2000.0, 10, 2100, 400], [-2000.0, 10, -1900, 400]])
def test_an_annotation_has_a_picture_wherever_it_is(box):
    image = np.full((1200, 600, 3), 90, np.uint8)
    spurious = Proposal(1, "spurious", 1, "a.png", 7, box, 0, None, None, 0.1, 2.0)
    picture = draw_proposal(image, spurious, np.zeros((0, 4)))
    assert max(picture.shape[:2]) == 256 and min(picture.shape[:2]) > 64
    assert (picture != 90).any() == (box[0] == 10)  # what lies outside is not drawn
