"""The process that a try runs in notices everything that can go wrong."""

import os
import signal
import time

import pytest
from hostile.tries import Try, run_try


def exits(message):
    def act(folder):
        raise ValueError(message)

    return act


@pytest.mark.parametrize(
    ("act", "refused", "said"),
    [
        (lambda folder: None, None, ""),
        (exits("no"), "^no$", ""),
        (exits("no"), "yes", "gave another message: no"),
        (exits("no"), None, "was refused: no"),
        (exits("\x1b[31mno"), "no", "with control characters"),
        (exits("no" * 2000), "no", "gave a message of 4000 characters"),
        (lambda folder: None, "no", "was accepted"),
        (lambda folder: {}["x"], "x", "ended in a traceback: KeyError"),
        (lambda folder: bytearray(2**31), None, "needed over 1024 MB"),
        (lambda folder: os.kill(os.getpid(), signal.SIGSEGV), None, "crashed with SIGSEGV"),
        (lambda folder: time.sleep(20), None, "was still busy after"),
    ],
)
def test_what_goes_wrong_is_told(act, refused, said, tmp_path, monkeypatch):
    monkeypatch.setattr("hostile.tries.SECONDS", 1)
    told = run_try(Try("any", "any", lambda folder: None, act, refused), tmp_path)
    assert said in told and bool(said) == bool(told)
