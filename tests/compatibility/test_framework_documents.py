"""Every example of ``docs/frameworks.md`` works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from answers import EXPECTED, OfConnexion, answers_of, in_every_mode
from connexion import FlaskApp
from documents import ROOT, python_blocks, run_block

from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "frameworks.md"
PINNED = ROOT / "requirements" / "dev.txt"
EXAMPLES = {block.title: block.code for block in python_blocks(PAGE)}


def example(title: str) -> dict[str, Any]:
    return run_block(PAGE, EXAMPLES[title])


@pytest.mark.parametrize("title", EXAMPLES)
@in_every_mode
def test_an_example_admits_and_refuses_in_our_words(title: str, mode: dict[str, Any], issuer: LocalIssuer) -> None:
    """Each section has one example, and each example has the same guarded view."""
    create_app: Callable[[dict[str, Any]], Any] = example(title)["create_app"]
    app = create_app({**issuer.settings, **mode})
    assert answers_of(OfConnexion(app) if isinstance(app, FlaskApp) else app.test_client(), issuer) == EXPECTED


def test_each_framework_of_the_page_was_run_in_the_version_that_it_names() -> None:
    """That of the pinned environment."""
    rows = re.findall(r"^\| \[([\w-]+)\]\(#.*?\| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    pinned = dict(re.findall(r"^([\w-]+)(?:\[.*\])?==([\d.]+)", PINNED.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(rows) == 9
    assert [row for row in rows if pinned.get(row[0].lower(), row[1]) != row[1]] == []


def test_the_mounted_app_of_the_example_works(issuer: LocalIssuer) -> None:
    app = example("Several apps in one process")["create_both"](issuer.settings, issuer.settings)
    assert answers_of(app.test_client(), issuer, "/other/messages") == EXPECTED


def test_the_invitation_of_the_example_is_pyjwts_affair(issuer: LocalIssuer) -> None:
    key = "i" * 32
    client = example("PyJWT of your own")["create_app"]({**issuer.settings, "INVITATION_KEY": key}).test_client()
    good = jwt.encode({"to": "somebody"}, key, algorithm="HS256")
    assert client.get("/invitation", query_string={"token": good}).get_json() == {"to": "somebody"}
    refused = client.get("/invitation", query_string={"token": "nonsense"})
    assert (refused.status_code, refused.get_json()) == (410, {"message": "This invitation is not valid."})
