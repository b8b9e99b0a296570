"""The pictures of the documents show the package as it is."""

from __future__ import annotations

import hashlib
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from documents import PICTURES, ROOT

PACKAGE = ROOT / "auth0_blueprint"

rooms = SimpleNamespace(**runpy.run_path(str(PICTURES / "rooms.py")))


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


def test_the_picture_of_the_packages_is_drawn_from_the_imports() -> None:
    """``python docs/pictures/rooms.py`` writes it; `grimp` reads the imports."""
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.source()


def test_the_picture_of_the_packages_can_be_taken_in_at_a_glance() -> None:
    """At most 20 boxes and 25 arrows."""
    assert len(rooms.boxes()) <= 20
    assert len(rooms.needed(rooms.arrows())) <= 25


def test_a_circle_of_packages_is_found() -> None:
    """Nothing could be drawn downwards."""
    with pytest.raises(ValueError, match="in a circle"):
        rooms.needed({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_an_arrow_that_a_longer_way_replaces_is_left_out() -> None:
    """As few as say it."""
    assert rooms.needed({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {("a", "b"), ("b", "c")}


def test_the_rules_name_files_that_there_are() -> None:
    """In SECURITY.md and under "Which file enforces what"."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for file in re.findall(r"`([\w/]+\.py)`", page + security):
        assert (PACKAGE / file).is_file() or (ROOT / file).is_file(), file
