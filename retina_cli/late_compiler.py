"""Import torchvision without torch's compiler, whose import takes a third of the time until a command begins."""

import importlib
import sys
import types

_NAME = "torch._dynamo.utils"


def import_torchvision() -> None:
    """Import torchvision; torch's compiler is imported only when it is first used.

    `torchvision.ops.roi_align` imports one function of the compiler, which it calls only on a GPU with deterministic
    algorithms. Here it gets a stand-in that imports the compiler when it is called.
    """
    if _NAME in sys.modules:
        return
    later = types.ModuleType(_NAME)
    vars(later)["is_compile_supported"] = lambda device: importlib.import_module(_NAME).is_compile_supported(device)
    sys.modules[_NAME] = later
    try:
        import torchvision  # noqa: F401
    finally:
        if sys.modules.get(_NAME) is later:
            del sys.modules[_NAME]
