"""The documentation site: ``make docs``. The pages are plain Markdown that also reads well on a code host."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))  # document the package in this checkout, whatever is installed

project = "auth0_blueprint"
author = "the authors of auth0_blueprint"
project_copyright = author
release = version = version_of("auth0_blueprint")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["pictures/node_modules"]
templates_path: list[str] = []

myst_heading_anchors = 3  # page.md#section, as code hosts make them

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "auth0_blueprint"
html_copy_source = False
html_show_sphinx = False

#: Pages of the site whose text stands at the root of the repository, where code hosts look for it.
FROM_THE_ROOT = {"security": "SECURITY.md", "changelog": "CHANGELOG.md"}


def read_from_the_root(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace a page that only points to the root by the text there; rewrite links to pages of the site."""
    if name in FROM_THE_ROOT:
        page = ROOT / FROM_THE_ROOT[name]
        app.env.note_dependency(str(page))
        source[0] = page.read_text(encoding="utf-8").replace("](docs/", "](/")
    up = "../" * (name.count("/") + 1)
    pages = {file: f"/{page}.md" for page, file in FROM_THE_ROOT.items()} | {"README.md": "/index.md"}
    for file, page in pages.items():
        source[0] = source[0].replace(f"]({up}{file}", f"]({page}")
    # The examples and findings are not on the site: links to them become plain text.
    source[0] = re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:examples|findings)/[^)]*\)", r"\1", source[0])


def read_google_style(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Read docstrings as Sphinx's napoleon does, except those of attributes.

    There it takes the text before the first colon for a type. Here those are sentences too.
    """
    if what not in {"attribute", "data", "property"}:
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, thing, options).lines()


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", read_google_style)
    app.connect("source-read", read_from_the_root)
