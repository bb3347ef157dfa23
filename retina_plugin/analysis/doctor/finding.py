"""One thing that the doctor has found, and the form of its checks."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from ...data import DataError

if TYPE_CHECKING:
    from .subject import Subject

Severity = Literal["error", "warning", "hint"]
Check = Callable[["Subject"], Iterable["Finding"]]
"""A check looks at one thing and yields what is wrong with it. A module lists its checks in a tuple `CHECKS`."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer.

    Attributes:
        severity: "error" if training cannot give what is wanted, "warning" if it probably does not, "hint" otherwise.
        code: a short stable name, such as "box-outside-image", the same for every finding of this kind.
        message: what is wrong, with the numbers.
        where: the key of the config, or the file and the entry in it.
        fix: what to do, as an override to paste where there is one.
    """

    severity: Severity
    code: str
    message: str
    where: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.code}]\n    where: {self.where}\n    fix: {self.fix}"


def finding_of(error: Exception, where: str = "config and data") -> Finding:
    """An error that would end a training, as a finding. DataError has a code of its own."""
    if isinstance(error, DataError):
        return Finding("error", error.code, str(error), where, "correct what the message names; training stops here")
    return Finding("error", "config-invalid", str(error), where, "correct the key or file that the message names")
