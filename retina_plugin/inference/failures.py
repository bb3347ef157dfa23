"""Process further images and videos after one has failed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from ..data import DataError
from ..printable import few, first_line, shown

logger = logging.getLogger(__name__)
_MOST_SHOWN = 5  # reasons in the message at the end
# torch raises RuntimeError if memory runs out
_OF_AN_IMAGE = (ValueError, OSError, RuntimeError, MemoryError, AssertionError, cv2.error)


class Failures:
    """Warns of images that could not be read, processed or drawn, and raises one error for all of them at the end."""

    def __init__(self, what: str = "image") -> None:
        """`what` is the word for one input in messages."""
        self._what = what
        self._tried = 0
        self._reasons: list[str] = []

    @contextmanager
    def of(self, image: str | Path) -> Iterator[None]:
        """Catch an error of this image inside the context, log it as a warning, and keep it for `raise_if_any`."""
        self._tried += 1
        try:
            yield
        except _OF_AN_IMAGE as e:
            reason = first_line(e)
            self._reasons.append(reason if isinstance(e, DataError) else f"{self._what} {shown(image)}: {reason}")
            logger.warning("%s", self._reasons[-1])

    @property
    def has_success(self) -> bool:
        """Whether one of the images or videos that were tried did not fail."""
        return len(self._reasons) < self._tried

    def raise_if_any(self, *others: "Failures") -> None:
        """Raise DataError with the number of images that failed, and the first reasons, of these and of `others`."""
        if texts := [str(failures) for failures in (self, *others) if failures._reasons]:
            raise DataError("; ".join(texts))

    def __str__(self) -> str:
        number, reasons = len(self._reasons), few(self._reasons, _MOST_SHOWN, "; ")
        return f"{number} of {self._tried} {self._what}s: {reasons}{', see above' * (number > _MOST_SHOWN)}"
