"""What goes wrong with disks, files and processes ends as documented, and nothing saved is lost."""

import errno
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import time
from pathlib import Path

import forked
import pytest
import torch
from conftest import QUICK, ROOT, TINY, train_args
from detectron2.utils import comm
from torch.multiprocessing import ProcessRaisedException

from retina_plugin.data import DataError
from retina_plugin.engine import main
from retina_plugin.engine.launching import launch_training
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.engine.run import Run
from retina_plugin.run_folder import find_weights
from retina_plugin.weights import CheckpointError, UnsafeCheckpointError, reading

LONG = ["train.max_iter=6", "train.checkpointer.period=2", "train.checkpointer.max_to_keep=null"]
HERE = Path(__file__).parent
IMPORT = f"import sys; sys.path[:0] = {[str(HERE), str(ROOT / 'tests')]}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    run = tmp_path_factory.mktemp("whole") / "run"
    main(train_args(run, *LONG))
    return run


@pytest.fixture
def stopped(whole, tmp_path):
    """A run that was interrupted after iteration 3."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "model_final.pth").unlink()
    (run / "last_checkpoint").write_text("model_0000003.pth")
    return run


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/retina_plugin_was_here",))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-2000])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def replace_by_text(path):
    path.write_text("no checkpoint")


def resumed(run):
    main(train_args(run, *LONG, resume=True))
    return (run / "log.txt").read_text()


@pytest.mark.parametrize("damage", [cut_off, empty, flip_a_bit, replace_by_text])
def test_a_damaged_newest_checkpoint_falls_back(damage, whole, stopped, caplog):
    damage(stopped / "model_0000003.pth")
    resumed(stopped)
    assert "model_0000003.pth" in caplog.text and "Trying the previous one" in caplog.text
    assert first_difference(whole, stopped) == ""


@pytest.mark.parametrize("damage", [cut_off, empty, flip_a_bit, replace_by_text])
def test_damage_to_other_files_of_the_run_does_not_matter(damage, whole, stopped):
    for name in ("model_0000001.pth", "model_best.pth"):
        damage(stopped / name)
    resumed(stopped)
    assert first_difference(whole, stopped) == ""


@pytest.mark.parametrize("content", ["", "model_0000099.pth", "model_00", "../elsewhere.pth"])
def test_a_useless_last_checkpoint_is_looked_past(content, whole, stopped):
    (stopped / "last_checkpoint").write_text(content)
    resumed(stopped)
    assert first_difference(whole, stopped) == ""


def test_a_missing_last_checkpoint_is_looked_past(whole, stopped):
    (stopped / "last_checkpoint").unlink()
    resumed(stopped)
    assert first_difference(whole, stopped) == ""


def test_if_no_checkpoint_can_be_read_it_says_so(stopped):
    for path in stopped.glob("model_0*.pth"):
        cut_off(path)
    before = (stopped / "metrics.json").read_bytes()
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        resumed(stopped)
    assert (stopped / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), "Stale file handle"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_damaged(error, message, whole, stopped, monkeypatch):
    read = reading._read

    def unlucky(path):
        if path.name == "model_0000003.pth":
            raise error
        return read(path)

    before = (stopped / "metrics.json").read_bytes()
    with monkeypatch.context() as m, pytest.raises(CheckpointError, match=f"0000003.pth .*{message}.* Try again"):
        m.setattr(reading, "_read", unlucky)
        resumed(stopped)
    assert (stopped / "metrics.json").read_bytes() == before
    resumed(stopped)
    assert first_difference(whole, stopped) == ""


def with_one_short_sighted_rank(args):
    """A rank that cannot make sense of the newest checkpoint."""
    torch.set_num_threads(1)
    read = reading._read

    def short_sighted(path):
        if comm.get_rank() == 1 and path.name == "model_0000003.pth":
            raise EOFError
        return read(path)

    reading._read = short_sighted
    Run.train = None  # processes in different iterations would wait for each other forever
    main(args)


def test_processes_that_read_different_checkpoints_do_not_train(stopped, forked_ranks):
    before = sorted((p.name, p.read_bytes()) for p in stopped.iterdir() if p.is_file())
    args = train_args(stopped, *LONG, "train.accept_changes=true", resume=True)
    for key, value in {"num_gpus": 2, "num_machines": 1, "machine_rank": 0, "dist_url": "auto"}.items():
        setattr(args, key, value)
    with pytest.raises(ProcessRaisedException, match=r"different checkpoints .*model_0000001.pth, model_0000003.pth"):
        launch_training(with_one_short_sighted_rank, args)
    assert sorted((p.name, p.read_bytes()) for p in stopped.iterdir() if p.is_file()) == before


@pytest.mark.parametrize("name", ["model_0000003.pth", "other.pth", "other.pkl", "model_best.pth"])
def test_a_malicious_file_is_refused_by_name_and_not_run(name, stopped, tmp_path):
    witness = Path("/tmp/retina_plugin_was_here")
    witness.unlink(missing_ok=True)
    path = stopped / name
    path.unlink(missing_ok=True)
    with path.open("wb") as f:
        pickle.dump({"model": Evil()}, f) if name.endswith("pkl") else torch.save({"m": Evil()}, f)
    with pytest.raises(UnsafeCheckpointError, match="system"):
        if name == "model_0000003.pth":
            resumed(stopped)
        else:
            main(train_args(tmp_path / "new", f"train.init_checkpoint={path}"))
    assert not witness.exists()


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["last_checkpoint", "model_final.pth"])
def test_a_full_disk_is_named_and_the_last_checkpoint_stays(name, whole, stopped, monkeypatch):
    replace = Path.replace
    full = lambda path, target: (no_space if Path(target).name == name else replace)(path, target)  # noqa: E731
    with monkeypatch.context() as m, pytest.raises(OSError, match=f"cannot write .*{name}.*No space left"):
        m.setattr(Path, "replace", full)
        resumed(stopped)
    assert not list(stopped.glob(".*.partial"))
    assert find_weights(stopped).is_file()
    resumed(stopped)  # room was made
    assert first_difference(whole, stopped) == ""


def test_a_disk_that_is_full_for_metrics(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    main(train_args(run, *LONG, "train.max_minutes=0.0"))
    fsync = os.fsync
    full = lambda f: (no_space if os.readlink(f"/proc/self/fd/{f}").endswith("metrics.json") else fsync)(f)  # noqa: E731
    with monkeypatch.context() as m, pytest.raises(OSError, match="cannot write .*run/metrics.json: No space left"):
        m.setattr(os, "fsync", full)
        main(train_args(run, *LONG, resume=True))
    assert find_weights(run).name == "model_0000000.pth"


def test_a_folder_that_cannot_be_one_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        main(train_args(tmp_path / "file" / "run"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        main(train_args(tmp_path / "run"))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("fault", ["missing", "cut off", "no image"])
def test_an_image_that_breaks_in_the_middle_is_named(fault, num_workers, tmp_path, monkeypatch):
    """It is there when training begins, and not at iteration 2."""
    from retina_plugin.data import CheckedDatasetMapper

    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path / "cache"))
    run, opts = tmp_path / "run", [*LONG, "train.checkpointer.period=1"]
    opts.append(f"dataloader.train.num_workers={num_workers}")
    main(train_args(run, *opts, "train.max_minutes=0.0"))
    images = sorted((tmp_path / "cache").glob("synthetic_train*/images/*.png"))[1:]  # without any, no training begins
    contents = [path.read_bytes() for path in images]
    for path, content in zip(images, contents, strict=True):
        path.unlink()
        if fault != "missing":
            path.write_bytes(content[:100] if fault == "cut off" else b"no image")
    with pytest.raises(DataError, match=r"cannot read image .*images/0000\d\d.png"):
        main(train_args(run, *opts, resume=True))
    assert find_weights(run).name == "model_0000000.pth"
    for path, content in zip(images, contents, strict=True):
        path.write_bytes(content)
    main(train_args(run, *opts, resume=True))
    assert CheckedDatasetMapper and (run / "model_final.pth").is_file()


def with_murdered_workers(args):
    """The processes that load images die at iteration 3."""
    from retina_plugin.modeling import PluggableRetinaNet

    forward, passes = PluggableRetinaNet.forward, []

    def murderous(self, batch):
        passes.append(self.training)
        if sum(passes) == 4:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.5)
        return forward(self, batch)

    PluggableRetinaNet.forward = murderous
    main(args)


def test_a_worker_that_is_killed_is_named(tmp_path):
    """In a process of its own: torch keeps the death of a worker in mind."""
    run = tmp_path / "run"
    program = f"{IMPORT}; from conftest import train_args; import pathlib, test_faults\n"
    program += "from retina_plugin.engine.cli import exit_with\n"
    program += f"args = train_args(pathlib.Path({str(run)!r}), *test_faults.LONG, 'train.max_iter=30',\n"
    program += "    'dataloader.train.num_workers=2')\n"
    program += "exit_with(lambda: test_faults.with_murdered_workers(args))\n"
    done = forked.run([sys.executable, "-c", program])
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("error: a process that loads images died")
    assert "continue with --resume" in last
    assert find_weights(run).name == "model_0000001.pth"


def killed_in_the_middle(args):
    """A rank that dies at iteration 3, as a machine does."""
    from retina_plugin.modeling import PluggableRetinaNet

    torch.set_num_threads(1)
    forward, passes = PluggableRetinaNet.forward, []

    def mortal(self, batch):
        passes.append(self.training)
        if comm.get_rank() == 1 and sum(passes) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, batch)

    PluggableRetinaNet.forward = mortal
    main(args)


def test_a_rank_that_is_killed_ends_the_run_which_goes_on_alone(whole, tmp_path, forked_ranks):
    args = train_args(tmp_path / "run", *LONG)
    for key, value in {"num_gpus": 2, "num_machines": 1, "machine_rank": 0}.items():
        setattr(args, key, value)
    args.dist_url = "auto"
    with pytest.raises(ChildProcessError, match="Checkpoints are intact"):
        launch_training(killed_in_the_middle, args)
    assert find_weights(tmp_path / "run").name == "model_0000001.pth"
    args.resume = True
    main(args)  # one process: the same batches
    assert (tmp_path / "run" / "model_final.pth").is_file()


def test_torchrun_starts_anew_from_the_last_checkpoint(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        f"{IMPORT}\n"
        "import os, test_faults, retina_plugin.engine.cli as cli\n"
        "if os.environ['TORCHELASTIC_RESTART_COUNT'] == '0':\n"
        "    cli.main = test_faults.killed_in_the_middle\n"
        "cli.train_net()\n"
    )
    torchrun = (  # forks its processes instead of starting them, which saves importing torch four times
        "import sys, forked, torch.distributed.run as torchrun\n"
        "import torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler as handler\n"
        "handler.Popen = forked.Popen\n"
        "torchrun.main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", torchrun]
    command += ["--standalone", "--nproc-per-node=2", "--max-restarts=1", "--monitor-interval=0.1"]
    command += [str(script), "--config-file", QUICK, *TINY, *LONG]
    command += [f"train.output_dir='{tmp_path}/run'"]
    done = forked.run(command, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Resuming at iteration 2" in (tmp_path / "run" / "log.txt").read_text()
    assert find_weights(tmp_path / "run").name == "model_final.pth"


def test_a_detectron2_run_folder_resumes(tmp_path):
    """A run that Detectron2's own trainer, loader, checkpointer and hooks have begun."""
    run = tmp_path / "run"
    program = (
        f"{IMPORT}\n"
        "from conftest import QUICK, TINY\n"
        "from retina_plugin.config import get_config\n"
        "from detectron2.checkpoint import DetectionCheckpointer\n"
        "from detectron2.config import instantiate\n"
        "from detectron2.engine import SimpleTrainer, hooks\n"
        "from detectron2.utils.events import JSONWriter\n"
        f"cfg = get_config(QUICK, [*TINY, *{LONG!r}])\n"
        "model = instantiate(cfg.model); cfg.optimizer.params.model = model\n"
        "trainer = SimpleTrainer(model, instantiate(cfg.dataloader.train), instantiate(cfg.optimizer))\n"
        f"checkpointer = DetectionCheckpointer(model, {str(run)!r}, trainer=trainer)\n"
        f"writer = hooks.PeriodicWriter([JSONWriter({str(run / 'metrics.json')!r})], period=1)\n"
        "trainer.register_hooks([hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),\n"
        "    hooks.PeriodicCheckpointer(checkpointer, 2), writer])\n"
        "class Stop(BaseException): pass\n"
        "def stop(t):\n"
        "    if t.iter == 4: raise Stop\n"
        "trainer.register_hooks([hooks.CallbackHook(after_step=stop)])\n"
        "try: trainer.train(0, 6)\n"
        "except Stop: pass\n"
    )
    run.mkdir()
    done = forked.run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr[-2000:]
    begun = torch.load(run / "model_0000003.pth", weights_only=True)
    main(train_args(run, *LONG, resume=True))
    state = torch.load(run / "model_final.pth", weights_only=True)
    steps = {int(s["step"]) for s in state["trainer"]["optimizer"]["state"].values()}
    assert steps == {6} and state["iteration"] == 5 and begun["iteration"] == 3
    lines = [line for line in (run / "metrics.json").read_text().splitlines() if "loss_cls" in line]
    assert len(lines) == 6
