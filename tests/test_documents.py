"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
from documents import ROOT

import auth0_blueprint
from auth0_blueprint.settings_schema import SettingsSchema


def tables() -> ModuleType:
    """Import ``docs/tables.py``."""
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
    """Settings in the tables, and names in the examples."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = {key for key in re.findall(r"AUTH0_[A-Z_]+[A-Z]", readme) if key != "AUTH0_X"}
    assert settings <= SettingsSchema().fields.keys()
    for names in re.findall(r"from auth0_blueprint import ([\w, ]+)", readme):
        assert {name.strip() for name in names.split(",")} <= set(auth0_blueprint.__all__)


def test_links_between_the_documents_lead_somewhere() -> None:
    """Relative ones."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
