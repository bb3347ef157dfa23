"""Two studies do not write into one folder."""

import pytest
from studies import tiny_study

from retina_plugin.engine.reliability.folder_lock import FolderInUseError, FolderLock
from retina_plugin.study import run_study


def test_a_second_study_in_a_folder_is_refused_before_it_writes(tmp_path):
    study = tiny_study(tmp_path, {"focal": []})
    with FolderLock(study.output_dir), pytest.raises(FolderInUseError, match="out is in use by process"):
        run_study(study)
    assert not study.output_dir.exists()
