"""docs/testing.md: its tests pass as they stand there, with the app of the README as the reader's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from documents import ROOT, Block, python_blocks
from processes import TESTED_PACKAGE, completed

PAGE = ROOT / "docs" / "testing.md"
UNITTEST, AT_IMPORT = "With unittest", "When the app is made at import"
SERVER = """
from dotenv import load_dotenv
from yourapp import create_app

load_dotenv()
APP = create_app()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (app,) = [block.code for block in python_blocks(ROOT / "README.md") if block.title == "Use it"]
    (tmp_path / "yourapp.py").write_text(app)
    return tmp_path


def write(project: Path, name: str, blocks: list[Block]) -> None:
    assert blocks
    (project / name).write_text("\n".join(block.code.strip("\n") for block in blocks))


def run(project: Path, *command: str) -> str:
    """Return what a Python in *project* says, which has to succeed."""
    found = completed([sys.executable, *command], cwd=project, env=TESTED_PACKAGE)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def test_every_recipe_passes_under_pytest(project: Path) -> None:
    """With nothing but the fixture of the first block; warnings are errors, and each test of the page is counted."""
    blocks = [block for block in python_blocks(PAGE) if block.title not in {UNITTEST, AT_IMPORT}]
    write(project, "test_yours.py", blocks)
    said = run(project, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", f"--rootdir={project}")
    parametrized = 4  # the one with five sets of claims
    assert f"{sum(block.code.count('def test_') for block in blocks) + parametrized} passed" in said


def test_the_recipe_for_unittest_passes_under_unittest(project: Path) -> None:
    write(project, "test_yours.py", [block for block in python_blocks(PAGE) if block.title == UNITTEST])
    said = run(project, "-W", "error", "-m", "unittest", "-v", "test_yours")
    assert "test_messages_need_the_scope" in said
    assert "Ran 1 test in " in said


def test_the_recipe_for_an_app_that_reads_the_environment_passes(project: Path) -> None:
    """With another tenant in the environment and in a ``.env`` file."""
    (project / "server.py").write_text(SERVER)
    (project / ".env").write_text("AUTH0_DOMAIN=example.eu.auth0.com\nAUTH0_AUDIENCE=other\n")
    write(project, "test_yours.py", [block for block in python_blocks(PAGE) if block.title == AT_IMPORT])
    said = run(project, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", f"--rootdir={project}")
    assert "1 passed" in said


def test_each_section_of_the_recipes_has_one() -> None:
    """A heading without a block would promise what nobody has tried."""
    text = PAGE.read_text(encoding="utf-8")
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("### ")]
    titles = {block.title for block in python_blocks(PAGE) if not block.mark}
    assert set(headings) <= titles
