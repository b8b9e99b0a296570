"""An app whose views are cached by the host's own flask-caching, as ``docs/how-to/cached-views.md`` has it."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path
from typing import Any

from conftest import bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask, Response
from flask.testing import FlaskClient
from flask_caching import Cache

from auth0_blueprint import current_token, has_scope, requires_auth, requires_scope
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "cached-views.md"
per_caller: Any = run_block(PAGE, next(python_blocks(PAGE)).code)["per_caller"]


def log_as_an_earlier_release(backend: Any, issuer: LocalIssuer, secret: str, *subjects: str) -> list[str]:
    """Revoke *subjects* as a release did that stored its log through *backend*, a host's own; return all it stored."""
    stored: list[str] = []
    entries = SignedCache(SharedCache(lambda: backend), secret=secret, names=("fleet", issuer.issuer))
    now = time.time()
    for number, subject in enumerate(subjects):
        made = Revocation("subject", subject, int(now), now + 3600, now)
        entries.write("revocation", made._asdict(), 99, name=f"e-{number}")
        stored.append(entries._key("revocation", f"e-{number}"))
    manifest = {"epoch": "e", "first": 0, "next": len(subjects), "filled_at": 0}
    entries.write("board", manifest, 99, name="revocations")
    return [*stored, entries._key("board", "revocations")]


def add_cached_views(app: Flask, cache: Cache) -> None:
    """Add views whose answers tell whose they are, and how often they ran."""
    runs = count(1)

    @app.get("/own")
    @requires_auth
    @cache.cached(timeout=60, key_prefix=per_caller)
    def own() -> dict[str, Any]:
        return {"subject": current_token.subject, "is_writer": has_scope("write"), "run": next(runs)}

    @app.get("/common")
    @requires_scope("read")
    @cache.cached(timeout=60)
    def common() -> tuple[dict[str, Any], int, dict[str, str]]:
        return {"run": next(runs)}, 201, {"X-Own": "kept"}

    @app.get("/response")
    @requires_auth
    @cache.cached(timeout=60, query_string=True)
    def response() -> Response:
        return Response(f"run {next(runs)}", 202, {"X-Own": "kept"})

    @cache.memoize(60)
    def computed(subject: str) -> dict[str, Any]:
        return {"subject": subject, "run": next(runs)}

    @app.get("/memoized")
    @requires_auth
    def memoized() -> dict[str, Any]:
        return computed(current_token.subject)


def assert_nobody_gets_what_is_not_theirs(app: Flask, issuer: LocalIssuer) -> None:
    """Ask each view as several callers in turn, twice, so that everything that is cached is there."""
    client = app.test_client()
    ada, bob = (bearer(issuer.token(sub=name, scope="read")) for name in ("ada", "bob"))
    writer, outsider = bearer(issuer.token(sub="ada", scope="read write")), bearer(issuer.token(sub="eve", scope=""))

    own = [client.get("/own", headers=headers).get_json() for headers in (ada, bob, writer) * 2]
    assert [(body["subject"], body["is_writer"]) for body in own] == [("ada", False), ("bob", False), ("ada", True)] * 2
    assert own[:3] == own[3:]
    # Another token that says the same of its holder gets the same answer.
    assert client.get("/own", headers=bearer(issuer.token(sub="ada", scope="read"))).get_json() == own[0]
    assert client.get("/own?page=2", headers=ada).get_json()["run"] != own[0]["run"]

    common = [client.get("/common", headers=headers) for headers in (outsider, ada, bob, outsider)]
    assert [answer.status_code for answer in common] == [403, 201, 201, 403]
    assert common[1].get_json() == common[2].get_json()
    assert common[2].headers["X-Own"] == "kept"

    kept = [client.get("/response", headers=headers) for headers in (ada, bob)]
    assert [(answer.status_code, answer.text, answer.headers["X-Own"]) for answer in kept] == [
        (202, kept[0].text, "kept")
    ] * 2
    memoized = [client.get("/memoized", headers=headers).get_json() for headers in (ada, bob) * 2]
    assert [body["subject"] for body in memoized] == ["ada", "bob"] * 2
    assert memoized[:2] == memoized[2:]
    assert_all_refused(client, {}, bearer("x.y.z"), bearer(issuer.token(sub="ada", scope="read", exp=1)))
    app.extensions["auth0"].revocations.revoke("subject", "ada", None)
    assert_all_refused(client, ada, writer)
    assert client.get("/own", headers=bob).get_json() == own[1]


def assert_all_refused(client: FlaskClient, *callers: dict[str, str]) -> None:
    """No view answers, though all have their answer cached."""
    for path in ("/own", "/common", "/response", "/memoized"):
        for headers in callers:
            assert client.get(path, headers=headers).status_code == 401


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)
