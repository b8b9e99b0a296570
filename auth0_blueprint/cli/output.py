"""How the commands print: aligned text or JSON, colours only on a terminal, untrusted text always escaped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def json_option(command: F) -> F:
    """Add ``--json`` to a command, as its argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def print_lines(lines: Iterable[str]) -> None:
    """Print each of *lines* at once, with escapes for characters that the output's encoding lacks."""
    # Standard error escapes by itself what its encoding lacks; standard output raises.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in lines:
        click.echo(line.encode(encoding, "backslashreplace").decode(encoding))


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line; in ASCII, so that it contains no control sequences."""
    click.echo(json.dumps(value))


def printable(text: str) -> str:
    """Return *text*, which may be untrusted, or its ``repr`` if it contains control characters."""
    return text if text.isprintable() else repr(text)


def mark(status: str) -> str:
    """Return *status*, which is ``ok``, ``warn`` or ``fail``, coloured if the output is."""
    return click.style(status, fg=_COLOURS[status]) if is_coloured() else status


def is_coloured() -> bool:
    """Return whether the output is a terminal, and plain text was not requested (https://no-color.org)."""
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def table(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a line for each of *rows*, its columns aligned. Cells may be coloured."""
    cells = [list(row) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _width(cell: str) -> int:
    return len(click.unstyle(cell))
