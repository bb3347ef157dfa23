"""Training, and commands around it: convert weights, repeat a step that failed, test exactness."""

import argparse
import sys
import tempfile

from .arguments import add_trust_flags, at_least, command

_GROUP = "train"


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `detectron2.engine.default_argument_parser`, and three more."""
    parser.add_argument(
        "--config-file", required=True, metavar="FILE", help="a LazyConfig, or the config.yaml of a run"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint in train.output_dir")
    parser.add_argument(
        "--eval-only",
        action="store_true",
        help="evaluate train.init_checkpoint, or else the weights in train.output_dir; trains nothing",
    )
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on this machine, one per GPU")
    parser.add_argument("--num-machines", type=at_least(1), default=1, help="number of machines (default: 1)")
    parser.add_argument("--machine-rank", type=at_least(0), default=0, help="number of this machine, from 0")
    parser.add_argument("--dist-url", default="auto", help="where the processes meet; by default a free port")
    parser.add_argument(
        "--leave-with-parent",
        action="store_true",
        help="save a checkpoint and stop when standard input closes: for programs that start trainings",
    )
    parser.add_argument("--no-doctor", action="store_true", help="do not check config and data before training")
    parser.add_argument("--no-report", action="store_true", help="write no report.html into the run folder at the end")


@command(
    "train",
    _GROUP,
    "--config-file quick/retinanet_tiny_synthetic.py train.max_iter=120",
    _train_arguments,
    has_overrides=True,
    trains=True,
)
def _train(args: argparse.Namespace) -> None:
    """Train or evaluate a config, with the flags of Detectron2's lazyconfig_train_net.py."""
    from retina_plugin.commands.train import train

    train(args)


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a checkpoint; of averaged weights, the average is taken")
    parser.add_argument("target", metavar="OUT", help="a .safetensors or .pth file")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


@command("convert", _GROUP, "RUN/model_final.pth weights.safetensors", _convert_arguments)
def _convert(args: argparse.Namespace) -> None:
    """Write only the weights of a checkpoint to a .safetensors or .pth file."""
    from retina_plugin.commands.convert import convert_weights

    count = convert_weights(args.source, args.target, args.overwrite)
    print(f"{count} tensors are in {args.target}")


def _replay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dump", help="the saved batch, RUN/nonfinite/iteration_..._rank0.pth")
    parser.add_argument("--run", metavar="DIR", help="the run folder of the batch, if the file was moved")
    add_trust_flags(parser)


@command("replay", _GROUP, "RUN/nonfinite/iteration_0000012_rank0.pth", _replay_arguments)
def _replay(args: argparse.Namespace) -> None:
    """Repeat a training step whose loss or gradient was not finite, and name the first value that is not."""
    from retina_plugin.commands.replay import replay

    print(replay(args.dump, args.run, args.trust))


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--iterations", type=int, default=8, help="number of iterations of the whole run (default: 8)")
    parser.add_argument("--output", metavar="DIR", help="folder to keep the two runs in; by default they are deleted")


@command(
    "verify-resume",
    _GROUP,
    "--config-file quick/retinanet_tiny_synthetic.py",
    _verify_arguments,
    has_overrides=True,
    trains=True,
)
def _verify(args: argparse.Namespace) -> None:
    """Train a config, resume a copy of the run from its checkpoint in the middle, and compare everything bit by bit."""
    from retina_plugin.commands.verify_resume import verify_resume

    with tempfile.TemporaryDirectory() as scratch:
        difference = verify_resume(args.config_file, args.iterations, args.output or scratch, args.opts)
    if difference:
        sys.exit(f"error: the resumed run differs: {difference}")
    print(f"{args.iterations} iterations, resumed in the middle: bit-identical")


def _soak_arguments(parser: argparse.ArgumentParser) -> None:
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--config-file", metavar="FILE", help="a training")
    subject.add_argument("--study", metavar="FILE", help="a study; its process alone or all processes are killed")
    parser.add_argument("--kills", type=at_least(1), default=20, help="number of kills (default: 20)")
    parser.add_argument(
        "--num-gpus", type=int, default=1, help="number of processes of a training; without a GPU they use the CPU"
    )
    parser.add_argument("--jobs", type=at_least(1), default=2, help="runs of a study at once")
    parser.add_argument("--seed", type=int, default=0, help="seed that determines the moments")


@command(
    "soak",
    _GROUP,
    "--config-file quick/retinanet_tiny_synthetic.py --kills 20 train.max_iter=12",
    _soak_arguments,
    has_overrides=True,
    trains=True,
)
def _soak(args: argparse.Namespace) -> None:
    """Kill a training or a study at random moments, resume it, and compare it bit by bit with one never killed."""
    from retina_plugin.commands.soak import soak, soak_study

    same = 0
    with tempfile.TemporaryDirectory() as folder:
        if args.study:
            kills = soak_study(args.study, folder, args.kills, args.opts, args.seed, args.jobs)
        else:
            kills = soak(args.config_file, folder, args.kills, args.opts, args.seed, args.num_gpus)
        for i, kill in enumerate(kills):
            same += not kill.difference
            outcome = kill.difference or "bit-identical"
            when = f"{i + 1:2d} {kill.what} killed after {kill.seconds:5.1f} s, gone on from {kill.place}"
            print(f"{when}: {outcome}", flush=True)
    print(f"{same} of {args.kills} are bit-identical to the one that was not killed")
    if same < args.kills:
        sys.exit(1)


TRAINING = (_train, _replay, _convert, _verify, _soak)
