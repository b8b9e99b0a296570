"""The documents say what the code does; each example stands alone, and its own tests pass where nothing else is."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from documents import ROOT, pages
from processes import TESTED_PACKAGE, completed

import auth0_blueprint
import auth0_blueprint.testing
from auth0_blueprint.settings.schema import SettingsSchema

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/README.md"))


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


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_tests_of_an_example_pass(example: Path, tmp_path: Path) -> None:
    """In a copy, by a pytest of their own: they would read each other's ``app.py`` otherwise, and our fixtures."""
    folder = tmp_path / example.name
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    environment = {"PATH": "", "HOME": str(tmp_path), **TESTED_PACKAGE}
    run = completed(command, cwd=folder, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^\d+ passed in ", run.stdout, re.MULTILINE), run.stdout


def test_the_page_on_examples_lists_them_all() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`(\w+)`\]\(\.\./examples/\1/README\.md\)", page, re.MULTILINE)
    assert sorted(listed) == [example.name for example in EXAMPLES] != []
