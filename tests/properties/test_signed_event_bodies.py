"""Any body for the routes that take signed events: only documented answers, and no effect but those of good events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from conftest import bearer
from flask.testing import FlaskClient
from hypothesis import event, given, reject
from hypothesis import strategies as st
from refusals import seen, segment
from werkzeug.test import TestResponse

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.routes.events.security import ERRORS, MEDIA_TYPE
from properties.conftest import SLOW
from properties.issuing import AUDIENCE, GOOD_HEADER, ISSUER, NOW, genuine, published_keys
from properties.oracle import EventRules, UndecidedError, event_claims
from properties.strategies import EVENT_CLAIM_VALUES, EVENT_HEADER_VALUES, SUBJECT_BODIES, objects_near

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
REVOKED_EVENT = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
LOGOUT, SECURITY, GLOBAL = (f"/auth/events/{name}" for name in ("logout", "security", "global-token-revocation"))
RULES = {
    LOGOUT: EventRules(
        frozenset({"logout+jwt", "application/logout+jwt", "jwt", "application/jwt", None}), "client", True
    ),
    SECURITY: EventRules(frozenset({"secevent+jwt", "application/secevent+jwt"}), AUDIENCE, False),
    GLOBAL: EventRules(
        frozenset({"global-token-revocation+jwt", "application/global-token-revocation+jwt"}), AUDIENCE, True
    ),
}
OF_ROUTE: Mapping[str, Mapping[str, Any]] = {
    LOGOUT: {"aud": "client", "exp": NOW + 120, "events": {LOGOUT_EVENT: {}}},
    SECURITY: {"events": {REVOKED_EVENT: {}}},
    GLOBAL: {"exp": NOW + 300},
}
SENTENCES = EventRefusedError.descriptions.values()


numbers = itertools.count()
#: Stands for what no other example has.
NAME = "@name@"
FORGED = -2


def _claims(route: str) -> dict[str, Any]:
    """Return good claims of an event about a user whom no other example knows."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "jti": NAME}
    about: dict[str, dict[str, Any]] = {
        LOGOUT: {"sub": f"u-{NAME}"},
        SECURITY: {"sub_id": _sub_id(f"u-{NAME}")},
        GLOBAL: {},
    }
    return {**usual, **about[route], **OF_ROUTE[route]}


def _sub_id(sub: str) -> dict[str, str]:
    return {"format": "iss_sub", "iss": ISSUER, "sub": sub}


Parts = tuple[bytes, bytes, int]


def _parts(route: str) -> st.SearchStrategy[Parts]:
    """Return header and claims of almost an event of *route*, and which character to leave out of it, if any.

    Or `FORGED`: nobody has signed it.
    """
    typ = min(one for one in RULES[route].types if one).removeprefix("application/")
    good = {**GOOD_HEADER, "typ": typ}
    text = st.just(json.dumps(good).encode())
    headers, claims = objects_near(good, EVENT_HEADER_VALUES), objects_near(_claims(route), EVENT_CLAIM_VALUES)
    return st.tuples(text | text | headers, claims, st.sampled_from([-1] * 50 + [FORGED] * 10 + [*range(0, 400, 7)]))


def _token(parts: Parts) -> tuple[str, str]:
    """Return the token, which is genuine if nothing is left out, and the name in it."""
    name = f"{next(numbers):08}"
    header, claims, gap = parts
    token = genuine(header, claims.replace(NAME.encode(), name.encode()))
    if gap == FORGED:
        return f"{token.rpartition('.')[0]}.{segment(bytes(64))}", name
    return (token if gap < 0 else token[:gap] + token[gap + 1 :]), name


def _known(client: FlaskClient) -> int:
    known: int = client.application.extensions["auth0"].revocations.status().known
    return known


def _is_revoked(client: FlaskClient, subject: str) -> bool:
    return client.application.extensions["auth0"].revocations.find("subject", subject) is not None


def _is_accepted(response: TestResponse, status: int) -> bool:
    """Return whether it is, and check that the answer is a documented one."""
    event(f"{response.status_code}")
    assert response.headers["Cache-Control"] == "no-store"
    if response.status_code == status:
        assert response.data == b""
        return True
    answer = seen(response)
    if response.status_code == 401:
        assert answer.body["code"] in {"unauthorized_sender", "invalid_header", "authorization_header_missing"}
    elif "err" in answer.body:
        assert (answer.status, answer.body["err"] in {"invalid_request", *ERRORS.values()}) == (400, True)
        assert answer.body["description"] in SENTENCES
    else:
        assert (answer.status, answer.body["code"]) in {(400, "invalid_request"), (400, "invalid_header")}
        assert answer.body["code"] == "invalid_header" or answer.body["error_description"] in SENTENCES
    return False


def _judged(route: str, token: str) -> dict[str, Any] | None:
    try:
        return event_claims(token, published_keys(), RULES[route])
    except UndecidedError:
        reject()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 1024


@SLOW
@given(_parts(LOGOUT))
def test_a_logout_token_is_accepted_exactly_when_it_is_a_good_one(hearing: FlaskClient, parts: Parts) -> None:
    token, name = _token(parts)
    before = _known(hearing)
    is_accepted = _is_accepted(hearing.post(LOGOUT, data={"logout_token": token}), 200)
    claims = _judged(LOGOUT, token) or {}
    told = claims.get("events")
    named = [claims[claim] for claim in ("sub", "sid") if claim in claims]
    is_logout = isinstance(told, dict) and isinstance(told.get(LOGOUT_EVENT), dict) and bool(named)
    assert is_accepted == (is_logout and all(map(_is_text, named)))
    assert is_accepted or _known(hearing) == before
    if is_accepted and claims["jti"] == name and claims.get("sub") == f"u-{name}":
        assert _is_revoked(hearing, f"u-{name}")


@SLOW
@given(_parts(SECURITY))
def test_a_security_event_has_effects_only_if_it_is_a_good_one(hearing: FlaskClient, parts: Parts) -> None:
    token, name = _token(parts)
    before = _known(hearing)
    is_accepted = _is_accepted(hearing.post(SECURITY, data=token, content_type=MEDIA_TYPE), 202)
    claims = _judged(SECURITY, token)
    assert is_accepted or _known(hearing) == before
    if claims is None or claims.get("events") in ({}, None, []):
        assert not is_accepted
        return
    is_usual = {"sub", "exp", "toe"}.isdisjoint(claims) and claims.get("events") == OF_ROUTE[SECURITY]["events"]
    if is_usual and claims["jti"] == name and claims.get("sub_id") == _sub_id(f"u-{name}"):
        assert is_accepted
        assert _is_revoked(hearing, f"u-{name}")


_GOOD_BODY = json.dumps({"sub_id": _sub_id(f"u-{NAME}")}).encode()


@SLOW
@given(_parts(GLOBAL), st.just(_GOOD_BODY) | SUBJECT_BODIES)
def test_a_global_revocation_has_effects_only_if_jwt_and_subject_are_good(
    hearing: FlaskClient, parts: Parts, body: bytes
) -> None:
    token, name = _token(parts)
    before = _known(hearing)
    sent = body.replace(NAME.encode(), name.encode())
    wire = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    response = hearing.post(GLOBAL, data=sent, content_type="application/json", environ_overrides=wire)
    is_accepted = _is_accepted(response, 204)
    claims = _judged(GLOBAL, token)
    assert is_accepted or _known(hearing) == before
    if claims is None:
        assert response.status_code == 401
    elif claims["jti"] == name:  # others may have been used for somebody else
        assert response.status_code in {204, 400}
        assert is_accepted == _is_revoked(hearing, f"u-{name}") or body != _GOOD_BODY
        assert is_accepted or body != _GOOD_BODY


_MEDIA_TYPES = (
    None,
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    MEDIA_TYPE,
    "\xe9",
)


@SLOW
@given(st.sampled_from(sorted(RULES)), st.binary(max_size=60), st.sampled_from(_MEDIA_TYPES))
def test_any_other_body_is_refused(hearing: FlaskClient, route: str, body: bytes, media_type: str | None) -> None:
    before = _known(hearing)
    header = {**GOOD_HEADER, "typ": "global-token-revocation+jwt"}
    jwt, _ = _token((json.dumps(header).encode(), json.dumps(_claims(GLOBAL)).encode(), -1))
    response = hearing.post(route, data=body, content_type=media_type, headers=bearer(jwt))
    assert not _is_accepted(response, 0)
    assert _known(hearing) == before
