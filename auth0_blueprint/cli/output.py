"""How the commands print: plain aligned text, and nothing that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def printable(text: str) -> str:
    """Return *text*, which may be anybody's, or its ``repr`` if a terminal would obey it."""
    return text if text.isprintable() else repr(text)


def table(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a line for each of *rows*, its columns aligned."""
    cells = [list(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
