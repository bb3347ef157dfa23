"""The kernel is asked for memory once, and not in every step."""

import subprocess
import sys

import pytest
from conftest import ROOT

ALLOCATOR = ROOT / "retina_plugin/engine/reliability/allocator.py"
COUNT = """
import resource, runpy, sys
import numpy
keep_freed_memory = runpy.run_path(sys.argv[1])["keep_freed_memory"]
{}
block = 2**24  # of 4 bytes: 64 MB
numpy.ones(block, "float32")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    numpy.ones(block, "float32")
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first):
    command = [sys.executable, "-c", COUNT.format(first), str(ALLOCATOR)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_large_arrays_take_the_memory_of_those_before():
    assert page_faults("keep_freed_memory()") < 0.5 * page_faults("")
