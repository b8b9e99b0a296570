"""What the benchmarks print: the machine, tables, and whether the targets hold."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import NamedTuple


class Target(NamedTuple):
    """What is promised of one figure.

    Attributes:
        name: of the figure.
        value: what was measured.
        limit: what it may be at most, or at least.
        unit: of both.
        is_least: whether it is at least.
    """

    name: str
    value: float
    limit: float
    unit: str = ""
    is_least: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.limit if self.is_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict, sign = "kept" if self.is_kept else "NOT KEPT", ">=" if self.is_least else "<="
        value = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.2f}"
        return f"{self.name}: {value}{self.unit}, target {sign} {self.limit:,}{self.unit}: {verdict}"


def print_machine(title: str) -> None:
    """Print what was measured, and on what."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("Flask", "PyJWT", "cryptography"))
    print(f"{title}\n\nPython {platform.python_version()}, {versions}; {os.cpu_count()} processors\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def verdict(targets: Sequence[Target], missing: Sequence[str] = ()) -> int:
    """Print which of the *targets* hold, and what was *missing*; return the exit status."""
    if missing:
        print(f"not installed, and so not measured: {', '.join(missing)}\n")
    for target in targets:
        print(target)
    return 0 if all(target.is_kept for target in targets) else 1
