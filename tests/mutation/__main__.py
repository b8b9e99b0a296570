"""Change the modules that decide, one small thing at a time, and see a test fail each time: ``make mutants``.

cosmic-ray and `operators` make the mutants. Each is tried in a fork of this process, which has imported everything but
the package itself: no file is touched, and a mutant costs little more than its tests. What survives has to be in the
table of ``docs/mutants.md``, and what is there has to survive.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any, NamedTuple

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from .operators import OWN
from .rooms import ROOMS

PACKAGE = Path("auth0_blueprint")
TIMEOUT_SECONDS = 60
#: Which of cosmic-ray's operators: of each family of replacements, those that a wrong hand could have written.
OPERATORS = re.compile(
    r"core/(NumberReplacer|RemoveDecorator|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceBreak.*|ReplaceContinue.*"
    r"|ReplaceFalse.*|ReplaceTrue.*|ZeroIteration.*|ReplaceUnaryOperator_Delete_.*"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Mul_Add|Div_Mul|Mod_Add|Pow_Mul|BitOr_BitAnd|BitAnd_BitOr)"
    r"|ReplaceComparisonOperator_(Eq_NotEq|Eq_LtE|Eq_GtE|NotEq_Eq|NotEq_Lt|NotEq_Gt|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE"
    r"|Gt_LtE|GtE_Gt|GtE_Lt|Is_IsNot|Is_Eq|IsNot_Is))"
)


class Mutant(NamedTuple):
    """One changed source text, and its change."""

    path: Path
    line: int
    operator: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What the table knows it by."""
        return str(self.path.relative_to(PACKAGE)), self.before, self.after


class _WithoutTypes(ast.NodeTransformer):
    """Takes out what has no effect when the program runs, but for a text that nobody reads, or what mypy sees."""

    def visit_arg(self, node: ast.arg) -> Any:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return ast.Assign([node.target], node.value) if node.value else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return None if ast.unparse(node.body[-1]) == "..." else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        return ast.Constant(0) if ast.unparse(node.func) in {"TypeVar", "ParamSpec"} else self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                # Of the dataclasses here none is compared, hashed or printed.
                decorator.keywords = [
                    one for one in decorator.keywords if one.arg not in {"eq", "frozen", "slots", "repr"}
                ]
        return self.generic_visit(node)


def _meaning(source: str) -> str:
    return ast.dump(_WithoutTypes().visit(ast.parse(source)))


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Return the mutants of one file, each meaning once."""
    source = path.read_text("utf-8")
    names = filter(OPERATORS.fullmatch, cosmic_ray.plugins.operator_names())
    lines, seen = source.splitlines(), {_meaning(source)}
    for operator in (*(cosmic_ray.plugins.get_operator(name)() for name in names), *OWN):
        spans = [span for node in ast_nodes(get_ast(source)) for span in operator.mutation_positions(node)]
        for occurrence, ((line, column), _) in enumerate(spans):
            if lines[line - 1].startswith(("*,", "/,", "/)"), column):
                continue  # no operators, but marks among parameters
            mutated = mutate_code(source, operator, occurrence)
            try:
                meaning = _meaning(mutated)
            except SyntaxError:
                continue  # the stars of a dictionary within another are no operators either
            # Nothing here equals None without being it.
            if "== None" in mutated or meaning in seen:
                continue
            seen.add(meaning)
            changes = [one for one in difflib.ndiff(lines, mutated.splitlines()) if one[0] in "+-"]
            before, after = (" ".join(one[2:].strip() for one in changes if one[0] == sign) for sign in "-+")
            name = getattr(operator, "name", type(operator).__name__)
            yield Mutant(path, line, name, before, after, mutated)


def _try(mutant: Mutant | None, tests: tuple[str, ...]) -> None:
    """In a child: import the mutant in the place of its file, and leave with the exit code of pytest."""
    os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if mutant is not None:
        module, get_code = ".".join(mutant.path.with_suffix("").parts), SourceFileLoader.get_code

        def get_mutated_code(loader: SourceFileLoader, name: str) -> Any:
            return compile(mutant.source, mutant.path, "exec") if name == module else get_code(loader, name)

        SourceFileLoader.get_code = get_mutated_code  # type: ignore[assignment]
    os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *tests]))


def survivors_among(mutants: list[Mutant | None], tests: tuple[str, ...]) -> Iterator[Mutant | None]:
    """Try *mutants*, one for each processor at a time, and return those that no test noticed; ``None`` is no change."""
    context, waiting = get_context("fork"), mutants[::-1]
    running: dict[int, tuple[Any, Mutant | None, float]] = {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            child = context.Process(target=_try, args=(waiting[-1], tests))
            child.start()
            running[child.sentinel] = child, waiting.pop(), time.monotonic() + TIMEOUT_SECONDS
        connection.wait(list(running), 1)
        for sentinel, (child, mutant, until) in list(running.items()):
            if child.is_alive() and child.pid and time.monotonic() > until:
                os.killpg(child.pid, signal.SIGKILL)
                child.join()
            if not child.is_alive():
                del running[sentinel]
                if child.exitcode == 0:
                    yield mutant


def run(room: str, argued: set[tuple[str, str, str]]) -> Iterator[str]:
    """Return a report for each survivor that is not *argued* away, and for each argued one that is killed."""
    files, tests = ROOMS[room]
    started = time.monotonic()
    if not list(survivors_among([None], tests)):
        sys.exit(f"{room}: the tests fail without any mutation")
    mutants = [mutant for file in files for mutant in mutants_of(PACKAGE / file)]
    survivors = [one for one in survivors_among([*mutants], tests) if one is not None]
    for one in sorted(one for one in survivors if one.key not in argued):
        yield f"{one.path}:{one.line} {one.operator}\n  - {one.before}\n  + {one.after}\n"
    for key in sorted({key for key in argued if key[0] in files} - {one.key for one in survivors}):
        yield f"docs/mutants.md argues about {key[0]}, where no such mutant survives:\n  - {key[1]}\n  + {key[2]}\n"
    killed, seconds = len(mutants) - len(survivors), time.monotonic() - started
    sys.stderr.write(f"{room}: {len(mutants)} mutants, {killed} killed in {seconds:.0f} s, {len(survivors)} survived\n")


def main(rooms: list[str]) -> int:
    for module in ("flask_jwt_extended", "flask_caching", "marshmallow", "requests", "flask.testing"):
        importlib.import_module(module)
    rows = re.findall(
        r"^\| `(\S+)` \| `` (.+?) `` \| `` (.+?) `` \|", Path("docs/mutants.md").read_text("utf-8"), re.MULTILINE
    )
    argued = {(file, before.replace("\\|", "|"), after.replace("\\|", "|")) for file, before, after in rows}
    is_clean = True
    for report in (report for room in rooms or ROOMS for report in run(room, argued)):
        is_clean = False
        sys.stdout.write(report)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
