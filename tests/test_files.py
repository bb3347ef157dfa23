"""Text from files in messages, and files written in full."""

import errno
import os
import stat

import pytest

from retina_plugin.files import write_text
from retina_plugin.printable import first_line, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        ("naïve 猫", "naïve 猫"),
        ("\x1b[31mred\n\x00", r"\x1b[31mred\n\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("", ""),
        (None, "None"),
        (3.5, "3.5"),
        (1 << 9999, "<int>"),
        ([1, "x", {"a": (None,)}], "[1, 'x', {'a': [None]}]"),
        (list(range(9)), "[0, 1, 2, 3, 4, ...]"),
        ({1}, "<set>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_shown_in_one_printable_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("value", ["x" * 10**6, "\x1b" * 10**6, b"x" * 10**6, ["x" * 90] * 9], ids=type)
def test_a_long_value_is_cut(value):
    assert len(shown(value, 50)) == 50 and shown(value, 50).endswith("...")


@pytest.mark.timeout(60)
def test_nested_values_are_not_walked_to_their_end():
    """They have 2^60 leaves."""
    tuples, lists = (), []
    for _ in range(60):
        tuples, lists = (tuples, tuples), [lists, lists]
    lists[0].append(lists)
    assert max(len(shown(value)) for value in (tuples, lists, {"x": tuples})) <= 200


def test_the_first_line_of_an_error_is_printable():
    assert first_line(ValueError("no \x1b[2J file\nsecond")) == r"no \x1b[2J file"
    assert first_line(ValueError("\n\n")) == "ValueError"
    assert len(first_line(ValueError("x" * 10**6))) == 1000


@pytest.mark.parametrize(("error", "is_known"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, error, is_known):
    """As on some network file systems; any other error is one of the folder, since the file has been replaced."""

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    if is_known:
        write_text(tmp_path / "file.txt", "new")
    else:
        with pytest.raises(OSError, match="cannot flush the folder"):
            write_text(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"
