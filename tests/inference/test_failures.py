"""An image that fails does not stop the others, whatever library it fails in."""

import cv2
import numpy as np
import pytest

from retina_plugin.data import DataError
from retina_plugin.inference.failures import Failures
from retina_plugin.inference.images import write_rgb


@pytest.mark.parametrize("error", [cv2.error, AssertionError, MemoryError])
def test_errors_of_every_library_wait_for_the_end(error):
    failures = Failures()
    with failures.of("a.png"):
        raise error("broken")
    with pytest.raises(DataError, match="1 of 1 images: image a.png: broken"):
        failures.raise_if_any()


def test_an_unknown_suffix_is_an_error_of_the_file(tmp_path):
    with pytest.raises(OSError, match=r"cannot write .*z\.xyz"):
        write_rgb(tmp_path / "z.xyz", np.zeros((2, 2, 3), "u1"))
