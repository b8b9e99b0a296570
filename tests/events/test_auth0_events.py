"""``POST /auth/events/auth0``: what Auth0's event streams and log streams send, and what comes of it."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from memory_store import MemoryStore
from openapi_spec_validator import OpenAPIV31SpecValidator
from refusals import Answer, invalid_token, seen
from werkzeug.test import TestResponse

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.log_record import NO_TENANT, REVOKING_TYPES
from auth0_blueprint.revocation.events.members import text_at
from auth0_blueprint.revocation.events.timestamps import is_too_old, unix_time
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.sharing.store import Head, StoreError
from auth0_blueprint.testing import LocalIssuer

Members = dict[str, Any]

ROUTE = "/auth/events/auth0"
SECRET, NEXT_SECRET = "current-secret-of-32-characters!", "next.secret~of~more~than~32~characters=="
DAY = 86_400
ABSENT: Any = object()
ADA: Members = {"user_id": "auth0|ada"}
IN_ACME: Members = {"organization": {"id": "org_acme"}, "user": ADA}
numbers = itertools.count()


def stamp(seconds_ago: float = 0) -> str:
    return datetime.fromtimestamp(time.time() - seconds_ago, UTC).isoformat().replace("+00:00", "Z")


def changed(members: Members, **changes: Any) -> Members:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def event(name: Any = "user.deleted", content: Any = ADA, *, seconds_ago: float = 0, **changes: Any) -> Members:
    """Return an event as an event stream sends it; `ABSENT` leaves a member out."""
    members = {
        "specversion": "1.0",
        "type": name,
        "source": "urn:auth0:acme.auth0app.com",
        "id": f"evt_{next(numbers)}",
    }
    more = {"time": stamp(seconds_ago), "data": {"object": content}, "a0tenant": "acme", "a0stream": "est_1"}
    return changed({**members, **more}, **changes)


def record(name: Any = "scp", *, seconds_ago: float = 0, **changes: Any) -> Members:
    """Return a record as a log stream sends it."""
    members = {"date": stamp(seconds_ago), "type": name, "user_id": "auth0|ada", "tenant_name": "acme", "details": {}}
    log_id = changes.pop("log_id", f"900{next(numbers)}")
    return changed({"log_id": log_id, "data": changed({**members, "log_id": log_id}, **changes)})


def each(name: str, *values: Any) -> list[Members]:
    return [event(**({"name": value} if name == "type" else {name: value})) for value in values]


def about(event_type: str, name: str, *values: Any, **more: Any) -> list[Members]:
    return [event(event_type, changed({**ADA, **more}, **{name: value})) for value in values]


def refused_for(reason: str, items: list[Members]) -> list[tuple[str, Members]]:
    return [(reason, item) for item in items]


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(AUTH0_EVENT_SECRETS=[SECRET, NEXT_SECRET])


def send(client: FlaskClient, body: Any, secret: str = SECRET, **options: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post(ROUTE, data=data, headers=bearer(secret), **{"content_type": "application/json", **options})


def found(client: FlaskClient, kind: str = "subject", value: str = "auth0|ada") -> Revocation | None:
    return cast("Revocation | None", client.application.extensions["auth0"].revocations.find(kind, value))


def known(client: FlaskClient) -> int:
    return cast("int", client.application.extensions["auth0"].revocations.status().known)


def passes(client: FlaskClient, token: str) -> bool:
    return client.get("/auth/me", headers=bearer(token)).status_code == 200


def refused(reason: str) -> Answer:
    error = EventRefusedError(reason)
    return Answer(400, (), {"error": error.error, "error_description": error.description, "code": error.code})


@pytest.mark.parametrize(
    ("item", "claims"),
    [
        (event("user.deleted"), {"sub": "auth0|ada"}),
        (event("user.updated", {**ADA, "blocked": True}), {"sub": "auth0|ada"}),
        (event("organization.member.deleted", IN_ACME), {"sub": "auth0|ada"}),
        (event("organization.member.role.deleted", {**IN_ACME, "role": {"id": "rol_1"}}), {"sub": "auth0|ada"}),
        (event("organization.deleted", {"id": "org_acme", "name": "acme"}), {"org_id": "org_acme"}),
        *((record(name), {"sub": "auth0|ada"}) for name in sorted(REVOKING_TYPES)),
    ],
    ids=lambda value: str(value.get("type", value.get("data", {}).get("type", ""))),
)
def test_it_ends_the_tokens_issued_so_far(
    client: FlaskClient, issuer: LocalIssuer, item: Members, claims: Members
) -> None:
    """Those of that user or organization, and no others. The revocation says where it came from."""
    item = json.loads(json.dumps(item).replace(item.get("time") or item["data"]["date"], stamp()))
    token, other, later = (
        issuer.token(**more) for more in (claims, {"org_id": "org_b"}, {**claims, "iat": int(time.time()) + 4})
    )
    response = send(client, item)
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (204, b"", "no-store")
    assert [passes(client, one) for one in (token, other, later)] == [False, True, True]
    ((kind, value),) = (
        (name.replace("org_id", "organization").replace("sub", "subject"), claims[name]) for name in claims
    )
    made = found(client, kind, value)
    assert made is not None
    name = item["type"] if "type" in item else item["data"]["type"]
    assert (made.reason, made.origin) == (name, ("auth0", item.get("id") or item["log_id"], "acme"))


@pytest.mark.parametrize(
    "item",
    [
        event("user.updated", {**ADA, "blocked": False}),
        event("user.updated"),
        event("user.created", {**ADA, "blocked": True}),
        event("organization.member.added", IN_ACME),
        event("group.member.deleted", {"group": {"id": "grp_1"}, "member": {"member_type": "user", "id": "auth0|ada"}}),
        event("user.anything", None),
        event("user.deleted", a0purpose="test"),
        event("user.deleted", None, a0purpose="test"),
        event("user.deleted", seconds_ago=7 * DAY + 60),
        record(seconds_ago=7 * DAY + 60),
        *(
            record(name)
            for name in ("s", "slo", "srrt", "sapi", "limit_wc", "limit_sul", "pwd_leak", "ferrt", "ublkdu")
        ),
        record("seccft", user_id=""),
        record("sscim", user_id=ABSENT),
        [],
    ],
)
def test_all_else_is_acknowledged_without_effect(client: FlaskClient, item: Any) -> None:
    """What is too old as well: its sender would repeat it for ever."""
    assert send(client, item).status_code == 204
    assert known(client) == 0


def test_an_event_ends_no_newer_login(client: FlaskClient, issuer: LocalIssuer) -> None:
    """One that comes late, of a user who was blocked, unblocked, and has logged in again."""
    before, after = (issuer.token(sub="auth0|ada", iat=int(time.time()) - age) for age in (3600, 1800))
    assert send(client, event("user.updated", {**ADA, "blocked": True}, seconds_ago=2700)).status_code == 204
    assert [passes(client, token) for token in (before, after)] == [False, True]


@pytest.mark.parametrize(
    ("reason", "item"),
    [
        *refused_for("fields", each("specversion", "0.3", "2.0", 1.0, None)),
        *refused_for("id", each("id", ABSENT, "", "x" * 257, 1, None, ["evt_1"], {}, "\ud800")),
        *refused_for("fields", each("source", ABSENT, "", 1, "\udfff")),
        *refused_for("fields", each("a0tenant", "", None, 1, "x" * 1025)),
        *refused_for("fields", each("type", ABSENT, "", 1, None, ["user.deleted"], {"type": "user.deleted"})),
        *refused_for("time", each("time", ABSENT, None, 1_800_000_000, "", "now", "2025-02-01", stamp(-DAY))),
        *refused_for("time", each("time", "2025-02-30T00:00:00Z", "2025-02-01T12:00:00", "2025-02-01T12:00+01:00")),
        *refused_for(
            "time", each("time", "٢٠٢٥-02-01T12:00:00Z", "2025-02-01T12:60:00Z", "2025-02-01T12:00:00+00:00:01")
        ),
        *refused_for("fields", each("data", ABSENT, None, [], "user", {}, {"object": None}, {"object": [ADA]})),
        *refused_for("fields", about("user.deleted", "user_id", "", None, 1, ["a"], "x" * 1025, "\udc00")),
        *refused_for("fields", [event("user.updated", None), event("user.updated", [])]),
        *refused_for("fields", about("user.updated", "blocked", None, "true", 1, [])),
        *refused_for("fields", about("user.updated", "user_id", ABSENT, 1, blocked=True)),
        *refused_for("fields", about("organization.member.deleted", "user", ABSENT, None, "auth0|ada", [], {})),
        *refused_for("fields", about("organization.member.role.deleted", "user", ABSENT, {"user_id": 1})),
        *refused_for("fields", about("organization.deleted", "id", ABSENT, "", 1)),
        ("fields", [1]),
        ("fields", [None, "scp", []]),
        ("id", {}),
        ("id", {"type": "scp", "data": {}}),
    ],
)
def test_what_is_no_good_event_is_refused(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, reason: str, item: Any
) -> None:
    """With a fixed text for each reason, on the wire and in the log. Nothing has changed."""
    assert seen(send(client, item)) == refused(reason)
    assert known(client) == 0
    assert caplog.messages == [f"refused an event (auth0): {reason}"]


LINES = "\n".join


@pytest.mark.parametrize(
    "form",
    [
        lambda records: json.dumps(records),
        lambda records: LINES(map(json.dumps, records)),
        lambda records: "\r\n\r\n".join(map(json.dumps, records)) + "\r\n",
        lambda records: json.dumps({"logs": records}, indent=1),
        lambda records: json.dumps([one["data"] for one in records]),
    ],
    ids=["array", "lines", "lines apart", "object", "bare records"],
)
@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson", "text/plain; charset=utf-8", None])
def test_each_form_of_a_log_stream_is_read(
    client: FlaskClient, form: Callable[[list[Members]], str], media_type: str | None
) -> None:
    """The media type is what somebody has typed in at Auth0. Several records take effect each."""
    records = [record(user_id="u1"), record("s", user_id="u2"), record("sdu", user_id="u3", tenant_name=ABSENT)]
    assert send(client, form(records).encode(), content_type=media_type).status_code == 204
    assert [found(client, value=user) is not None for user in ("u1", "u2", "u3")] == [True, False, True]
    last = found(client, value="u3")
    assert last is not None
    assert last.origin is not None
    assert last.origin.actor == NO_TENANT


def test_a_cloud_event_is_read_whatever_its_media_type(client: FlaskClient) -> None:
    assert send(client, event(), content_type="application/cloudevents+json; charset=utf-8").status_code == 204
    assert known(client) == 1


BAD_RECORDS: list[Members] = [
    *(record(log_id=value) for value in (None, "", "x" * 257, 1)),
    *(record(date=value) for value in (ABSENT, "yesterday", stamp(-DAY))),
    *(record(value) for value in (ABSENT, "", 1, ["scp"])),
    *(record(user_id=value) for value in (ABSENT, "", 1, "\ud800", "x" * 1025)),
    *(record(tenant_name=value) for value in ("", 1)),
    {"log_id": "9001", "data": {}},
    {"log_id": "9001"},
    record(date=ABSENT)["data"],
]


def test_bad_records_keep_no_good_one_from_its_effect(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Auth0 would repeat the batch for a week and then pause the stream: they are logged, and passed over."""
    batch: list[Any] = [
        record(user_id="first"),
        *BAD_RECORDS,
        1,
        None,
        "scp",
        [],
        {},
        {"data": []},
        record(user_id="last"),
    ]
    assert send(client, batch).status_code == 204
    assert [found(client, value=user) is not None for user in ("first", "last")] == [True, True]
    assert known(client) == 2
    assert sum(message.startswith("refused an event (auth0): ") for message in caplog.messages) == len(batch) - 2


@pytest.mark.parametrize("item", BAD_RECORDS)
def test_a_bad_record_alone_is_not_asked_for_again(client: FlaskClient, item: Members) -> None:
    assert send(client, item).status_code == 204
    assert known(client) == 0


def test_among_several_events_the_bad_one_is_refused_and_the_good_ones_have_effect(client: FlaskClient) -> None:
    assert seen(send(client, [event(id=""), event(time="?"), event()])) == refused("id")
    assert known(client) == 1


def test_what_users_write_does_not_keep_their_record_from_being_read(client: FlaskClient) -> None:
    """A name that was cut inside an emoji, and metadata of any depth: the user would stay in."""
    deep = json.loads("[" * 200 + "]" * 200)
    assert send(client, event(content={**ADA, "nickname": "\ud83d", "user_metadata": deep})).status_code == 204
    assert send(client, [record(user_id="bob", user_name="\ud83d", details={"body": deep})]).status_code == 204
    assert known(client) == 2


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" \n",
            b"null,",
            b"[1",
            b"{",
            b"'a'",
            b"\xff\xfe",
            b'{"a": "\xff"}',
            b"<html>",
            b"\xef\xbb\xbf[]",
            b"[],",
        ),
        *(
            b'{"a": 1, "a": 2}',
            b'[{"log_id": "1", "log_id": "2"}]',
            b'{"a": NaN}',
            b"[1e400]",
            b"[" + b"9" * 5000 + b"]",
        ),
        *(b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"{}\n{]", b"\x1f\x8b\x08"),
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    assert seen(send(client, body)) == refused("not_json")


@pytest.mark.parametrize(
    "body", [b" " * 1_100_000, b"[" + b"1," * 1000 + b"1]", b"1\n" * 1001, b'{"logs": [' + b"1," * 1000 + b"1]}"]
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_is_too_large_is_refused(client: FlaskClient, body: bytes, is_chunked: bool) -> None:
    """By its length, before it is read; or, without one, after a byte too many."""
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""} if is_chunked else {}
    assert seen(send(client, body, environ_overrides=chunked)) == refused("too_large")


def test_the_largest_body_is_read(client: FlaskClient) -> None:
    body = json.dumps([record(), *[record("s")] * 999]).encode()
    assert send(client, body + b" " * (1_048_576 - len(body))).status_code == 204
    assert known(client) == 1


WRONG = invalid_token("unauthorized_sender", "The secret in the Authorization header is wrong.")


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_two_secrets_are_accepted_at_once(client: FlaskClient, secret: str) -> None:
    assert send(client, event(), secret).status_code == 204
    assert known(client) == 1


@pytest.mark.parametrize(
    "given",
    [
        *(SECRET[:-1], f"{SECRET}x", SECRET.upper(), SECRET[::-1], f"{SECRET}{NEXT_SECRET}", "x", "\xe9" * 32, "\x00"),
        "\u0436" * 32,
    ],
)
def test_another_secret_is_refused(client: FlaskClient, caplog: pytest.LogCaptureFixture, given: str) -> None:
    """Before the body is looked at; also in characters that no configured secret can have."""
    wire = f"Bearer {given}".encode().decode("latin-1")
    response = client.post(ROUTE, data=b"{", environ_overrides={"HTTP_AUTHORIZATION": wire})
    assert seen(response) == WRONG
    assert caplog.messages == ["refused an event (auth0): secret"]


@pytest.mark.parametrize(
    ("status", "code", "header"),
    [
        *((401, "authorization_header_missing", header) for header in (None, "", " ")),
        *(
            (401, "invalid_header", header)
            for header in ("Bearer", "Bearer ", f"Basic {SECRET}", SECRET, f"DPoP {SECRET}")
        ),
        *((400, "invalid_header", f"Bearer {SECRET}{more}") for more in (" x", f",Bearer {SECRET}", f", {SECRET}")),
    ],
)
def test_a_header_without_one_secret_is_refused_as_on_other_routes(
    client: FlaskClient, status: int, code: str, header: str | None
) -> None:
    environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
    response = client.post(ROUTE, json=event(), environ_overrides=environ)
    assert (response.status_code, response.get_json()["code"]) == (status, code)
    assert "Bearer" in response.headers["WWW-Authenticate"]
    assert known(client) == 0


def test_no_access_token_sends_events(client: FlaskClient, issuer: LocalIssuer) -> None:
    admin = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
    assert seen(send(client, event(), admin)) == WRONG


@pytest.mark.parametrize("unsendable", [f"{SECRET} x", "a," * 32, "x" * 31, "\xe9" * 32, f"{SECRET}\x7f"])
def test_a_secret_that_cannot_be_sent_is_refused_at_startup(make_app: AppFactory, unsendable: str) -> None:
    with pytest.raises(Exception, match="without spaces and commas") as caught:
        make_app(AUTH0_EVENT_SECRETS=[unsendable, SECRET])
    assert unsendable not in str(caught.value)


def test_the_secret_is_shown_nowhere(app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = app.test_client()
    sent = [
        send(client, body, secret) for body in (event(), b"{", [1]) for secret in (SECRET, SECRET[:-1], SECRET + "x")
    ]
    admin = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
    config = client.get("/auth/admin/config", headers=bearer(admin))
    assert config.status_code == 200
    shown = [
        caplog.text,
        repr(app.extensions["auth0"].settings),
        config.text,
        *(f"{one.headers}{one.text}" for one in sent),
    ]
    assert [text for text in shown if SECRET[:-1] in text or NEXT_SECRET in text] == []


@pytest.mark.parametrize("settings", [{}, {"AUTH0_EVENT_SECRETS": None}])
def test_without_a_secret_there_is_no_such_route(make_app: AppFactory, settings: Members) -> None:
    assert send(make_app(**settings).test_client(), event()).status_code == 404


@pytest.mark.parametrize("item", [event(), record()])
def test_what_comes_again_has_no_second_effect(client: FlaskClient, item: Any) -> None:
    """Also after somebody has lifted what it did."""
    assert send(client, item).status_code == 204
    client.application.extensions["auth0"].revocations.lift("subject", "auth0|ada")
    assert [
        send(client, body, secret).status_code for body in (item, [item, item]) for secret in (SECRET, NEXT_SECRET)
    ] == [204] * 4
    assert found(client) is None


class FullStore(MemoryStore):
    """Takes so many revocations, and then refuses writes until it is emptied."""

    appends_left = 2

    def append(self, incarnation: str, blobs: list[str], keep_seconds: float) -> Head | None:
        self.refuses_writes = self.refuses_writes or self.appends_left == 0
        self.appends_left -= 1
        if self.refuses_writes:
            raise StoreError("full", "no more")
        return super().append(incarnation, blobs, keep_seconds)


def test_a_batch_that_was_stored_in_part_is_repeated_and_then_whole(make_app: AppFactory, tmp_path: Path) -> None:
    """503 in the middle; whoever gets it again, another process or this one, does what is left, and nothing twice."""
    store, shared = FullStore(), {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "c")}
    clients = [make_app(AUTH0_EVENT_SECRETS=SECRET, AUTH0_SYNC_INTERVAL=0, **shared).test_client() for _ in range(2)]
    for client in clients:
        client.application.extensions["auth0"].store._open_store = lambda: store
    first, second = clients
    users = ["u1", "u2", "u3", "u4"]
    batch = [record(user_id=user) for user in users]
    response = send(first, batch)
    assert (response.status_code, response.get_json()["code"]) == (503, "revocation_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert [found(first, value=user) is not None for user in users] == [True, True, False, False]
    store.refuses_writes, store.appends_left = False, 99
    second.application.extensions["auth0"].revocations.lift("subject", "u1")
    assert send(second, batch).status_code == 204
    assert [found(first, value=user) is not None for user in users] == [False, True, True, True]


def test_lengths_and_times_have_bounds_that_are_just_good_enough() -> None:
    at = "2001-09-09t01:46:40z"  # RFC 3339 §5.6: in any case of letters
    assert [text_at({"a": text}, "a") for text in ("x", "x" * 1024)] == ["x", "x" * 1024]
    assert unix_time(at, 1e9 - 300) == 1e9
    for now, is_good in ((1e9 - 300.1, False), (1e9 - 299.9, True)):
        with nullcontext() if is_good else pytest.raises(EventRefusedError):
            unix_time(at, now)
    assert [is_too_old(0, 7 * DAY + passed) for passed in (0, 0.1)] == [False, True]


def test_the_openapi_document_describes_what_is_sent(make_app: AppFactory) -> None:
    client = make_app(AUTH0_EVENT_SECRETS=SECRET, AUTH0_OPENAPI=True).test_client()
    document = client.get("/auth/openapi.json").get_json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    described = document["paths"][ROUTE]["post"]
    assert {"204", "400", "401", "503"} <= described["responses"].keys()
    ((_, content),) = described["requestBody"]["content"].items()
    validator = Draft202012Validator({**content["schema"], "components": document["components"]})
    assert all(validator.is_valid(body) for body in (event(), record(), [record(), record()]))
    assert not any(validator.is_valid(body) for body in (1, [1], [record()] * 1001, {"log_id": 1}))
