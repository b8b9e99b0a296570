"""The package stays one that is read at a glance: few entries at its top, short modules, short functions."""

from __future__ import annotations

import ast

import pytest
from documents import ROOT

PACKAGE = ROOT / "auth0_blueprint"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}

MAX_ENTRIES = 20
MAX_LINES_OF_MODULE = 300
MAX_LINES_OF_FUNCTION = 40

#: One list of small classes, which is read by looking one up.
LONG = {"errors.py"}


def test_the_top_of_the_package_has_few_entries() -> None:
    """Folders and files together. One more belongs into one of them, or two belong together."""
    entries = sorted(entry.name for entry in PACKAGE.iterdir() if entry.name != "__pycache__")
    assert len(entries) <= MAX_ENTRIES, entries


def test_no_module_is_long() -> None:
    """One that grows beyond it has two ideas in it."""
    lengths = {name: len(source.splitlines()) for name, source in SOURCES.items() if name not in LONG}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES_OF_MODULE} == {}


def test_no_function_is_long() -> None:
    found = {name: long_functions(source) for name, source in SOURCES.items()}
    assert {name: functions for name, functions in found.items() if functions} == {}


def long_functions(source: str) -> dict[str, int]:
    """Return the names of the functions in *source* that are too long, each with the lines of its body."""
    nodes = ast.walk(ast.parse(source))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {f"{node.name}, line {node.lineno}": lines_of(node) for node in functions}
    return {name: length for name, length in lengths.items() if length > MAX_LINES_OF_FUNCTION}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("head", ["def f(\n    a,\n):", "async def f():\n    '''One.\n\n    Two.\n    '''"])
@pytest.mark.parametrize("lines", [MAX_LINES_OF_FUNCTION, MAX_LINES_OF_FUNCTION + 1])
def test_the_lines_of_a_body_are_counted(head: str, lines: int) -> None:
    found = long_functions(f"{head}\n" + "    pass\n" * lines)
    assert found == ({"f, line 1": lines} if lines > MAX_LINES_OF_FUNCTION else {})
