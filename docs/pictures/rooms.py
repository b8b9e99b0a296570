"""Draws ``rooms.dot`` from the imports of the package: ``python docs/pictures/rooms.py`` writes it anew.

A box is what lies directly in ``auth0_blueprint/``: a package with its modules, or a module. An arrow is an import;
none is drawn where a longer way along other arrows leads to the same box. A test fails when file and code differ.
"""

from __future__ import annotations

import ast
import html
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import grimp

HERE = Path(__file__).parent
PICTURE = HERE / "rooms.dot"
ROOT = HERE.parent.parent
PACKAGE = ROOT / "auth0_blueprint"
WIDTH = 46

#: Fill and border of a box, by what its imports may be: blue knows Flask, green does not, grey no running API needs.
BLUE, GREEN, GREY = ("#e6f0fa", "#3b6ea5"), ("#eaf6ec", "#3c8a4b"), ("#f3f4f6", "#9aa5b1")
COLOURS = dict.fromkeys(("extension", "routes", "guards", "__init__"), BLUE) | dict.fromkeys(
    ("cli", "testing", "metrics"), GREY
)


def boxes() -> dict[str, Path]:
    """Return each box by its name: a folder, or a module without its ending."""
    folders = {path.parent.name: path.parent for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem: path for path in PACKAGE.glob("*.py")}


def arrows() -> dict[str, set[str]]:
    """Return for each box those that its modules import."""
    graph = grimp.build_graph(PACKAGE.name, cache_dir=None)
    found: dict[str, set[str]] = {name: set() for name in boxes()}
    for module in graph.modules:
        imported = {_box_of(other) for other in graph.find_modules_directly_imported_by(module)}
        found[_box_of(module)] |= imported - {_box_of(module)}
    return found


def needed(all_arrows: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the arrows that no longer way along others replaces.

    Raises:
        ValueError: boxes import each other in a circle.
    """
    reached = {name: _reachable(all_arrows, name) for name in all_arrows}
    for name, others in reached.items():
        if name in others:
            raise ValueError(f"packages import each other in a circle, by way of {name}")
    return {
        (name, other)
        for name, others in all_arrows.items()
        for other in others
        if not any(other in reached[nearer] for nearer in others)
    }


def source() -> str:
    """Return the text of ``rooms.dot``."""
    lines = [
        "// Drawn from the imports of the package: python docs/pictures/rooms.py",
        "digraph rooms {",
        '  graph [rankdir=TB, nodesep=0.25, ranksep=0.35, fontname="Verdana"]',
        '  node [shape=box, style="filled,rounded", fontname="Verdana", fontsize=11, margin="0.12,0.06"]',
        '  edge [color="#52606d", arrowsize=0.6]',
    ]
    for name, path in sorted(boxes().items()):
        fill, border = COLOURS.get(name, GREEN)
        lines.append(f'  {name} [fillcolor="{fill}", color="{border}", label=<{"<BR/>".join(_label(name, path))}>]')
    lines += [f"  {name} -> {other}" for name, other in sorted(needed(arrows()))]
    return "\n".join([*lines, "}", ""])


def _label(name: str, path: Path) -> Iterator[str]:
    yield f"<B>{PACKAGE.name if name == '__init__' else name}</B>"
    init = path / "__init__.py" if path.is_dir() else path
    summary = (ast.get_docstring(ast.parse(init.read_text("utf-8"))) or "").partition("\n\n")[0]
    for line in wrap(summary.replace("`", ""), WIDTH):
        yield f'<FONT COLOR="#52606d">{html.escape(line, quote=False)}</FONT>'
    if path.is_dir():
        modules = sorted(file.relative_to(path).with_suffix("").as_posix() for file in path.rglob("[!_]*.py"))
        yield from wrap(", ".join(modules), WIDTH)


def _box_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _reachable(all_arrows: dict[str, set[str]], start: str) -> set[str]:
    """Return what lies one or more arrows from *start*."""
    found: set[str] = set()
    ahead = list(all_arrows[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(all_arrows[name])
    return found


if __name__ == "__main__":
    PICTURE.write_text(source(), encoding="utf-8")
