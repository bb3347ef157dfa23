"""Commands begin without torch's compiler, and have it when they need it."""

import subprocess
import sys

_BEGIN = """
import sys
from retina_cli.late_compiler import import_torchvision
import_torchvision()
import retina_plugin.engine.cli
assert "torchvision.ops.roi_align" in sys.modules and "torch._dynamo" not in sys.modules
"""
_USE = """
given = sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu")
from torch._dynamo.utils import is_compile_supported
assert given == is_compile_supported("cpu")
"""


def test_the_compiler_is_imported_when_it_is_used():
    subprocess.run([sys.executable, "-W", "ignore", "-c", _BEGIN + _USE], check=True)


def test_a_training_begins_without_the_libraries_of_its_page():
    page = '{"matplotlib", "scipy.optimize", "retina_plugin.study"}'
    code = f"import sys, retina_plugin.commands.train\nassert not {page} & sys.modules.keys()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
