"""``GET /auth/admin/revocations``: where revocations came from, page by page, the newest first."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from conftest import AppFactory
from flask.testing import FlaskClient
from operators import REVOCATIONS, as_operator, invalid_request
from refusals import seen

from auth0_blueprint import revocation_changed
from auth0_blueprint.revocation.index import KINDS, SOURCES, Origin, Revocation
from auth0_blueprint.testing import LocalIssuer

MARK = "what-was-sent"
KIND = "The parameter kind must be one of token, jti, subject, client_id, session, organization and email."
SOURCE = "The parameter source must be one of admin, command, logout, security, auth0 and global-token-revocation."
PREFIX = "The parameter prefix must be one string of at most 1024 characters."
CURSOR = "The parameter cursor must be the next_cursor of an earlier answer."
LIMIT = "The parameter limit must be a whole number from 1 to 200."
UNKNOWN = "The query has a parameter that this route does not know."
HOSTILE = "a\r\nX-Forged: 1\x1b[2K\u202e\u2028\0ü\U0001f600<&"
SENDER: dict[str, Any] = {
    "issuer": "https://idp.example/",
    "jwks_url": "https://idp.example/jwks",
    "audience": "https://api.example.com",
    "email_claim": "https://api.example.com/email",
}


@pytest.fixture
def operator(client: FlaskClient, issuer: LocalIssuer) -> FlaskClient:
    return as_operator(client, issuer)


def revoke(
    operator: FlaskClient, kind: str, value: str, origin: Origin | None, reason: str | None = None
) -> Revocation:
    made: Revocation = operator.application.extensions["auth0"].revocations.revoke(kind, value, reason, origin)
    return made


def listed(operator: FlaskClient, **parameters: Any) -> dict[str, Any]:
    response = operator.get(REVOCATIONS, query_string=parameters)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    body: dict[str, Any] = response.get_json()
    assert body.keys() == {"revocations", "next_cursor"}
    return body


def values(operator: FlaskClient, **parameters: Any) -> list[str]:
    return [one["value"] for one in listed(operator, **parameters)["revocations"]]


def cursor(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode().rstrip("=")


def test_each_answer_says_where_it_came_from(operator: FlaskClient) -> None:
    """What an admin made is the admin's, whoever made it before; a lift is of whoever lifts."""
    assert listed(operator) == {"revocations": [], "next_cursor": None}
    revoke(operator, "subject", "s", Origin("logout", "e1", "https://idp.example/"), "logout")
    by_event = operator.get(f"{REVOCATIONS}/subject/s").get_json()
    assert {**by_event, "source": "logout", "event_id": "e1", "actor": "https://idp.example/"} == by_event
    made = operator.post(REVOCATIONS, json={"subject": "s", "reason": "left"}).get_json()
    assert {**made, "source": "admin", "event_id": None, "actor": "auth0|admin", "reason": "left"} == made
    assert made["created_at"] > by_event["created_at"]
    assert listed(operator)["revocations"] == [made]
    changed: list[Revocation] = []
    revocation_changed.connect(
        lambda _sender, revocation: changed.append(revocation), sender=operator.application, weak=False
    )
    assert operator.delete(f"{REVOCATIONS}/subject/s").get_json() == made
    assert [(one.is_lifted, one.origin) for one in changed] == [(True, Origin("admin", None, "auth0|admin"))]
    assert listed(operator)["revocations"] == []


def test_one_of_an_earlier_release_says_nothing_of_it(operator: FlaskClient) -> None:
    revoke(operator, "jti", "a", None)
    (one,) = listed(operator)["revocations"]
    assert [one[name] for name in ("source", "event_id", "actor", "reason", "issued_up_to")] == [None] * 5


def test_pages_are_continued_by_the_cursor_until_there_is_none(operator: FlaskClient) -> None:
    """The newest first; one made meanwhile is on no later page, and nothing is on two."""
    names = [f"r{number:02}" for number in range(7)]
    for name in names:
        revoke(operator, "jti", name, Origin("admin"))
    pages, body = [], listed(operator, limit=3)
    while True:
        pages.append([one["value"] for one in body["revocations"]])
        if body["next_cursor"] is None:
            break
        revoke(operator, "jti", f"later{len(pages)}", Origin("admin"))
        body = listed(operator, limit=3, cursor=body["next_cursor"])
    assert pages == [names[:3:-1], names[3:0:-1], names[:1]]
    assert len(listed(operator, limit=9)["revocations"]) == 9
    assert listed(operator, limit=9)["next_cursor"] is None


def test_a_page_has_fifty_unless_more_are_asked_for_and_never_over_two_hundred(operator: FlaskClient) -> None:
    for number in range(201):
        revoke(operator, "jti", str(number), None)
    assert [len(values(operator, **asked)) for asked in ({}, {"limit": 1}, {"limit": 200})] == [50, 1, 200]
    last = listed(operator, limit=200)["next_cursor"]
    assert values(operator, limit=200, cursor=last) == ["0"]


def test_those_of_one_moment_are_told_apart(operator: FlaskClient) -> None:
    """By kind and value; the clock need not move between two."""
    index = operator.application.extensions["auth0"].revocations._index
    for kind in ("jti", "subject"):
        index.apply(kind, [(value, (None, 4e9, 1000.25, None, False, None)) for value in "ab"])
    seen_values: list[tuple[str, str]] = []
    asked: dict[str, Any] = {"limit": 1}
    for _ in range(4):
        body = listed(operator, **asked)
        seen_values += [(one["kind"], one["value"]) for one in body["revocations"]]
        asked["cursor"] = body["next_cursor"]
    assert (seen_values, asked["cursor"]) == ([(k, v) for k in ("subject", "jti") for v in "ba"], None)


def test_kind_source_and_prefix_choose_together(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = make_app(AUTH0_EVENT_TRANSMITTERS=[SENDER])
    operator = as_operator(app.test_client(), issuer)
    for kind in KINDS[1:]:
        for source in SOURCES:
            revoke(operator, kind, f"{source}-{kind}", Origin(source))
    assert values(operator, kind="session", source="auth0") == ["auth0-session"]
    assert values(operator, prefix="logout-s") == ["logout-session", "logout-subject"]
    assert values(operator, prefix="logout-s", kind="subject", source="logout") == ["logout-subject"]
    assert values(operator, prefix="logout-s", source="admin") == values(operator, kind="token") == []
    assert len(values(operator, prefix="")) == 36
    assert values(operator, kind="email", prefix="Security-E") == ["security-email"]


def test_an_address_is_revoked_looked_up_and_lifted_in_any_case(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """If a setting says which claim of the tokens has it."""
    client = make_app(AUTH0_EVENT_TRANSMITTERS=[SENDER]).test_client()
    operator = as_operator(client, issuer)
    claims: dict[str, Any] = {SENDER["email_claim"]: "ADA@example.com"}
    token = issuer.token(**claims)
    made = operator.post(REVOCATIONS, json={"email": "Ada@Example.com"})
    assert (made.status_code, made.get_json()["value"]) == (201, "ada@example.com")
    for method, status in (("GET", 401), ("DELETE", 200)):
        found = operator.open(f"{REVOCATIONS}/email/aDa@example.com", method=method)
        assert (found.status_code, found.get_json()) == (200, made.get_json())
        assert client.get("/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_any_value_and_reason_are_shown_as_json_and_nowhere_else(operator: FlaskClient) -> None:
    made = operator.post(REVOCATIONS, json={"subject": HOSTILE, "reason": HOSTILE})
    revoke(operator, "subject", HOSTILE + "2", Origin("security", HOSTILE, HOSTILE), HOSTILE)
    response = operator.get(REVOCATIONS, query_string={"limit": 1, "prefix": HOSTILE})
    body = response.get_json()
    (one,) = body["revocations"]
    assert (one["value"], one["reason"], one["actor"]) == (HOSTILE + "2", HOSTILE, HOSTILE)
    assert values(operator, cursor=body["next_cursor"], prefix=HOSTILE) == [HOSTILE]
    assert "Forged" not in str(response.headers)
    assert operator.get(made.headers["Location"]).get_json() == made.get_json()


NOT_TEXT: list[Any] = [None, 1, ["jti"]]
POSITION: dict[str, Any] = {"changed_at": 1.5, "kind": "jti", "value": MARK}
GOOD = json.dumps(POSITION, separators=(",", ":"))
WRONG: dict[str, list[Any]] = {
    KIND: [{"kind": value} for value in ("", MARK, "JTI", ["jti", "jti"])],
    SOURCE: [{"source": value} for value in ("", MARK, "Admin", ["admin", "admin"])],
    PREFIX: [{"prefix": "x" * 1025}, {"prefix": [MARK, MARK]}],
    LIMIT: [
        {"limit": value}
        for value in ("", "0", "201", "-1", "+1", "1.0", "1e2", " 1", "1_0", "٣", MARK, "9" * 99, [1, 1])
    ],
    UNKNOWN: [{MARK: "1"}, {"limit": 1, "page": MARK}, {"Limit": 1}],
    CURSOR: [
        {"cursor": value}
        for value in (
            *("", MARK, "null", "e30", "=", cursor(GOOD) + "=", cursor(GOOD) + "\n", [cursor(GOOD)] * 2, "ü"),
            *(cursor(text) for text in ("[]", "null", "{}", GOOD + " ", GOOD[:-1], b"\xff", "[" * 9999, "1" * 9999)),
            *(
                cursor(json.dumps({**POSITION, name: wrong}, separators=(",", ":")))
                for name, wrong in (
                    *(("changed_at", one) for one in ["1", True, math.nan, math.inf, *NOT_TEXT[::2]]),
                    *(("kind", one) for one in [MARK, *NOT_TEXT]),
                    *(("value", one) for one in ["\ud800", *NOT_TEXT]),
                    ("more", 1),
                )
            ),
            *(cursor(json.dumps(text)) for text in (POSITION, dict(reversed(POSITION.items())))),
        )
    ],
}


@pytest.mark.parametrize(("description", "query"), [(text, one) for text, found in WRONG.items() for one in found])
def test_a_wrong_query_is_refused_by_a_fixed_sentence(
    operator: FlaskClient, caplog: pytest.LogCaptureFixture, description: str, query: dict[str, Any]
) -> None:
    caplog.set_level("DEBUG")
    response = operator.get(REVOCATIONS, query_string=query)
    assert seen(response) == invalid_request(description)
    assert MARK not in f"{response.headers}{response.text}{caplog.text}"


def test_a_cursor_of_ours_is_accepted(operator: FlaskClient) -> None:
    """So the ones above are refused for what they are."""
    assert values(operator, cursor=cursor(GOOD)) == []


def test_the_document_describes_the_query(make_app: AppFactory) -> None:
    document = make_app(AUTH0_OPENAPI=True).test_client().get("/auth/openapi.json").get_json()
    parameters = document["paths"][REVOCATIONS]["get"]["parameters"]
    schemas = {one["name"]: one["schema"] for one in parameters if (one["in"], one["required"]) == ("query", False)}
    assert [schemas[name]["enum"] for name in ("kind", "source")] == [list(KINDS), list(SOURCES)]
    limit = schemas["limit"]
    assert {**limit, "type": "integer", "default": 50, "minimum": 1, "maximum": 200} == limit
    assert (schemas["prefix"]["maxLength"], schemas["cursor"]["type"]) == (1024, "string")
