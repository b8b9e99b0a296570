"""The documents as the tests read them: their blocks of Python, and the text sources of their pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"


class Block(NamedTuple):
    """One block of a page between fences.

    Attributes:
        title: of the section that it stands in.
        code: its text, with empty lines before it, so that a traceback names the line of the page.
        mark: what follows the language on the fence. ``before`` marks code that the page advises to replace: it is
            shown, and not run.
        language: as the fence says; nothing where it says nothing.
    """

    title: str
    code: str
    mark: str
    language: str = "python"


def pages() -> list[Path]:
    """Return every document, those at the root first."""
    documents = (page for page in (ROOT / "docs").rglob("*.md") if "node_modules" not in page.parts)
    return [*sorted(ROOT.glob("*.md")), *sorted(documents)]


def python_blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of Python in the Markdown file *page*, in their order."""
    return (block for block in blocks_of(page) if block.language == "python")


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks in the Markdown file *page*, in their order."""
    document = Document.parse(str(page), FencedCodeBlockLexer(".*"))
    title, end = "", 0
    for example in document:
        region = example.region
        title = ([title, *re.findall(r"^#+ +(.*)$", document.text[end : region.start], re.MULTILINE)])[-1]
        language, _, mark = region.lexemes["language"].partition(" ")
        yield Block(title, "\n" * example.line + region.lexemes["source"], mark, language)
        end = region.end


def run_block(page: Path, code: str, **namespace: Any) -> dict[str, Any]:
    """Run *code*, a block of *page*, as a module that knows *namespace*; return what it has then defined."""
    module = {"__name__": page.stem.replace("-", "_"), **namespace}
    exec(compile(code, str(page), "exec"), module)
    return module
