"""Signals in processes that load images."""

import os
import signal
import threading


def shield_worker(worker_id: int) -> None:
    """Let a loading process ignore signals to the training: only the training process decides when to stop.

    Ctrl-C and GNU timeout signal a whole process group, and batch systems signal all processes of a job. Without its
    loading processes a training could not finish its step and save a checkpoint. SIGTERM from the training process
    itself still ends a loading process. This is a `worker_init_fn` of torch's DataLoader.
    """
    os.setpgrp()
    if not hasattr(signal, "sigwaitinfo"):  # macOS
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()


def _obey(parent: int) -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid not in (parent, os.getpid()):
        pass
    os._exit(0)
