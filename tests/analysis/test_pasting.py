"""Commands in messages do what they say when they are pasted into a shell."""

import shlex

import pytest
from conftest import QUICK

from retina_cli.arguments import parse
from retina_cli.main import COMMANDS
from retina_plugin.analysis.pasting import evaluating, of_run
from retina_plugin.config import get_config, load_config
from retina_plugin.config.yaml_file import save_config

FOLDERS = ["run", "my run", "it's", 'a "b"', "back\\slash", "Läufe, 1", "a=b", "[1]", "$HOME"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_run_goes_on_in_its_own_folder_whatever_its_config_says(name, tmp_path):
    run = tmp_path / name
    run.mkdir()
    save_config(
        get_config(QUICK, ["train.output_dir=elsewhere", "train.init_checkpoint=start.pth"]), run / "config.yaml"
    )
    (run / "model_0000009.pth").touch()
    for flags, start in ((of_run(run), "start.pth"), (evaluating(run), str(run / "model_0000009.pth"))):
        args = parse(COMMANDS["train"], "retina train", shlex.split(flags))
        cfg = load_config(args.config_file, args.opts)
        assert (cfg.train.output_dir, cfg.train.init_checkpoint) == (str(run), start)


def test_plain_paths_stay_readable(tmp_path):
    assert of_run("output/run_1") == "--config-file output/run_1/config.yaml train.output_dir=output/run_1"
    assert of_run("my run") == "--config-file 'my run/config.yaml' 'train.output_dir=\"my run\"'"
