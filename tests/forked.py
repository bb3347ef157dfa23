"""Starts `python ...` as a fork of this process, which has imported everything already: importing takes seconds.

The child has a session, standard streams, environment and working directory of its own, like one of subprocess. It
computes with one thread, whatever OMP_NUM_THREADS says.
Tests that the start itself matters to use subprocess.
"""

import faulthandler
import gc
import logging
import multiprocessing.process
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import torch
from detectron2.utils.logger import setup_logger

_INTERPRETER_FLAGS = ("-W", "ignore", "-u")


class Popen:
    """What the package and its tests use of subprocess.Popen."""

    def __init__(
        self, args, stdin=None, stdout=None, stderr=None, cwd=None, env=None, start_new_session=False, pass_fds=()
    ):
        assert args[0] == sys.executable
        self.args, self.returncode, self.stdin = args, None, None
        reading = writing = None
        if stdin == subprocess.PIPE:
            reading, writing = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        passed = {descriptor: os.dup(descriptor) for descriptor in pass_fds}  # locks close when a process forks
        self.pid = os.fork()
        if self.pid == 0:
            for descriptor, copy in passed.items():
                os.dup2(copy, descriptor)
            if start_new_session:
                os.setsid()
            outputs = (stdout, stdout if stderr == subprocess.STDOUT else stderr)
            streams = [reading, *(s.fileno() if hasattr(s, "fileno") else None for s in outputs)]
            _become(args[1:], streams, cwd, os.environ if env is None else env, pass_fds)
        for copy in passed.values():
            os.close(copy)
        if writing is not None:
            os.close(reading)
            self.stdin = os.fdopen(writing, "wb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.stdin is not None:
            self.stdin.close()
        self.wait()

    def poll(self):
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        end = time.monotonic() + (timeout or 300)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def run(args, cwd=None, env=None, timeout=None, **_):
    """As subprocess.run with capture_output=True, text=True."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = Popen(args, stdout=out, stderr=err, cwd=cwd, env=env)
        status = process.wait(timeout)
        texts = [(file.seek(0), file.read())[1] for file in (out, err)]
    return subprocess.CompletedProcess(args, status, *texts)


PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL


def _become(args, streams, cwd, env, pass_fds):
    """Turn this child into the process that `args` describe; never returns."""
    status = 1
    try:
        _exchange_streams(streams, pass_fds)
        _forget_the_parent()
        if cwd is not None:
            os.chdir(cwd)
        env = dict(env)
        os.environ.clear()
        os.environ.update(env)
        torch.set_num_threads(1)  # OpenMP waits forever for threads of a parent that had more
        _extend_path([path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", *sys.path)])
        status = _execute([arg for i, arg in enumerate(args) if i > 2 or arg not in _INTERPRETER_FLAGS])
    except BaseException:
        traceback.print_exc()
    finally:
        multiprocessing.util._exit_function()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _exchange_streams(streams, pass_fds):
    faulthandler.disable()
    for target, source in enumerate(streams):
        os.dup2(os.open(os.devnull, os.O_RDWR) if source is None else source, target)
    keep = sorted({2, *pass_fds})
    for low, high in zip(keep, [*keep[1:], 4096], strict=True):
        os.closerange(low + 1, high)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(i, mode, closefd=False) for i, mode in enumerate("rww"))
    sys.stdout.reconfigure(line_buffering=True)


def _forget_the_parent():
    gc.freeze()  # a collection would copy the parent's memory
    multiprocessing.process._children.clear()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    setup_logger.cache_clear()
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
    warnings.resetwarnings()
    warnings.simplefilter("ignore")


def _extend_path(folders):
    """Their modules come before those of the same name that the parent has imported."""
    sys.path[:0] = folders
    for folder in folders:
        for path in Path(folder).glob("*.py"):
            sys.modules.pop(path.stem, None)


def _execute(args):
    try:
        if args[0] == "-c":
            sys.argv = ["-c", *args[2:]]
            exec(compile(args[1], "<string>", "exec"), {"__name__": "__main__"})
        elif args[0] == "-m":
            sys.argv = args[1:]
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [str(arg) for arg in args]
            sys.path.insert(0, os.path.dirname(os.path.abspath(args[0])))
            runpy.run_path(args[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except KeyboardInterrupt:
        return 130
    return 0
