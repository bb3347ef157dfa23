"""Errors that a user can mend: one line on the terminal, tracebacks in log.txt."""

import logging

import pytest
import torch
from conftest import train_args

from retina_plugin.config import load_config
from retina_plugin.engine import main
from retina_plugin.engine.cli import exit_with
from retina_plugin.engine.logs import _is_shown as log_filter
from retina_plugin.engine.reliability.memory_errors import OutOfMemoryError, is_out_of_memory, named_memory_errors
from retina_plugin.modeling import PluggableRetinaNet


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Detectron2's log goes to the standard output of its first call, which an earlier test may have closed."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


def allocate_too_much(_):
    return torch.empty(2**55, dtype=torch.uint8)


def raise_cuda_error(_):
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def raise_memory_error(_):
    raise MemoryError


def in_training(act, monkeypatch):
    monkeypatch.setattr(PluggableRetinaNet, "forward", lambda self, batch: act(batch))


@pytest.mark.parametrize("act", [allocate_too_much, raise_cuda_error, raise_memory_error])
def test_out_of_memory_names_keys_with_their_values(act, tmp_path, monkeypatch, capsys):
    in_training(act, monkeypatch)
    with pytest.raises(SystemExit) as end:
        exit_with(lambda: main(train_args(tmp_path / "run")))
    said = capsys.readouterr()
    assert end.value.code == 1 and "Traceback" not in said.out + said.err
    line = said.err.strip().splitlines()[-1]
    assert line.startswith("error: out of memory (") and len(line) < 1000
    for value in ("dataloader.train.total_batch_size=2", "train.accumulation=1", "synthetic.image_size=64"):
        assert value in line
    assert "Traceback" in (tmp_path / "run" / "log.txt").read_text()


def test_the_size_of_real_images_is_named():
    cfg = load_config("COCO-Detection/retinanet_R_50_FPN_1x.py")
    size = r"augmentations\[0\].short_edge_length=.*max_size=1333"
    with pytest.raises(OutOfMemoryError, match=size), named_memory_errors(cfg):
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), named_memory_errors(cfg):
        raise RuntimeError("shapes do not fit")


def test_other_errors_are_not_taken_for_it():
    assert not any(map(is_out_of_memory, (RuntimeError("size mismatch"), ValueError("out of memory"), KeyError("x"))))


def test_other_defects_keep_their_traceback(capsys):
    def fail():
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        exit_with(fail)


def test_ctrl_c_is_one_line(capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        exit_with(interrupt)
    assert end.value.code == 130 and capsys.readouterr().err == "error: interrupted\n"


def scaled_losses(factors, monkeypatch):
    """Losses multiplied, one factor per iteration."""
    forward, left = PluggableRetinaNet.forward, list(factors)

    def scaled(self, batch):
        result = forward(self, batch)
        if not self.training:
            return result
        factor = left.pop(0)
        return {name: loss * factor for name, loss in result.items()}

    monkeypatch.setattr(PluggableRetinaNet, "forward", scaled)


def test_a_loss_that_explodes_is_told_once(tmp_path, monkeypatch, caplog):
    scaled_losses([1, 1, 1e9, 1e9, 1e9, 1e9], monkeypatch)
    main(train_args(tmp_path / "run", "train.max_iter=6", "optimizer.lr=0.0"))
    told = [r.getMessage() for r in caplog.records if "diverges" in r.getMessage()]
    assert len(told) == 1
    for part in ("at iteration 2", "optimizer.lr (now 0.0)", "train.clip_grad_norm (now 10.0)"):
        assert part in told[0]
    assert "The training diverges" in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize("factors", [[1, 2, 50, 1], [1e6, 1e6, 1e5, 1e7], [1e-9, 1, 1, 1]])
def test_a_loss_that_is_large_from_the_beginning_or_rises_a_little_is_not(factors, tmp_path, monkeypatch, caplog):
    scaled_losses(factors, monkeypatch)
    main(train_args(tmp_path / "run", "optimizer.lr=0.0"))
    assert "diverges" not in caplog.text


def test_values_between_written_ones_are_not_looked_at(tmp_path, monkeypatch, caplog):
    scaled_losses([1, 1e9, 1, 1], monkeypatch)
    main(train_args(tmp_path / "run", "optimizer.lr=0.0", "train.log_period=4"))
    assert "diverges" not in caplog.text


@pytest.mark.parametrize(
    ("error", "is_shown"),
    [
        (FileNotFoundError("x.png"), False),
        (MemoryError(), False),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False),
        (RuntimeError("a defect"), True),
        (KeyError("a defect"), True),
    ],
)
def test_the_terminal_shows_the_tracebacks_of_defects_only(error, is_shown):
    """Detectron2's trainer logs every error with its traceback."""
    record = logging.LogRecord("detectron2", logging.ERROR, "", 0, "Exception during training:", (), None)
    record.exc_info = (type(error), error, None)
    assert log_filter(record) == is_shown
