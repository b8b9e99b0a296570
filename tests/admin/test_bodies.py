"""Wrong bodies: a fixed sentence that names our field, and nothing of what was sent."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from conftest import AppFactory
from flask.testing import FlaskClient
from operators import REVOCATIONS, as_operator, invalid_request
from refusals import seen
from werkzeug.test import TestResponse

from auth0_blueprint.testing import LocalIssuer

MARK = "what-was-sent"
NOT_JSON = "The body must be a JSON object, sent as application/json."
NOT_FORM = "The body must be a form, sent as application/x-www-form-urlencoded."
UNKNOWN_FIELD = "The body has a field that this route does not know."
ONE_OF = "The body must have exactly one of token, jti, subject, client_id, session, organization and email."
NO_EMAIL_CLAIM = "The field email is accepted only if a sender of events is configured with an email_claim."
TOKEN = "The field token must be one access token, as a string."
NOT_OURS = "The field token must be an access token of this API that is still valid."
REASON = "The field reason must be a string of at most 500 characters."
HINT = "The field token_type_hint must be given at most once."
TOO_LARGE = "The body is larger than this route accepts."
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TEXT = "The field %s must be a string of 1 to 1024 characters."

WRONG_JSON: dict[str, list[Any]] = {
    NOT_JSON: [
        *(b"", b"{", b"null", b"\xff\xfe{}", f'["{MARK}"]'.encode(), f'"{MARK}"'.encode()),
        *(b"\xef\xbb\xbf" + b'{"jti": "a"}', f'{{"jti": "{MARK}", "jti": "b"}}'.encode()),
        *(b'{"jti": "\\ud800"}', b'{"jti": NaN}', b'{"reason": ' + b"[" * 100_0 + b"]" * 100_0 + b"}"),
    ],
    ONE_OF: [{}, {"reason": MARK}, {"jti": MARK, "subject": MARK}, {"token": MARK, "client_id": MARK}],
    UNKNOWN_FIELD: [{"jti": MARK, MARK: 1}, {MARK: MARK}, {"jti": "a", "kind": MARK}],
    TOKEN: [{"token": 1}, {"token": None}, {"token": [MARK]}],
    NOT_OURS: [{"token": MARK}, {"token": ""}, {"token": MARK * 2000}, {"token": "a.b.\u00fc"}],
    REASON: [{"jti": "a", "reason": MARK * 50}, {"jti": "a", "reason": 1}, {"jti": "a", "reason": None}],
    **{
        TEXT % name: [{name: value} for value in ("", None, 1, True, 1.5, [MARK], {"a": MARK}, MARK + "x" * 1024)]
        for name in ("jti", "subject", "client_id", "session", "organization", "email")
    },
    NO_EMAIL_CLAIM: [{"email": MARK}, {"email": "ada@example.com", "reason": MARK}],
}
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\na\r\n--x--'
WRONG_FORMS = [
    (b"", FORM, TOKEN),
    (b"token_type_hint=access_token", FORM, TOKEN),
    (b"token=a&token=what-was-sent", FORM, TOKEN),
    (b"token=a&token=a", FORM, TOKEN),
    (b"token=a&token_type_hint=b&token_type_hint=what-was-sent", FORM, HINT),
    (b'{"token": "what-was-sent"}', JSON, NOT_FORM),
    (b"token=what-was-sent", "text/plain", NOT_FORM),
    (b"token=what-was-sent", None, NOT_FORM),
    (MULTIPART, "multipart/form-data; boundary=x", NOT_FORM),
]
WRONG = [
    *((REVOCATIONS, body, JSON, sentence) for sentence, bodies in WRONG_JSON.items() for body in bodies),
    *(("/auth/introspect", *row) for row in WRONG_FORMS),
]


@pytest.fixture
def operator(client: FlaskClient, issuer: LocalIssuer) -> FlaskClient:
    return as_operator(client, issuer)


@pytest.mark.parametrize(("path", "body", "content_type", "description"), WRONG)
def test_a_wrong_body_is_refused_by_a_fixed_sentence(
    operator: FlaskClient, caplog: pytest.LogCaptureFixture, path: str, body: Any, content_type: str, description: str
) -> None:
    """It names our field; nothing that was sent comes back, or gets into a log.

    RFC 7662 §2.1 wants a form; a field that comes twice is nobody's guess (RFC 6749 §3.2).
    """
    caplog.set_level("DEBUG")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = operator.post(path, data=data, content_type=content_type)
    assert seen(response) == invalid_request(description)
    assert MARK not in f"{response.headers}{response.text}{caplog.text}"


@pytest.mark.parametrize("mimetype", [None, "text/plain", "application/jsonx", FORM, "application/problem+json", ""])
def test_json_has_to_be_called_json(operator: FlaskClient, mimetype: str | None) -> None:
    """A form on another site cannot send this type without being asked first."""
    response = operator.post(REVOCATIONS, data=b'{"jti": "a"}', content_type=mimetype)
    assert seen(response) == invalid_request(NOT_JSON)


def test_the_type_may_have_parameters_and_any_case(operator: FlaskClient) -> None:
    response = operator.post(REVOCATIONS, data=b'{"jti": "a"}', content_type="Application/JSON; charset=utf-8")
    assert response.status_code == 201


@pytest.mark.parametrize("data", [b"", b"other=1"])
def test_a_token_in_the_query_string_is_no_token(operator: FlaskClient, issuer: LocalIssuer, data: bytes) -> None:
    """It would be in the log of every proxy on the way."""
    response = operator.post(f"/auth/introspect?token={issuer.token()}", data=data, content_type=FORM)
    assert seen(response) == invalid_request(TOKEN)


LARGE = {JSON: (REVOCATIONS, b'{"jti": "a"', b"}"), FORM: ("/auth/introspect", b"token=a&pad=", b"")}
CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("limit_of_app", [None, 100])
def test_a_body_of_up_to_64_kib_is_read(
    make_app: AppFactory, issuer: LocalIssuer, kind: str, is_chunked: bool, limit_of_app: int | None
) -> None:
    """And not a byte more, with a Content-Length or without; whatever limit the app has for its own routes."""
    operator = as_operator(make_app(MAX_CONTENT_LENGTH=limit_of_app).test_client(), issuer)
    path, begin, end = LARGE[kind]

    def post(size: int) -> TestResponse:
        data = begin + b" " * (size - len(begin) - len(end)) + end
        if is_chunked:
            stream = io.BytesIO(data)
            return operator.post(path, content_type=kind, input_stream=stream, environ_overrides=CHUNKED)
        return operator.post(path, content_type=kind, data=data)

    assert post(65_536).status_code in {200, 201}
    for size in (65_537, 65_538, 1_000_000):
        assert seen(post(size)) == invalid_request(TOO_LARGE)


@pytest.mark.parametrize(("method", "path"), [("POST", "/auth/admin/jwks/refresh"), ("GET", "/auth/admin/stats")])
def test_a_body_where_none_is_read_does_no_harm(operator: FlaskClient, method: str, path: str) -> None:
    assert operator.open(path, method=method, data=b"{", content_type=JSON).status_code == 200
