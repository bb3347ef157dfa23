"""The page of errors, made from the source when the site is built: every message, and every code of the doctor.

"…" stands for what a message fills in. What a message means is the docstring of the function that gives it.
"""

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "retina_plugin"
_ERROR = re.compile(r"[A-Z]\w+Error")
_FOR_PROGRAMMERS = {"NotImplementedError", "AttributeError", "AssertionError", "TypeError", "KeyError"}
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_GAP = "…"
_MOST = 12  # texts of one message, whose parts may have several forms


@dataclass(frozen=True)
class Message:
    """An error: its text with gaps, and the module and the function that raise it, in their own words."""

    text: str
    module: str
    about: str


@dataclass(frozen=True)
class Code:
    """A kind of finding of the doctor."""

    name: str
    message: str
    meaning: str
    fix: str


class _Module:
    """A parsed module, and the texts that its expressions can have."""

    def __init__(self, path: Path) -> None:
        self.path, self.tree = path, ast.parse(path.read_text(encoding="utf-8"))
        self.about = _first_sentence(ast.get_docstring(self.tree))

    @cached_property
    def functions(self) -> list[ast.FunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]

    def calls(self) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
        """Every call, and the function around it."""
        around = {id(node): function for function in self.functions for node in ast.walk(function)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, around.get(id(node))

    def texts(self, node: ast.expr, function: ast.FunctionDef | None) -> list[str]:
        """What an expression can say, with gaps."""
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            parts = [self.texts(part, function) for part in node.values]
            return ["".join(chosen) for chosen in itertools.islice(itertools.product(*parts), _MOST)]
        if isinstance(node, ast.FormattedValue):
            known = self._of_name(node.value, None) if isinstance(node.value, ast.Name) else []
            return known if len(known) == 1 else [_GAP]
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, function) + self.texts(node.orelse, function)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.texts(node.left, function), self.texts(node.right, function)
            return [a + b for a, b in itertools.product(left, right)][:_MOST]
        if isinstance(node, ast.Name):
            return self._of_name(node, function) or [_GAP]
        return [_GAP]

    def _of_name(self, name: ast.Name, function: ast.FunctionDef | None) -> list[str]:
        """What is assigned to a name in a function, or else in the module."""
        for scope in filter(None, (function, self.tree)):
            nodes = ast.walk(scope) if scope is function else scope.body
            found = [n for n in nodes if isinstance(n, ast.Assign | ast.AugAssign) and _target(n) == name.id]
            values = [n.value for n in found if not _uses(n.value, name.id)]
            if values:
                return list(dict.fromkeys(text for value in values for text in self.texts(value, function)))
        return []


@cache
def messages() -> tuple[Message, ...]:
    """The messages of all errors that users see, in the order of the modules."""
    found: dict[str, Message] = {}
    for module in _modules():
        for call, function in module.calls():
            if call.args and _is_error(call, function):
                for text in module.texts(call.args[0], function):
                    if len(re.sub(r"\W", "", text)) > 8:  # without those that only pass on another message
                        found.setdefault(text, Message(text, str(module.path.relative_to(PACKAGE)), module.about))
    return tuple(found.values())


def _is_error(call: ast.Call, function: ast.FunctionDef | None) -> bool:
    """Whether a call makes an error that a user may see, or is that of an error's constructor to its base class."""
    name = ast.unparse(call.func)
    if name == "super().__init__" and function is not None:
        return isinstance(call.args[0], ast.JoinedStr)
    return bool(_ERROR.fullmatch(name)) and name not in _FOR_PROGRAMMERS


@cache
def codes() -> tuple[Code, ...]:
    """The codes of the doctor by name. Data that are refused have codes too, with what to do."""
    found: dict[str, Code] = {}
    for module in _modules("analysis/doctor"):
        for call, function in module.calls():
            for code in _of_call(module, call, function) if function else ():
                found.setdefault(code.name, code)
        for function in module.functions:  # codes that reach a finding on other ways
            for name in _codes_in(function):
                meaning, fix = _first_sentence(ast.get_docstring(function)), module.texts(ast.Name("fix"), function)
                if meaning:
                    found.setdefault(name, Code(name, _GAP, meaning, " / ".join(fix)))
    for name, fix in _fixes_of_refused_data().items():
        found.setdefault(name, Code(name, _GAP, "The data cannot be used, and training does not begin.", fix))
    return tuple(sorted(found.values(), key=lambda code: code.name))


def _of_call(module: _Module, call: ast.Call, function: ast.FunctionDef) -> Iterator[Code]:
    """The codes of a call such as `Finding(severity, code, message, where, fix)`."""
    texts = [module.texts(argument, function) for argument in call.args]
    place = next((i for i, own in enumerate(texts) if all(map(_CODE.fullmatch, own))), len(texts))
    if place + 1 >= len(texts):
        return
    own = place + (3 if getattr(call.func, "id", "") == "Finding" else 2)
    fix = texts[own] if own < len(texts) else module.texts(ast.Name("fix"), function)
    meaning = _first_sentence(ast.get_docstring(function)) or module.about
    for name in texts[place]:
        yield Code(name, " / ".join(texts[place + 1]), meaning, " / ".join(fix))


def _codes_in(function: ast.FunctionDef) -> Iterator[str]:
    constants = (node.value for node in ast.walk(function) if isinstance(node, ast.Constant))
    yield from (x for x in constants if isinstance(x, str) and _CODE.fullmatch(x) and x != "utf-8")


def _fixes_of_refused_data() -> dict[str, str]:
    tree = ast.parse((PACKAGE / "analysis/doctor/finding.py").read_text(encoding="utf-8"))
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and _target(n) == "_FIXES")


def page() -> str:
    """Both lists as Markdown."""
    lines = ["## Messages", ""]
    for module, own in itertools.groupby(messages(), key=lambda m: (m.module, m.about)):
        lines += [f"### {module[1].rstrip('.')}", "", f"`retina_plugin/{module[0]}`", ""]
        lines += [f"- {_code(message.text)}" for message in own] + [""]
    lines += ["## What the doctor finds", ""]
    for code in codes():
        said = [f"- It says: {_code(code.message)}"] if code.message != _GAP else []
        fix = [f"- Do: {_code(code.fix)}"] if code.fix != _GAP else ["- Do what its line `fix:` says."]
        lines += [f"### {code.name}", "", code.meaning, "", *said, *fix, ""]
    return "\n".join(lines)


def matches(text: str, message: str) -> bool:
    """Whether a message that a user sees can come from a text with gaps."""
    return re.search(re.escape(text).replace(_GAP, ".*"), message, re.DOTALL) is not None


def _modules(folder: str = "") -> list[_Module]:
    return [_Module(path) for path in sorted((PACKAGE / folder).rglob("*.py"))]


def _target(node: ast.Assign | ast.AugAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _uses(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _first_sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").split("\n\n")[0].split())


def _code(text: str) -> str:
    return "`` " + " ".join(text.split()) + " ``"


if __name__ == "__main__":
    print(page())
