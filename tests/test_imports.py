"""Imports go one way, from tools down to Detectron2, and never in a circle; rooms are not crowded."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest
from conftest import ROOT

PACKAGE = ROOT / "retina_plugin"
# From the bottom up: a part imports from its own layer and from those before it.
LAYERS = (
    ("files", "reading", "printable", "registry", "detectron2_private"),
    ("config",),
    ("modeling", "data", "weights"),
    ("run_folder",),
    ("inference", "predictor", "engine", "evaluation", "pages"),
    ("study", "analysis", "benchmark"),
    ("commands",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if not path.is_relative_to(PACKAGE / "configs")
}


def imports_of(name: str) -> set[str]:
    """Modules of the package that a module imports when it is loaded or later, but not for type checkers only."""
    tree = ast.parse(MODULES[name].read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {module for module in found if module in MODULES and module != name}


def part_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_from_its_own_layer_or_below(name):
    if name == "retina_plugin":  # loads the parts that register themselves
        return
    assert part_of(name) in LEVEL, f"{name} belongs to no layer: add its part to LAYERS"
    for module in imports_of(name) - {"retina_plugin"}:
        assert LEVEL[part_of(module)] <= LEVEL[part_of(name)], f"{name} imports {module}"


def test_every_module_that_an_import_names_is_there():
    """Commands import when they run, so a module that was moved would be missed only then."""
    others = {path: "" for part in ("retina_cli", "tools", "docs") for path in (ROOT / part).glob("*.py")}
    for path, name in {path: name for name, path in MODULES.items()}.items() | others.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or (node.level and not name):
                continue
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            assert module in MODULES or not module.startswith("retina_plugin"), f"{path}:{node.lineno} {module}"


def test_no_module_imports_itself_through_others():
    graph = defaultdict(set)
    for name in MODULES:
        # a package's __init__ collects names: importing a sibling through it is importing that sibling
        graph[name] |= {m for m in imports_of(name) if MODULES[m].name != "__init__.py"}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as e:
        pytest.fail(f"circular imports: {' -> '.join(e.args[1])}")


def test_nothing_imports_configs_or_projects():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert "import configs" not in text and "from projects" not in text, path


def test_a_folder_holds_at_most_fourteen_modules():
    for folder in {path.parent for path in MODULES.values()}:
        modules = [p.name for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert len(modules) <= 14, f"{folder} holds {len(modules)}: {modules}"


def test_every_folder_says_what_it_is_for():
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), f"{name} has no docstring"
