"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from documents import ROOT, pages

import auth0_blueprint
import auth0_blueprint.testing
from auth0_blueprint.settings.schema import SettingsSchema


def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["configuration.md", "errors.md"])
def test_the_reference_pages_hold_the_tables_of_today(name: str) -> None:
    """If not: ``python docs/tables.py``."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    module = tables()
    assert page == module.with_table(page, module.TABLES[name]())


def test_the_readme_names_only_what_there_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = {key for key in re.findall(r"AUTH0_[A-Z_]+[A-Z]", readme) if key != "AUTH0_X"}
    assert settings <= SettingsSchema().fields.keys()
    for names in re.findall(r"from auth0_blueprint import ([\w, ]+)", readme):
        assert {name.strip() for name in names.split(",")} <= set(auth0_blueprint.__all__)


def test_links_between_the_documents_lead_somewhere() -> None:
    """To a file, and to a section of it by the name that code hosts and the site give it."""
    for page in pages():
        for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)", page.read_text(encoding="utf-8")):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors_of(file), f"{page.name}: {target}#{anchor}"


def anchors_of(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("package", [auth0_blueprint, auth0_blueprint.testing], ids=lambda package: package.__name__)
def test_the_reference_has_every_name_that_a_reader_may_import(package: ModuleType) -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    pattern = r"^\.\. (?:auto|py:)\w+:: auth0_blueprint\.(?:signals\.)?(testing\.)?(\w+)$"
    described, of_tests = re.findall(pattern, reference, re.MULTILINE), package is auth0_blueprint.testing
    names = [name for testing, name in described if bool(testing) == of_tests]
    assert sorted(names) == sorted(package.__all__)


def test_the_site_has_every_page() -> None:
    docs = ROOT / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    menus = re.findall(r"^```\{toctree\}\n(.*?)^```$", index, re.DOTALL | re.MULTILINE)
    names = [line for menu in menus for line in menu.splitlines() if line and not line.startswith(":")]
    written = {page.relative_to(docs).with_suffix("").as_posix() for page in pages() if page.is_relative_to(docs)}
    assert sorted(names) == sorted(written - {"index"})
