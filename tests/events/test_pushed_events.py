"""``POST /auth/events/security`` on the wire: what a transmitter pushes ends tokens, or is refused as RFC 8935 says."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import AppFactory, MovableClock, bearer
from flask.testing import FlaskClient
from memory_store import MemoryStore
from openapi_spec_validator import OpenAPIV31SpecValidator
from refusals import (
    ABSENT,
    KEY_SET_UNAVAILABLE,
    REVOKED,
    WRONG_TYPE,
    Answer,
    answer_to,
    by_hand,
    changed,
    claims_of,
    guarded,
    invalid_claims,
    passes,
    seen,
)
from werkzeug.test import TestResponse

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.routes.bodies import MAX_BODY_BYTES
from auth0_blueprint.routes.events.security import ERRORS
from auth0_blueprint.testing import LocalIssuer

CAEP, RISC, SSF = (f"https://schemas.openid.net/secevent/{name}/event-type/" for name in ("caep", "risc", "ssf"))
ROUTE, MEDIA_TYPE, RECEIVER = "/auth/events/security", "application/secevent+jwt", "https://api.example.com/events"
MARK = "what-was-sent"
REVOCATIONS = "/auth/admin/revocations"
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}
NOT_STORED = {
    "error": "temporarily_unavailable",
    "code": "revocation_unavailable",
    "error_description": "Revocations cannot be changed right now.",
}
EVENT = invalid_claims("The token is an event, not an access token.")


@pytest.fixture(scope="module")
def idp() -> Iterator[LocalIssuer]:
    """An identity provider behind the issuer of access tokens, with keys of its own."""
    with LocalIssuer() as issuer:
        yield issuer


def sender(issuer: LocalIssuer, **members: Any) -> dict[str, Any]:
    return {
        "issuer": issuer.issuer,
        "jwks_url": f"{issuer.issuer}.well-known/jwks.json",
        "audience": RECEIVER,
        **members,
    }


@pytest.fixture
def client(make_app: AppFactory, issuer: LocalIssuer, idp: LocalIssuer) -> FlaskClient:
    """A client of an app that hears of both, and of addresses from one."""
    behind = sender(idp, subject_template="okta|acme|{sub}", email_claim="email", effects={"account-purged": "ignore"})
    return guarded(make_app(AUTH0_EVENT_TRANSMITTERS=[sender(issuer), behind], AUTH0_OPENAPI=True))


def told(
    issuer: LocalIssuer, uri: str = CAEP + "session-revoked", payload: Any = None, **claims: Any
) -> dict[str, Any]:
    """Return the claims of an event about a user of *issuer*."""
    usual = {
        "iss": issuer.issuer,
        "aud": RECEIVER,
        "jti": uuid.uuid4().hex,
        "iat": int(time.time()),
        "sub_id": {"format": "iss_sub", "iss": issuer.issuer, "sub": "ann"},
        "events": {uri: payload or {}},
    }
    return changed(usual, claims)


def signed(issuer: LocalIssuer, claims: dict[str, Any], **header: Any) -> str:
    usual = {"alg": "RS256", "kid": issuer.key_ids[0], "typ": "secevent+jwt"}
    return by_hand(issuer, changed(usual, header), claims)


def push(client: FlaskClient, text: str | bytes, content_type: str | None = MEDIA_TYPE) -> TestResponse:
    return client.post(ROUTE, data=text, content_type=content_type)


def accepted(response: TestResponse) -> bool:
    return (response.status_code, response.data, response.headers["Cache-Control"]) == (202, b"", "no-store")


def refusal(reason: str) -> tuple[Answer, str]:
    body = {"err": ERRORS.get(reason, "invalid_request"), "description": EventRefusedError(reason).description}
    return Answer(400, (), body), "en"


def refused(response: TestResponse) -> tuple[Answer, str | None]:
    return seen(response), response.headers.get("Content-Language")


@pytest.mark.parametrize(
    ("uri", "payload", "is_ended"),
    [
        *((CAEP + name, {}, True) for name in ("session-revoked", "credential-change", "token-claims-change")),
        *(
            (CAEP + "assurance-level-change", {"change_direction": to}, to != "increase")
            for to in ("increase", "decrease")
        ),
        *((RISC + name, {}, True) for name in ("account-disabled", "account-purged")),
        *((RISC + name, {}, False) for name in ("account-enabled", "account-credential-change-required")),
        *((SSF + name, {"state": "s", "status": "paused"}, False) for name in ("verification", "stream-updated")),
    ],
)
def test_an_event_ends_the_tokens_issued_so_far(
    client: FlaskClient, issuer: LocalIssuer, uri: str, payload: dict[str, Any], is_ended: bool
) -> None:
    """The next login passes, and so does everybody else."""
    token, other = issuer.token(sub="ann"), issuer.token(sub="ben")
    assert passes(client, token)
    event = told(issuer, uri, payload)
    assert accepted(push(client, signed(issuer, event)))
    assert answer_to(client, token) == REVOKED if is_ended else passes(client, token)
    assert passes(client, other)
    assert passes(client, issuer.token(sub="ann", iat=event["iat"] + 1))


@pytest.mark.parametrize(
    ("subject", "claims"),
    [
        ({"format": "iss_sub", "iss": "{idp}", "sub": "00u1"}, {"sub": "okta|acme|00u1"}),
        ({"format": "email", "email": "Ann@example.com"}, {"email": "ann@EXAMPLE.com"}),
        ({"format": "complex", "session": {"format": "iss_sub", "iss": "{ours}", "sub": "s-1"}}, {"sid": "s-1"}),
        ({"format": "complex", "tenant": {"format": "iss_sub", "iss": "{ours}", "sub": "org_a"}}, {"org_id": "org_a"}),
        ({"format": "jwt_id", "iss": "{ours}", "jti": "t-1"}, {"jti": "t-1"}),
    ],
)
def test_a_subject_is_found_in_the_claims_of_tokens(
    client: FlaskClient, issuer: LocalIssuer, idp: LocalIssuer, subject: dict[str, Any], claims: dict[str, Any]
) -> None:
    """As a provider behind the issuer names its users, and the issuer itself the rest."""
    named = eval(repr(subject).replace("{idp}", idp.issuer).replace("{ours}", issuer.issuer))
    token = issuer.token(**claims)
    assert passes(client, token)
    sent_by = issuer if issuer.issuer in repr(named) else idp
    assert accepted(push(client, signed(sent_by, told(sent_by, sub_id=named))))
    assert answer_to(client, token) == REVOKED
    made = client.get(f"{REVOCATIONS}/jti/t-1", headers=bearer(issuer.token(**ADMIN))).get_json()
    assert made.get("issued_up_to") is None  # a token with this jti is revoked whenever it was issued
    assert passes(client, issuer.token())


def test_an_account_that_is_enabled_again_gets_back_what_the_same_sender_took(
    client: FlaskClient, issuer: LocalIssuer, idp: LocalIssuer
) -> None:
    """And nothing else: not what another event, another sender or an admin has revoked."""
    now = int(time.time())
    token = issuer.token(sub="okta|acme|ann", iat=now - 60)
    disabled, enabled, revoked = RISC + "account-disabled", RISC + "account-enabled", CAEP + "session-revoked"
    ours = {"sub_id": {"format": "iss_sub", "iss": issuer.issuer, "sub": "okta|acme|ann"}}

    def after(*events: tuple[LocalIssuer, str]) -> bool:
        for number, (who, uri) in enumerate(events):
            event = told(who, uri, iat=now - 9 + number, **(ours if who is issuer else {}))
            assert accepted(push(client, signed(who, event)))
        is_passed = passes(client, token)
        client.delete(f"{REVOCATIONS}/subject/okta|acme|ann", headers=bearer(issuer.token(**ADMIN)))
        return is_passed

    assert after((idp, disabled), (idp, enabled))
    assert not after((idp, disabled), (issuer, enabled))
    assert not after((idp, revoked), (idp, enabled))
    assert not after((idp, revoked), (idp, disabled), (idp, enabled))
    assert not after((idp, disabled), (idp, revoked), (idp, disabled), (idp, enabled))
    assert not after((idp, disabled), (idp, revoked), (idp, enabled))
    assert not after((issuer, disabled), (idp, disabled), (idp, enabled))
    client.post(REVOCATIONS, json={"subject": "okta|acme|ann"}, headers=bearer(issuer.token(**ADMIN)))
    assert not after((idp, disabled), (idp, enabled))
    assert after((idp, RISC + "account-purged"))  # its setting says so


def test_an_event_that_comes_again_changes_nothing(client: FlaskClient, issuer: LocalIssuer) -> None:
    """It is acknowledged, also when an admin has lifted what it did."""
    token, event = issuer.token(sub="ann"), signed(issuer, told(issuer))
    path = f"{REVOCATIONS}/subject/ann"
    assert accepted(push(client, event))
    made = client.get(path, headers=bearer(issuer.token(**ADMIN))).get_json()
    assert accepted(push(client, event))
    assert client.get(path, headers=bearer(issuer.token(**ADMIN))).get_json() == made
    assert client.delete(path, headers=bearer(issuer.token(**ADMIN))).status_code == 200
    assert accepted(push(client, event))
    assert passes(client, token)


@pytest.mark.parametrize("place", ["event_timestamp", "toe", "iat"])
def test_an_event_that_comes_late_ends_no_newer_login(client: FlaskClient, issuer: LocalIssuer, place: str) -> None:
    now = int(time.time())
    older, newer = (issuer.token(sub="ann", iat=now - seconds) for seconds in (3600, 3598))
    at: dict[str, Any] = {place: now - 3599}
    event = told(issuer, payload=at) if place == "event_timestamp" else told(issuer, **at)
    assert accepted(push(client, signed(issuer, event)))
    assert answer_to(client, older) == REVOKED
    assert passes(client, newer)


def test_an_event_of_the_future_ends_nothing_of_the_future(client: FlaskClient, issuer: LocalIssuer) -> None:
    now = int(time.time())
    assert accepted(push(client, signed(issuer, told(issuer, payload={"event_timestamp": now + 9999}, toe=now + 9999))))
    assert passes(client, issuer.token(sub="ann", iat=int(time.time()) + 3))


@pytest.mark.parametrize("fault", ["is_away", "refuses_writes"])
def test_an_event_that_cannot_be_stored_is_asked_for_again(
    make_app: AppFactory, issuer: LocalIssuer, clock: MovableClock, tmp_path: Path, fault: str
) -> None:
    """Nothing has changed meanwhile; then the same event has its effect."""
    shared = {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "AUTH0_SYNC_INTERVAL": 0}
    client = guarded(make_app(clock=clock.monotonic_only, AUTH0_EVENT_TRANSMITTERS=sender(issuer), **shared))
    store, token, event = MemoryStore(), issuer.token(sub="ann"), signed(issuer, told(issuer))
    client.application.extensions["auth0"].store._open_store = lambda: store
    setattr(store, fault, True)
    response = push(client, event)
    assert (seen(response), response.headers["Retry-After"]) == (Answer(503, (), NOT_STORED), "1")
    assert passes(client, token)
    setattr(store, fault, False)
    clock.move(60)
    assert accepted(push(client, event))
    assert answer_to(client, token) == REVOKED


def test_an_event_whose_key_cannot_be_fetched_is_asked_for_again(
    client: FlaskClient, issuer: LocalIssuer, idp: LocalIssuer
) -> None:
    event = signed(idp, told(idp))
    with idp.outage():
        response = push(client, event)
        assert seen(response) == KEY_SET_UNAVAILABLE
        assert int(response.headers["Retry-After"]) >= 1
    assert passes(client, issuer.token(sub="okta|acme|ann"))


NO_AUDIENCE: list[Any] = [ABSENT, MARK, [], "https://api.example.com", {RECEIVER: 1}]
NO_EVENTS: list[Any] = [ABSENT, {}, [], MARK, {CAEP + "session-revoked": MARK}]
#: What is changed in a good event, in its claims and in its header, and why it is refused then.
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"typ": ABSENT}, "type"),
    *(({}, {"typ": value}, "type") for value in ("JWT", "at+jwt", "logout+jwt", "dpop+jwt", MARK, 7, "secevent")),
    ({}, {"alg": "none"}, "algorithm"),
    ({}, {"alg": "HS256"}, "algorithm"),
    ({}, {"kid": MARK}, "unknown_key"),
    ({}, {"crit": ["b64"], "b64": False}, "malformed"),
    *(({"iss": value}, {}, "issuer") for value in (ABSENT, f"https://{MARK}/", 7, None)),
    *(({"aud": value}, {}, "audience") for value in NO_AUDIENCE),
    *(({"jti": value}, {}, "id") for value in (ABSENT, "", 7, "x" * 257)),
    *(({"iat": value}, {}, "time") for value in (ABSENT, MARK, True, 4_000_000_000)),
    ({"iat": int(time.time()) - 8 * 86_400}, {}, "too_old"),
    ({"exp": 1_000_000_000}, {}, "expired"),
    ({"exp": 4_000_000_000}, {}, "not_an_event"),
    ({"toe": MARK}, {}, "time"),
    *(({name: MARK}, {}, "not_an_event") for name in ("sub", "nonce", "scope", "permissions")),
    *(({"events": value}, {}, "events") for value in NO_EVENTS),
    *(
        ({"sub_id": value}, {}, "subject")
        for value in (ABSENT, MARK, {"format": MARK}, {"format": "email", "email": MARK})
    ),
    ({"sub_id": {"format": "iss_sub", "iss": f"https://{MARK}/", "sub": "ann"}}, {}, "foreign_subject"),
]


@pytest.mark.parametrize(("claims", "header", "reason"), WRONG)
def test_what_is_no_event_of_a_transmitter_is_refused(
    client: FlaskClient,
    issuer: LocalIssuer,
    caplog: pytest.LogCaptureFixture,
    claims: dict[str, Any],
    header: dict[str, Any],
    reason: str,
) -> None:
    """With RFC 8935's code and a sentence of ours. Nothing is echoed or logged, and nothing has changed."""
    response = push(client, signed(issuer, told(issuer, **claims), **header))
    assert refused(response) == refusal(reason)
    assert f"refused an event (security): {reason}" in caplog.messages
    assert MARK not in f"{response.data!r} {response.headers} {caplog.text}"
    assert passes(client, issuer.token(sub="ann"))


def test_a_forged_event_is_refused(client: FlaskClient, issuer: LocalIssuer, idp: LocalIssuer) -> None:
    """Signed by another transmitter, or not at all; and a transmitter speaks of no user of another."""
    stranger = by_hand(
        issuer, {"alg": "RS256", "kid": issuer.key_ids[0], "typ": "secevent+jwt"}, told(issuer), idp.signing_key()
    )
    assert refused(push(client, stranger)) == refusal("signature")
    unsigned = f"{signed(issuer, told(issuer)).rpartition('.')[0]}."
    assert refused(push(client, unsigned))[0].status == 400
    assert refused(push(client, signed(issuer, told(issuer, sub_id=told(idp)["sub_id"])))) == refusal("foreign_subject")
    assert passes(client, issuer.token(sub="ann"))


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        *(
            ("{}", content_type, "not_set")
            for content_type in (None, "application/json", "application/jwt", "text/plain")
        ),
        *(
            (body, MEDIA_TYPE, "malformed")
            for body in ("", "a.b", "a.b.c", " ", "{}", b"\xff.\xff.\xff", "ä.b.c".encode())
        ),
        *(("x" * size, MEDIA_TYPE, "too_large") for size in (16_385, MAX_BODY_BYTES + 1)),
    ],
)
def test_what_is_no_token_is_refused(client: FlaskClient, body: Any, content_type: str | None, reason: str) -> None:
    assert refused(push(client, body, content_type)) == refusal(reason)


def test_a_body_that_is_announced_as_huge_is_not_read(client: FlaskClient) -> None:
    response = client.post(ROUTE, data="a.b.c", content_type=MEDIA_TYPE, environ_overrides={"CONTENT_LENGTH": "9" * 9})
    assert refused(response) == refusal("too_large")


def test_the_text_around_a_token_is_none_of_it(client: FlaskClient, issuer: LocalIssuer) -> None:
    """The media type may be in any case and have parameters; the body is the token alone."""
    event = signed(issuer, told(issuer))
    for more in (b"\n", b" ", b"\xff", "ä".encode()):
        assert refused(push(client, event.encode() + more)) == refusal("malformed")
    assert refused(push(client, f"SET={event}", "application/x-www-form-urlencoded")) == refusal("not_set")
    assert accepted(push(client, event, "Application/SecEvent+JWT; charset=utf-8"))


def test_an_access_token_is_no_event(client: FlaskClient, issuer: LocalIssuer) -> None:
    """RFC 8417 §4: also one for the audience of the events, with the right type, or with events in it."""
    assert refused(push(client, issuer.token())) == refusal("type")
    for claims in ({"aud": RECEIVER, "jti": "a"}, {**told(issuer), "scope": "read"}, {**told(issuer)}):
        response = push(client, issuer.token(**{**claims, "headers": {"typ": "secevent+jwt"}}))
        assert response.status_code == 400
        assert response.get_json()["description"] in {
            EventRefusedError(reason).description for reason in ("events", "not_an_event")
        }
    assert passes(client, issuer.token(sub="ann"))


def test_an_event_is_no_access_token(client: FlaskClient, issuer: LocalIssuer) -> None:
    """By its type; and without one by its claims, even if it names the API as audience and has all that tokens have."""
    assert answer_to(client, signed(issuer, told(issuer))) == WRONG_TYPE
    both = {**claims_of(issuer.token()), "jti": "e", "events": {CAEP + "session-revoked": {}}}
    for typ in (ABSENT, "JWT", "at+jwt"):
        assert answer_to(client, signed(issuer, both, typ=typ)) == EVENT


def test_every_reason_has_a_code_of_the_specification() -> None:
    """RFC 8935 §2.4. What is not named is ``invalid_request``."""
    assert ERRORS.keys() <= EventRefusedError.descriptions.keys()
    assert {reason: ERRORS.get(reason, "invalid_request") for reason in EventRefusedError.descriptions} == {
        **dict.fromkeys(EventRefusedError.descriptions, "invalid_request"),
        "algorithm": "invalid_key",
        "unknown_key": "invalid_key",
        "signature": "authentication_failed",
        "issuer": "invalid_issuer",
        "audience": "invalid_audience",
        "foreign_subject": "access_denied",
    }


def test_the_document_says_that_the_body_is_a_token(client: FlaskClient) -> None:
    document = client.get("/auth/openapi.json").get_json()
    assert list(OpenAPIV31SpecValidator(cast("Any", document)).iter_errors()) == []
    operation, schemas = document["paths"][ROUTE]["post"], document["components"]["schemas"]
    assert list(operation["requestBody"]["content"]) == [MEDIA_TYPE]
    assert schemas["SecurityEvent"]["type"] == "string"
    assert operation["responses"].keys() == {"202", "400", "503"}
    assert "content" not in operation["responses"]["202"]
    assert schemas["SecurityError"]["required"] == ["description", "err"]
    assert set(schemas["SecurityError"]["properties"]["err"]["enum"]) == {"invalid_request", *ERRORS.values()}


def test_without_a_transmitter_there_is_no_route(make_app: AppFactory, issuer: LocalIssuer) -> None:
    assert push(make_app().test_client(), signed(issuer, told(issuer))).status_code == 404
