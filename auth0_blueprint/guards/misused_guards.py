"""Finds guards that are asked inside a view, ``if requires_scope("a"):``, where they check nothing.

A guard that is taken for an answer raises during the request. One whose result is thrown away, or compared with ``is``,
raises nothing: the view answers everybody. This reads the source of views, as far as there is one.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from flask import Flask

from auth0_blueprint.guards import decorators, delegation, organizations
from auth0_blueprint.guards.decorators import layers_of

_PUBLIC = {**vars(decorators), **vars(delegation), **vars(organizations)}
_FACTORIES = {name: function for name, function in _PUBLIC.items() if name.startswith("requires_")}
_NAMES = {id(function): name for name, function in _FACTORIES.items()}
_PACKAGE = "auth0_blueprint"
#: Functions that take the truth of what they are given.
_ASKING = frozenset({"all", "any", "bool", "filter"})


class MisusedGuard(NamedTuple):
    """A guard that is asked inside a function.

    Attributes:
        name: of the guard: ``requires_scope``.
        function: the function that asks.
        file: the file of that function.
        line: the line in that file; the function's first where there is no source to read.
        is_silent: whether no error tells, so that the view answers everybody.
    """

    name: str
    function: str
    file: str
    line: int
    is_silent: bool

    @property
    def place(self) -> str:
        """Where it is asked, for people."""
        return f"{Path(self.file).name}, line {self.line}, in {self.function}"

    @property
    def remedy(self) -> str:
        """What to do, as a sentence."""
        question = self.name.replace("requires_", "has_")
        inside = f"{question}()" if question in _PUBLIC else "current_token"
        return f"put @{self.name} below the route decorator, or ask {inside} inside the view"


def check_that_no_guard_is_dropped(app: Flask) -> None:
    """Refuse an app in which a view or hook calls a guard, and neither applies it nor would notice.

    Raises:
        RuntimeError: names the first of them, and the remedy.
    """
    for misused in misused_guards_of(app):
        if misused.is_silent:
            raise RuntimeError(
                f"{misused.name}() checks nothing in {misused.place}: it returns a decorator, which is dropped. To "
                f"solve this, {misused.remedy}."
            )


def misused_guards_of(app: Flask) -> Iterator[MisusedGuard]:
    """Yield the guards that are asked inside the views of *app* and its hooks before them, each once."""
    hooks = (hook for hooks in app.before_request_funcs.values() for hook in hooks)
    found = (misused for function in (*app.view_functions.values(), *hooks) for misused in misused_guards(function))
    yield from dict.fromkeys(found)


def misused_guards(view: Any) -> Iterator[MisusedGuard]:
    """Yield the guards that are asked inside *view*, inside what it stands around, or inside methods of its class."""
    view_class = getattr(view, "view_class", None)
    names = {"dispatch_request", *map(str.lower, getattr(view_class, "methods", None) or ())}
    for function in (view, *(getattr(view_class, name, None) for name in sorted(names))):
        for inner in layers_of(function):
            yield from _misused_in(inner)


def _misused_in(function: Any) -> Iterator[MisusedGuard]:
    if not hasattr(function, "__code__"):
        function = getattr(type(function), "__call__", None)  # noqa: B004 - of an object, its code is wanted
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return
    names, enclosed = _names_in(code), _enclosed_by(function, code)
    if not any(name in _FACTORIES or id(enclosed.get(name)) in _NAMES for name in names):
        return  # nearly every view: no source is read
    known = _KnownNames(names, enclosed)
    nodes = _nodes_of(code, function.__globals__)
    if not nodes:
        for mentioned in known.mentioned:
            yield MisusedGuard(mentioned, code.co_name, code.co_filename, code.co_firstlineno, is_silent=False)
    for node in nodes:
        for call, is_silent in _asked_in(node):
            if (name := known.guard_called(call)) is not None:
                yield MisusedGuard(name, code.co_name, code.co_filename, call.lineno, is_silent)


class _KnownNames:
    """What the names in a function mean, as far as they mean guards."""

    def __init__(self, names: set[str], values: Mapping[str, Any]) -> None:
        self._values = values
        self._has_package = any(map(self._is_package, names))  # also where the function itself imports it
        self.mentioned: list[str] = sorted({guard for guard in map(self._guard_named, names) if guard is not None})

    def guard_called(self, call: ast.Call) -> str | None:
        """Return the guard that *call* makes; none if it is applied at once, as in ``requires_auth(view)``."""
        match call.func:
            case ast.Name(name):
                guard: str | None = self._guard_named(name)
            case ast.Attribute(ast.Name(name), attribute) if self._is_package(name):
                guard = attribute if attribute in _FACTORIES else None
            case _:
                return None
        return None if guard == "requires_auth" and call.args else guard

    def _guard_named(self, name: str) -> str | None:
        if name not in self._values:
            return name if self._has_package and name in _FACTORIES else None
        return _NAMES.get(id(self._values[name]))

    def _is_package(self, name: str) -> bool:
        # By identity: the attributes of proxies may not be asked for here.
        return name == _PACKAGE or self._values.get(name) is sys.modules[_PACKAGE]


def _enclosed_by(function: Any, code: CodeType) -> Mapping[str, Any]:
    """Return the values of the names outside of *function*."""
    values: dict[str, Any] = function.__globals__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        with suppress(ValueError):  # not filled yet
            values = {**values, name: cell.cell_contents} if id(cell.cell_contents) in _NAMES else values
    return values


def _names_in(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {*code.co_names, *code.co_freevars}.union(*map(_names_in, inner))


def _nodes_of(code: CodeType, module: dict[str, Any]) -> list[ast.AST]:
    """Return the function of which *code* was made, as its source has it; several lambdas may begin in one line."""
    source = "".join(linecache.getlines(code.co_filename, module))
    return _functions_in(source).get((code.co_name, code.co_firstlineno), [])


@functools.lru_cache(maxsize=1)  # the views of a file come one after the other
def _functions_in(source: str) -> dict[tuple[str, int], list[ast.AST]]:
    """Return the functions in *source* by their names and first lines."""
    found: dict[tuple[str, int], list[ast.AST]] = {}
    with suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(source)):
            if (begin := _begins(node)) is not None:
                found.setdefault(begin, []).append(node)
    return found


def _begins(node: ast.AST) -> tuple[str, int] | None:
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name, min(line.lineno for line in (node, *node.decorator_list))
    return None


def _asked_in(function: ast.AST) -> Iterator[tuple[ast.Call, bool]]:
    """Yield each call in the body of *function* whose truth is taken, or whose result is dropped, silently."""
    body: Any = getattr(function, "body", ())
    for statement in body if isinstance(body, list) else [body]:
        for node in ast.walk(statement):
            for child, is_silent in _asked_by(node):
                if isinstance(child, ast.Call):
                    yield child, is_silent


def _asked_by(node: ast.AST) -> Iterable[tuple[ast.AST, bool]]:
    """Return the expressions whose truth *node* takes, and whether it does so without asking them."""
    match node:
        case ast.Expr(value):
            return [(value, True)]
        case ast.Compare(left, operators, others):
            is_silent = any(isinstance(operator, ast.Is | ast.IsNot) for operator in operators)
            return [(one, is_silent) for one in (left, *others)]
        case ast.Match(subject):
            return [(subject, True)]
        case ast.If(test) | ast.While(test) | ast.IfExp(test) | ast.Assert(test):
            return [(test, False)]
        case ast.UnaryOp(ast.Not(), operand):
            return [(operand, False)]
        case ast.BoolOp(_, values) | ast.comprehension(ifs=values):
            return [(value, False) for value in values]
        case ast.Call(ast.Name(name), arguments) if name in _ASKING:
            return [(one, False) for argument in arguments for one in getattr(argument, "elts", [argument])]
    return []
