"""Each example stands alone, and its own tests pass where there is nothing but its folder."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from documents import ROOT
from processes import TESTED_PACKAGE, completed

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/README.md"))


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
