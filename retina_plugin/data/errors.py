"""The error for data that cannot be used."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file."""
