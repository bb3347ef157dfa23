"""How commands end: exit codes and one line."""

import argparse
import json
import sys
import time

import forked
import numpy as np
import pytest
from conftest import QUICK, ROOT, TINY
from PIL import Image

from retina_cli.arguments import parse_with_overrides
from retina_plugin.config import ConfigError
from retina_plugin.engine.cli import exit_with, train_net
from retina_plugin.run_folder import find_weights, read_metrics


def run(capsys, *argv):
    with pytest.raises(SystemExit) as end:
        train_net(list(argv))
    return end.value.code, capsys.readouterr().err.strip().splitlines()[-1]


def test_bad_input_is_one_line_and_exit_code_1(capsys, tmp_path):
    code, line = run(capsys, "--config-file", str(tmp_path / "no.py"))
    assert code == 1 and line.startswith(f"error: config {tmp_path}/no.py does not exist")
    code, line = run(capsys, "--config-file", QUICK, "train.max_itr=1")
    assert code == 1 and "did you mean max_iter?" in line


def test_a_config_without_its_parts_is_no_traceback(capsys, tmp_path):
    (tmp_path / "empty.py").write_text("")
    code, line = run(capsys, "--config-file", str(tmp_path / "empty.py"))
    assert code == 1 and line.endswith("empty.py is not a training config: it lacks model")
    (tmp_path / "broken.yaml").write_text("a: [1\nb: 2")
    code, line = run(capsys, "--config-file", str(tmp_path / "broken.yaml"))
    assert code == 1 and "broken.yaml raises" in line


@pytest.mark.parametrize(
    "override",
    [
        "train.best_checkpointer.mode=maximum",
        "dataloader.train.total_batch_size=0",
        "train.checkpointer.period=0",
        "model.head.conv_dims=[a]",
        "model.num_classes=-1",
        "synthetic.objects=[1]",
        "optimizer.betas=[2,3]",
    ],
)
def test_values_that_parts_refuse_are_no_traceback(capsys, tmp_path, override):
    opts = [*TINY, f"train.output_dir={tmp_path}/run", override]
    code, line = run(capsys, "--config-file", QUICK, *opts)
    assert code == 1 and line.startswith("error: ") and len(line) > 20
    assert not (tmp_path / "run" / "model_final.pth").exists()


@pytest.mark.parametrize("override", ["optimizer.lr=-1.0", "dataloader.test.num_workers=-1"])
def test_values_that_torch_refuses_are_named_by_their_section(capsys, tmp_path, override):
    code, line = run(capsys, "--config-file", QUICK, *TINY, f"train.output_dir={tmp_path}/run", override)
    assert code == 1 and override.split(".")[0] in line


def test_usage_errors_exit_with_2(capsys):
    assert run(capsys)[0] == 2
    assert run(capsys, "--no-such-flag")[0] == 2


@pytest.mark.parametrize("first", [True, False])
def test_overrides_are_no_values_of_a_flag_that_takes_several(first):
    flags, opts = ["--seeds", "0", "1", "--only", "focal", "ce"], ["train.max_iter=60", "+a=x=y"]
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--only", nargs="+")
    args = parse_with_overrides(parser, opts + flags if first else flags + opts)
    assert args.seeds == [0, 1] and args.only == ["focal", "ce"] and args.opts == opts


def test_a_path_with_an_equals_sign_is_no_override():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", nargs="+")
    args = parse_with_overrides(parser, ["--input", "out/lr=.1/a.png", "./b=c.png", "a.b=1"])
    assert args.input == ["out/lr=.1/a.png", "./b=c.png"] and args.opts == ["a.b=1"]


def test_more_gpus_than_there_are(capsys):
    code, line = run(capsys, "--config-file", QUICK, "--num-gpus", "9999")
    assert code == 1 and "--num-gpus 9999 asks for more" in line


def test_the_processes_of_a_training_meet_at_a_port_of_their_own(monkeypatch):
    found = []
    monkeypatch.setattr("retina_plugin.engine.cli.start_training", found.append)
    with pytest.raises(SystemExit):
        train_net(["--config-file", QUICK, "--num-gpus", "2"])
    assert found[0].dist_url == "auto"


def test_several_machines_need_an_address(capsys):
    code, line = run(capsys, "--config-file", QUICK, "--num-machines", "2")
    assert code == 1 and "--num-machines needs --dist-url tcp://HOST:PORT" in line


@pytest.fixture
def truncated_image(tmp_path):
    """Overrides of the custom config that train on one image whose second half is missing."""
    image = {"id": 1, "file_name": "broken.png", "width": 64, "height": 64}
    found = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 20, 20]}
    content = {"images": [image], "annotations": [found], "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "data.json").write_text(json.dumps(content))
    noise = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "broken.png")
    data = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(data[: len(data) // 2])
    opts = [o for o in TINY if not o.startswith(("synthetic", "dataloader"))]
    opts += [f"data.{s}_{k}={tmp_path}/{v}" for s in ("train", "val") for k, v in
             (("json", "data.json"), ("images", ""))]  # fmt: skip
    return [*opts, "dataloader.train.total_batch_size=1", "train.vis_period=0"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_named_through_workers(capsys, tmp_path, truncated_image, workers):
    opts = [f"dataloader.train.num_workers={workers}", f"train.output_dir={tmp_path}/run"]
    opts += truncated_image
    code, line = run(capsys, "--config-file", "custom/retinanet_MNV2_FPN.py", *opts)
    assert code == 1 and "cannot read image" in line and "broken.png" in line


def test_an_expected_error_shows_its_traceback_in_the_log_file_only(tmp_path, truncated_image):
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file"]
    command += [
        "custom/retinanet_MNV2_FPN.py",
        *truncated_image,
        f"train.output_dir={tmp_path}/run",
    ]
    done = forked.run(command)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "cannot read image" in done.stderr.strip().splitlines()[-1]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "Exception during training" in log and "Traceback" in log


def start_training(run_dir, *opts):
    """A training in a process of its own that leaves with this one."""
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file", QUICK]
    command += ["--leave-with-parent", *TINY, f"train.output_dir={run_dir}", *opts]
    return forked.Popen(command, stdin=forked.PIPE)


def test_a_training_saves_a_checkpoint_and_stops_when_its_standard_input_closes(tmp_path):
    with start_training(tmp_path / "run", "train.max_iter=1000000") as process:
        while not read_metrics(tmp_path / "run"):
            assert process.poll() is None
            time.sleep(0.1)
        process.stdin.close()
        assert process.wait(60) == 143
    last = read_metrics(tmp_path / "run")[-1]["iteration"]
    assert find_weights(tmp_path / "run").name == f"model_{last:07d}.pth"


def test_an_open_standard_input_stops_nothing(tmp_path):
    with start_training(tmp_path / "run") as process:
        process.stdin.write(b"what a parent says is ignored")
        process.stdin.flush()
        assert process.wait(120) == 0
    assert find_weights(tmp_path / "run").name == "model_final.pth"


def test_the_door_in_tools_opens(tmp_path):
    command = [sys.executable, str(ROOT / "tools/train_net.py"), "--config-file", "nothing.py"]
    done = forked.run(command, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: config nothing.py does not exist (looked in")


def test_an_error_of_another_process_loses_its_traceback_and_class(capsys):
    def fail():
        trace = "-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n  File x\n"
        raise ConfigError(trace + "retina_plugin.config.errors.ConfigError: train.freeze names 'x'")

    with pytest.raises(SystemExit) as end:
        exit_with(fail)
    assert end.value.code == 1 and capsys.readouterr().err == "error: train.freeze names 'x'\n"
