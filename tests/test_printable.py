"""Text for messages about paths."""

import pytest

from retina_plugin.printable import nearby


@pytest.mark.parametrize(
    "name, end",
    [("trian.json", "train.json"), ("nothing", None), ("custom/MNV2.py", None), ("deep/train.json", None)],
)
def test_a_missing_path_is_told_with_a_similar_one(name, end, tmp_path, monkeypatch):
    (tmp_path / "train.json").touch()
    monkeypatch.chdir(tmp_path)
    looked, near = f" (looked in {tmp_path})", f"; did you mean {end}?" if end else ""
    assert nearby(name) == looked + near
    assert nearby(tmp_path / name) == (f"; did you mean {tmp_path / end}?" if end else "")


def test_other_names_are_offered_too(tmp_path):
    assert nearby(tmp_path / "x", ["custom/MNV2_FPN.py"]) == ""
    assert nearby("custom/MNV2.py", ["custom/MNV2_FPN.py"]).endswith("; did you mean custom/MNV2_FPN.py?")
