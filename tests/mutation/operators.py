"""Mutations that cosmic-ray does not know: a statement, an operand or an exception left out, a condition negated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import parso

_NAME = re.compile(r"""b?(["'])[\w+./:=\\]{0,24} ?\1""")
_CONDITION_WORDS = {"if", "elif", "while"}


class Operator(NamedTuple):
    """What cosmic-ray calls an operator, from a function that says what a node of the source may be replaced with."""

    name: str
    replacements: Callable[[Any], Iterator[str]]

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        for _ in self.replacements(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        replaced: Any = parso.parse(list(self.replacements(node))[index]).children[0]
        replaced.get_first_leaf().prefix = node.get_first_leaf().prefix
        replaced.parent = node.parent
        return replaced


def _remove_statement(node: Any) -> Iterator[str]:
    """``raise``, a call, an assignment to an attribute or an item."""
    is_call = node.type == "atom_expr" and node.children[-1].get_code().startswith("(")
    is_store = node.type == "expr_stmt" and node.children[0].type == "atom_expr"
    is_raise = node.type == "raise_stmt" or node == "raise"
    if node.parent and node.parent.type == "simple_stmt" and (is_call or is_store or is_raise):
        yield "pass"


def _remove_operand(node: Any) -> Iterator[str]:
    if node.type in {"and_test", "or_test"}:
        operands, word = [_code(child) for child in node.children[::2]], f" {node.children[1].value} "
        for left_out in range(len(operands)):
            yield word.join(operands[:left_out] + operands[left_out + 1 :])


def _negate(node: Any) -> Iterator[str]:
    """All of a condition: cosmic-ray negates the first operand only, and stumbles over assignment expressions."""
    before = node.get_previous_sibling() if node.parent else None
    if before is not None and before.type == "keyword" and before.value in _CONDITION_WORDS:
        yield f"not ({_code(node)})"
    if node.type == "comparison" and len(node.children) == 3 and _code(node.children[1]) in {"in", "not in"}:
        yield f"(not ({_code(node)}))"


def _replace_text(node: Any) -> Iterator[str]:
    """Names and separators; sentences are for people."""
    if node.type == "string" and node.parent.type != "simple_stmt" and _NAME.fullmatch(node.value):
        quote = node.value[-1]  # the same: within an f-string, Python 3.11 takes no other
        yield f"{'b' if node.value.startswith('b') else ''}{quote}XX{quote}"


def _forget_exception(node: Any) -> Iterator[str]:
    """One of those that an ``except`` catches; cosmic-ray stumbles over dotted names."""
    if node.parent and node.parent.type == "except_clause" and node is node.parent.children[1]:
        caught = node.children[1].children[::2] if node.type == "atom" else [node]
        for left_out in caught:
            yield f"({''.join(f'{_code(one)}, ' for one in caught if one is not left_out)})"


def _code(node: Any) -> str:
    return str(node.get_code()).strip()


OWN = (
    Operator("RemoveStatement", _remove_statement),
    Operator("RemoveOperand", _remove_operand),
    Operator("Negate", _negate),
    Operator("ReplaceText", _replace_text),
    Operator("ForgetException", _forget_exception),
)
