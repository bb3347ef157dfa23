"""The wheel, and what happens without detectron2."""

import subprocess
import sys
import zipfile

import pytest
from conftest import QUICK, ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as pip installs it, unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(source)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def python(code, cwd, *paths, check=True):
    command = [sys.executable, "-W", "ignore", "-c", code]
    env = {"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def printed(installed, tmp_path_factory):
    """What a process prints that imports the installed package, and reads configs then; it leaves no file."""
    folder = tmp_path_factory.mktemp("elsewhere")
    code = f"""
import detectron2.modeling, sys
import retina_plugin
from detectron2.modeling import META_ARCH_REGISTRY
from retina_plugin.registry import BOX_LOSS_REGISTRY, CLS_LOSS_REGISTRY
assert "PluggableRetinaNet" in META_ARCH_REGISTRY
assert "SigmoidFocalLoss" in CLS_LOSS_REGISTRY and "GIoULoss" in BOX_LOSS_REGISTRY
print([m for m in ("matplotlib", "jinja2", "tensorboard", "retina_plugin.study") if m in sys.modules])
from retina_plugin import get_config
for name in ({QUICK!r}, "COCO-Detection/retinanet_R_50_FPN_1x.py", "custom/retinanet_MNV2_FPN.py"):
    print(get_config(name).model.head._target_.__module__)
print(retina_plugin.__file__)
"""
    lines = python(code, folder, installed).stdout.splitlines()
    assert not list(folder.rglob("synthetic*"))
    return lines


def test_an_installed_package_brings_its_configs(installed, printed):
    assert printed[1:] == ["retina_plugin.modeling.head"] * 3 + [f"{installed}/retina_plugin/__init__.py"]
    templates = "retina_plugin/study/report/templates"
    names = {path.name for path in (ROOT / templates).iterdir()}
    assert {path.name for path in (installed / templates).iterdir()} == names
    assert not (installed / "tools").exists() and not (installed / "tests").exists()


def test_without_detectron2_one_sentence_says_how_to_get_it(tmp_path):
    hide = "import sys, importlib.util as u; f = u.find_spec\n"
    hide += "u.find_spec = lambda n, *a: None if n == 'detectron2' else f(n, *a)\n"
    done = python(hide + "import retina_plugin", tmp_path, ROOT, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: retina_plugin needs detectron2")
    assert "https://github.com/facebookresearch/detectron2" in last


def test_import_registers_everything_and_loads_little(printed):
    loaded = printed[0]
    assert loaded.startswith("[") and "jinja2" not in loaded and "retina_plugin.study" not in loaded
