"""Wrong bodies: a fixed sentence that names our field, and nothing of what was sent."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask.testing import FlaskClient
from operators import INTROSPECTOR, REVOCATIONS, admin_headers, invalid_request
from refusals import seen

from auth0_blueprint.testing import LocalIssuer

MARK = "what-was-sent"
NOT_JSON = "The body must be a JSON object, sent as application/json."
NOT_FORM = "The body must be a form, sent as application/x-www-form-urlencoded."
UNKNOWN_FIELD = "The body has a field that this route does not know."
ONE_OF = "The body must have exactly one of token, jti, subject and client_id."
TOKEN = "The field token must be one access token, as a string."
NOT_OURS = "The field token must be an access token of this API that is still valid."
REASON = "The field reason must be a string of at most 500 characters."
HINT = "The field token_type_hint must be given at most once."
TOO_LARGE = "The body is larger than this route accepts."
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def text_field(name: str) -> str:
    return f"The field {name} must be a string of 1 to 1024 characters."


WRONG_JSON = [
    (b"", NOT_JSON),
    (b"{", NOT_JSON),
    (f'["{MARK}"]'.encode(), NOT_JSON),
    (f'"{MARK}"'.encode(), NOT_JSON),
    (b"null", NOT_JSON),
    (b"\xff\xfe{}", NOT_JSON),
    (b"\xef\xbb\xbf" + b'{"jti": "a"}', NOT_JSON),
    (f'{{"jti": "{MARK}", "jti": "b"}}'.encode(), NOT_JSON),
    (b'{"jti": "\\ud800"}', NOT_JSON),
    (b'{"jti": NaN}', NOT_JSON),
    (b'{"reason": ' + b"[" * 100_0 + b"]" * 100_0 + b"}", NOT_JSON),
    ({}, ONE_OF),
    ({"reason": MARK}, ONE_OF),
    ({"jti": MARK, "subject": MARK}, ONE_OF),
    ({"token": MARK, "client_id": MARK}, ONE_OF),
    ({"jti": MARK, MARK: 1}, UNKNOWN_FIELD),
    ({MARK: MARK}, UNKNOWN_FIELD),
    ({"jti": "a", "kind": MARK}, UNKNOWN_FIELD),
    ({"token": 1}, TOKEN),
    ({"token": None}, TOKEN),
    ({"token": [MARK]}, TOKEN),
    ({"token": MARK}, NOT_OURS),
    ({"token": ""}, NOT_OURS),
    ({"token": MARK * 2000}, NOT_OURS),
    ({"token": "a.b.\u00fc"}, NOT_OURS),
    ({"jti": "a", "reason": MARK * 50}, REASON),
    ({"jti": "a", "reason": 1}, REASON),
    ({"jti": "a", "reason": None}, REASON),
    *(
        ({name: value}, text_field(name))
        for name in ("jti", "subject", "client_id")
        for value in ("", None, 1, True, 1.5, [MARK], {"a": MARK}, MARK + "x" * 1024)
    ),
]


@pytest.mark.parametrize(("body", "description"), WRONG_JSON)
def test_a_wrong_revocation_is_refused_by_a_fixed_sentence(
    client: FlaskClient, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, body: Any, description: str
) -> None:
    """It names our field; nothing that was sent comes back, or gets into a log."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with caplog.at_level(logging.DEBUG):
        response = client.post(REVOCATIONS, data=data, content_type=JSON, headers=admin_headers(issuer))
    assert seen(response) == invalid_request(description)
    assert MARK not in f"{response.headers}{response.text}{caplog.text}"


@pytest.mark.parametrize("mimetype", [None, "text/plain", "application/jsonx", FORM, "application/problem+json", ""])
def test_json_has_to_be_called_json(client: FlaskClient, issuer: LocalIssuer, mimetype: str | None) -> None:
    """A form on another site cannot send this type without being asked first."""
    response = client.post(REVOCATIONS, data=b'{"jti": "a"}', content_type=mimetype, headers=admin_headers(issuer))
    assert seen(response) == invalid_request(NOT_JSON)


def test_the_type_may_have_parameters_and_any_case(client: FlaskClient, issuer: LocalIssuer) -> None:
    """As media types may."""
    response = client.post(
        REVOCATIONS, data=b'{"jti": "a"}', content_type="Application/JSON; charset=utf-8", headers=admin_headers(issuer)
    )
    assert response.status_code == 201


WRONG_FORMS = [
    (b"", FORM, TOKEN),
    (b"token_type_hint=access_token", FORM, TOKEN),
    (b"token=a&token=what-was-sent", FORM, TOKEN),
    (b"token=a&token=a", FORM, TOKEN),
    (b"token=a&token_type_hint=b&token_type_hint=what-was-sent", FORM, HINT),
    (b'{"token": "what-was-sent"}', JSON, NOT_FORM),
    (b"token=what-was-sent", "text/plain", NOT_FORM),
    (b"token=what-was-sent", None, NOT_FORM),
    (
        b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\na\r\n--x--',
        "multipart/form-data; boundary=x",
        NOT_FORM,
    ),
]


@pytest.mark.parametrize(("data", "content_type", "description"), WRONG_FORMS)
def test_a_wrong_introspection_is_refused_by_a_fixed_sentence(
    client: FlaskClient,
    issuer: LocalIssuer,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
    content_type: str | None,
    description: str,
) -> None:
    """RFC 7662 §2.1 wants a form; a field that comes twice is nobody's guess (RFC 6749 §3.2)."""
    with caplog.at_level(logging.DEBUG):
        response = client.post(
            "/auth/introspect", data=data, content_type=content_type, headers=bearer(issuer.token(**INTROSPECTOR))
        )
    assert seen(response) == invalid_request(description)
    assert MARK not in f"{response.headers}{response.text}{caplog.text}"


def test_a_token_in_the_query_string_is_no_token(client: FlaskClient, issuer: LocalIssuer) -> None:
    """It would be in the log of every proxy on the way."""
    for data in (b"", b"other=1"):
        response = client.post(
            f"/auth/introspect?token={issuer.token()}",
            data=data,
            content_type=FORM,
            headers=bearer(issuer.token(**INTROSPECTOR)),
        )
        assert seen(response) == invalid_request(TOKEN)


PADDED_JSON = b'{"jti": "a"%s}'
LARGE = [(REVOCATIONS, JSON, b'{"jti": "a"', b"}"), ("/auth/introspect", FORM, b"token=a&pad=", b"")]


@pytest.mark.parametrize(("path", "content_type", "begin", "end"), LARGE)
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("limit_of_app", [None, 100])
def test_a_body_of_up_to_64_kib_is_read(
    make_app: AppFactory,
    issuer: LocalIssuer,
    path: str,
    content_type: str,
    begin: bytes,
    end: bytes,
    is_chunked: bool,
    limit_of_app: int | None,
) -> None:
    """And not a byte more, with a Content-Length or without; whatever limit the app has for its own routes."""
    app = make_app(MAX_CONTENT_LENGTH=limit_of_app)
    values = ["manage:auth0", "introspect:tokens"]
    headers = bearer(issuer.token(scope=" ".join(values), permissions=values))

    def post(size: int) -> Any:
        data = begin + b" " * (size - len(begin) - len(end)) + end
        arguments: dict[str, Any] = {"data": data}
        if is_chunked:
            arguments = {
                "input_stream": io.BytesIO(data),
                "environ_overrides": {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
            }
        return app.test_client().post(path, content_type=content_type, headers=headers, **arguments)

    assert post(65_536).status_code in {200, 201}
    for size in (65_537, 65_538, 1_000_000):
        assert seen(post(size)) == invalid_request(TOO_LARGE)


@pytest.mark.parametrize("path", ["/auth/admin/jwks/refresh", "/auth/admin/stats"])
def test_a_body_where_none_is_read_does_no_harm(client: FlaskClient, issuer: LocalIssuer, path: str) -> None:
    """Whatever it is."""
    method = "POST" if path.endswith("refresh") else "GET"
    response = client.open(path, method=method, data=b"{", content_type=JSON, headers=admin_headers(issuer))
    assert response.status_code == 200
