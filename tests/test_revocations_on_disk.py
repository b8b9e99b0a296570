"""Revocations that processes share through files."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import AppFactory, bearer

from auth0_blueprint.testing import LocalIssuer

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_no_revocation_is_thrown_away_for_the_number_of_files(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """flask-caching keeps 500 unless told otherwise, and a process that starts later has nothing but the files."""
    settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "SECRET_KEY": "not a secret"}
    numbers = range(600)
    revocations = make_app(**settings).extensions["auth0"].revocations
    for number in numbers:
        revocations.revoke("jti", str(number), None)
    later = make_app(**settings)
    assert later.test_client().get("/auth/me", headers=bearer(issuer.token(jti="0"))).status_code == 401
    known = later.extensions["auth0"].revocations
    assert [number for number in numbers if known.find("jti", str(number)) is None] == []
