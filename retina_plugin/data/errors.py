"""The error for data that cannot be used."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file, and `code` the kind of fault, for programs."""

    def __init__(self, message: str = "", code: str = "data-unusable") -> None:
        super().__init__(message)
        self.code = code
