"""Start the processes of a training: by Detectron2's flags, or within torchrun."""

import argparse
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from detectron2.engine import launch
from detectron2.engine.launch import DEFAULT_TIMEOUT
from detectron2.utils import comm
from omegaconf import OmegaConf
from torch import distributed
from torch.distributed.rendezvous import rendezvous
from torch.multiprocessing import ProcessExitedException

from ..config import ConfigError, load_config
from ..run_folder import checkpoints
from .reliability.signals import handled_by

_EARLIER = "retina_plugin/earlier_checkpoints"


def launch_training(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> None:
    """Run `main(args)` in every process that the flags or torchrun start.

    Without a GPU the processes run on the CPU and communicate over gloo.

    Raises:
        ConfigError: if there are fewer GPUs than processes, if several machines have no --dist-url, or if --num-gpus is
            given within torchrun.
        ChildProcessError: if a process died.
        SystemExit: 130 or 143 if the processes stopped on SIGINT or SIGTERM.
    """
    world_size = args.num_gpus * args.num_machines
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if world_size > 1:
            raise ConfigError("torchrun starts the processes: remove --num-gpus and --num-machines")
        return _join_torchrun(main, args)
    if args.num_machines > 1 and args.dist_url == "auto":
        raise ConfigError("--num-machines needs --dist-url tcp://HOST:PORT, with a free port of the machine of rank 0")
    if world_size > 1:
        _check_devices(args.num_gpus)
        load_config(args.config_file, args.opts)  # so that an error appears once, not in every process
    asked: list[int] = []  # signals
    try:
        with handled_by(_pass_on(asked), signal.SIGTERM, signal.SIGINT) if world_size > 1 else nullcontext():
            launch(main, args.num_gpus, args.num_machines, args.machine_rank, args.dist_url, args=(args,))
    except ProcessExitedException as e:
        ended_here = bool(asked) and e.exit_code == -signal.SIGTERM  # by `_pass_on`, before or without a training
        if ended_here or e.exit_code in (130, 143):  # all of them stopped on a signal
            raise SystemExit(asked[0] + 128 if asked else e.exit_code) from None
        raise ChildProcessError(f"{e}. Checkpoints are intact: continue with --resume") from e
    if signal.SIGINT in asked:  # processes that were still starting have left with status 0
        raise KeyboardInterrupt


def _pass_on(asked: list[int]) -> Callable[[int, Any], None]:
    """A handler that passes signals on to the processes of the training, and waits until they have saved a checkpoint.

    If this process died first, saving would be interrupted. All signals are passed on as SIGTERM: after Ctrl-C the
    processes have got SIGINT too, and a second one would end them at once. Signals that have come are added to `asked`.
    """

    def pass_on(number: int, _: Any) -> None:
        asked.append(number)
        if not (processes := multiprocessing.active_children()):
            raise SystemExit(128 + number)
        for process in processes:
            process.terminate()

    return pass_on


def _check_devices(num_gpus: int) -> None:
    on_gpu = torch.cuda.is_available()
    there = torch.cuda.device_count() if on_gpu else os.cpu_count() or 1
    if num_gpus > there:
        what = "GPUs" if on_gpu else "processes"
        where = "" if on_gpu else " CPU cores, and there is no GPU"
        raise ConfigError(f"--num-gpus {num_gpus} asks for more {what} than the {there}{where}")


def _join_torchrun(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> None:
    on_gpu = torch.cuda.is_available()
    local_rank, local_size = (int(os.environ[k]) for k in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    if on_gpu:
        _check_devices(local_size)
        torch.cuda.set_device(local_rank)
    store, rank, world_size = next(rendezvous("env://"))
    args.resume = args.resume or _restarted(args, store)
    # restarted processes use a new namespace, without the addresses of dead processes
    store = distributed.PrefixStore(f"attempt_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=world_size,
        timeout=DEFAULT_TIMEOUT,  # as with --num-gpus; torch's own for NCCL is shorter
    )
    comm.create_local_process_group(local_size)
    try:
        main(args)
    finally:
        distributed.destroy_process_group()


def _restarted(args: argparse.Namespace, store: distributed.Store) -> bool:
    """Whether torchrun restarted the processes after one died, and this run has a checkpoint to continue from.

    Checkpoints that were there at the first start, which the store remembers, belong to an earlier run.
    """
    if args.eval_only:
        return False
    folder = OmegaConf.select(load_config(args.config_file, args.opts), "train.output_dir") or ""
    found = repr([(path.name, path.stat().st_mtime_ns) for path in checkpoints(folder)])
    if not int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)):
        store.set(_EARLIER, found)
    earlier = store.get(_EARLIER).decode() if store.check([_EARLIER]) else ""
    return found not in ("[]", earlier)
