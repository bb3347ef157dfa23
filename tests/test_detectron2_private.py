"""The private names of other packages that this one relies on exist, and all of them are in the table."""

import ast
import functools
import importlib
import inspect
import re
import textwrap

import pytest
import torch
from conftest import ROOT

from retina_plugin.detectron2_private import PRIVATE_NAMES

PACKAGE = ROOT / "retina_plugin"


@functools.cache
def trees():
    """The syntax tree of every module, by path."""
    return {
        path: ast.parse(path.read_text())
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(PACKAGE / "configs") and path.name != "__main__.py"
    }


def is_private(name):
    return name.startswith("_") and not name.endswith("_")


def resolve(full_name):
    """The object that a private name belongs to, and the name itself."""
    module, _, path = full_name.partition(":")
    *parents, last = path.split(".")
    return functools.reduce(getattr, parents, importlib.import_module(module)), last


def private_attributes(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_private(n.attr)]


def belongs_to_self(node):
    return ast.unparse(node.value) in ("self", "cls", "super()")


def functions(tree):
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@functools.cache
def own_names(cls):
    """Private methods and attributes of `self` in the source of a class, without those of its base classes."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):  # not written in Python
        return frozenset()
    return frozenset(
        {node.attr for node in private_attributes(tree) if belongs_to_self(node)}
        | set(filter(is_private, functions(tree)))
    )


# absent from PyTorch 2.4; the code works without it
OPTIONAL = {
    "torch:_C._autograd._get_current_graph_task_keep_graph",
    "torch:cpu._is_avx512_bf16_supported",
    "torch:cpu._is_amx_tile_supported",
}


@pytest.mark.parametrize("full_name", PRIVATE_NAMES)
def test_a_private_name_exists(full_name):
    owner, name = resolve(full_name)
    if full_name in OPTIONAL and torch.torch_version.TorchVersion(torch.__version__) < (2, 6):
        pytest.skip("only in later versions of PyTorch")
    in_source = inspect.isclass(owner) and name in own_names(owner)
    assert hasattr(owner, name) or in_source, f"{full_name}: {PRIVATE_NAMES[full_name]}"


def test_every_private_name_has_its_reason():
    assert all(PRIVATE_NAMES.values())


def test_every_private_name_is_used():
    source = "".join(path.read_text() for path in trees() if path.name != "detectron2_private.py")
    assert not [name for name in PRIVATE_NAMES if not re.search(rf"\b{re.split('[:.]', name)[-1]}\b", source)]


def package_classes():
    for path, tree in trees().items():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)):
            found = vars(importlib.import_module(module)).values()
            yield from (c for c in found if inspect.isclass(c) and c.__module__ == module)


def test_private_names_that_subclasses_share_with_their_bases_are_in_the_table():
    known, missing = {resolve(name) for name in PRIVATE_NAMES}, set()
    for cls in package_classes():
        for base in cls.__mro__[1:-1]:
            shared = own_names(cls) & own_names(base)
            if not base.__module__.startswith("retina_plugin."):
                owners = cls.__mro__[1:]
                missing |= {
                    f"{base.__module__}:{base.__qualname__}.{name}"
                    for name in shared
                    if not known & {(owner, name) for owner in owners}
                }
    assert not missing


def test_other_private_names_are_our_own_or_in_the_table():
    """Imported names, and attributes of objects other than `self`; these are compared by name alone."""
    known = {part for name in PRIVATE_NAMES for part in name.partition(":")[2].split(".")}
    for path, tree in trees().items():
        attributes = private_attributes(tree)
        used = {node.attr for node in attributes if not belongs_to_self(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                used |= {alias.name for alias in node.names if is_private(alias.name)}
        own = functions(tree) | {node.attr for node in attributes if belongs_to_self(node)}
        assert not used - known - own, path
