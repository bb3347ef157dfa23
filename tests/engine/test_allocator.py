"""The kernel is asked for memory once, and not in every step."""

import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from retina_plugin.engine.allocator import keep_freed_memory
{}
block = 2**24  # of 4 bytes: 64 MB
torch.ones(block)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COUNT.format(first)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_large_tensors_take_the_memory_of_those_before():
    assert page_faults("keep_freed_memory()") < 0.5 * page_faults("")
