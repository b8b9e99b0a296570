"""The pictures of the documents show the package as it is."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import grimp
import pytest
from documents import PICTURES, ROOT, rooms

PACKAGE = ROOT / "auth0_blueprint"


def arrows_of_the_code() -> dict[str, set[str]]:
    """Return room to rooms that its modules import."""
    of_module = rooms().of_module
    graph = grimp.build_graph("auth0_blueprint", cache_dir=None)
    room_of = {name: of_module.get(_file(name), "no room") for name in graph.modules}
    arrows: dict[str, set[str]] = {room: set() for room in room_of.values()}
    for name, room in room_of.items():
        arrows[room] |= {room_of[imported] for imported in graph.find_modules_directly_imported_by(name)} - {room}
    return arrows


def _file(module: str) -> str:
    """Return the file of *module*, as the picture names it."""
    path = Path(*module.split(".")[1:])
    return (path / "__init__.py" if (PACKAGE / path).is_dir() else path.with_suffix(".py")).as_posix()


def reachable(arrows: dict[str, set[str]], start: str) -> set[str]:
    """Return the rooms that lie one or more arrows from *start*."""
    found: set[str] = set()
    ahead = list(arrows[start])
    while ahead:
        room = ahead.pop()
        if room not in found:
            found.add(room)
            ahead.extend(arrows[room])
    return found


@pytest.mark.parametrize("source", sorted(PICTURES.glob("*.dot")), ids=lambda source: source.stem)
def test_no_picture_is_older_than_its_source(source: Path) -> None:
    """If one is: ``make pictures``."""
    digest = hashlib.sha256(source.read_text(encoding="utf-8").encode()).hexdigest()
    picture = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert picture.startswith(f"<!-- {source.name} sha256:{digest} -->")


def test_every_picture_is_shown_and_described() -> None:
    """In docs/architecture.md, each with a text for those who cannot see it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[([^\]]+)\]\(pictures/([\w-]+)\.svg\)", page))
    assert sorted(shown.values()) == sorted(source.stem for source in PICTURES.glob("*.dot"))


def test_the_picture_of_the_rooms_names_every_module() -> None:
    """A new module gets a row in ``docs/pictures/rooms.dot``; one that is gone leaves it."""
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    assert rooms().of_module.keys() == files


def test_the_arrows_between_rooms_are_the_imports_of_the_code() -> None:
    """As few as say it: none where a longer way along other arrows leads to the same room."""
    arrows = arrows_of_the_code()
    for room in arrows:
        assert room not in reachable(arrows, room), f"rooms import each other in a circle, by way of {room}"
    needed = {
        (room, other)
        for room, others in arrows.items()
        for other in others
        if not any(other in reachable(arrows, nearer) for nearer in others)
    }
    assert rooms().arrows == needed


def test_the_rules_name_files_that_there_are() -> None:
    """In SECURITY.md and under "Which file enforces what"."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for file in re.findall(r"`([\w/]+\.py)`", page + security):
        assert (PACKAGE / file).is_file() or (ROOT / file).is_file(), file
