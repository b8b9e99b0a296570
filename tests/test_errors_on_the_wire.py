"""What a client sees when it is refused: each row of the table of errors, on every kind of guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import refusals
from conftest import AppFactory, bearer
from flask import Flask, jsonify
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from network_edge import key_set_server
from refusals import Answer, answer_to, by_hand, forbidden, guarded, passes, seen, segment

from auth0_blueprint import (
    Auth0Blueprint,
    Auth0Error,
    requires_claim,
    requires_permission,
    requires_scope,
)
from auth0_blueprint.testing import LocalIssuer

MintToken = Callable[[LocalIssuer], str]


PATHS = pytest.mark.parametrize("path", ["/ours", "/theirs"])

REFUSED_HEADERS: list[tuple[tuple[Answer, ...], list[str | None]]] = [
    # Without an Authorization header there is no error code (RFC 6750 §3.1).
    ((refusals.NO_CREDENTIALS,), [None, "", " ", "   "]),
    (
        (refusals.OTHER_SCHEME,),
        ["Basic dXNlcjpwdw==", "Bearer\tx", "Bearerx y", "DPoP x", "x.y.z", "Digest a=b, c=d", ","],
    ),
    ((refusals.NO_TOKEN,), ["Bearer", "bearer", "Bearer ", "Bearer    "]),
    (
        (refusals.SEVERAL_CREDENTIALS,),
        ["Bearer x y", "Bearer x, y", "Bearer x,y", "Bearer x,", "Bearer ,x", "Basic x, Bearer y"],
    ),
    # No spelling of the header makes a guard fail instead of refuse.
    (
        (refusals.NO_CREDENTIALS, refusals.OTHER_SCHEME, refusals.SEVERAL_CREDENTIALS),
        [", ,Bearer x", ",\t,Bearer x", " , , ", "Bearer x,, ,y", "\x0b", "\xa0 x"],
    ),
]


@PATHS
class TestHeader:
    @pytest.mark.parametrize(
        ("authorization", "expected"), [(header, answers) for answers, headers in REFUSED_HEADERS for header in headers]
    )
    def test_a_header_without_one_bearer_token_is_refused(
        self, app: Flask, path: str, authorization: str | None, expected: tuple[Answer, ...]
    ) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        assert seen(guarded(app).get(path, headers=headers)) in expected

    @pytest.mark.parametrize("rest", [" second", ", second", ",second", ", Basic second", ",", None])
    def test_a_good_token_beside_something_else_is_a_bad_request(
        self, app: Flask, issuer: LocalIssuer, path: str, rest: str | None
    ) -> None:
        """Also beside a second header of its own."""
        header = "Authorization", f"Bearer {issuer.token()}{rest or ''}"
        headers = [header] * (2 if rest is None else 1)
        assert seen(guarded(app).get(path, headers=headers)) == refusals.SEVERAL_CREDENTIALS

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_taken_in_any_case(self, app: Flask, issuer: LocalIssuer, path: str, scheme: str) -> None:
        """Scheme names know no case (RFC 9110 §11.1)."""
        headers = {"Authorization": f"{scheme} {issuer.token()}"}
        assert guarded(app).get(path, headers=headers).status_code == 200

    def test_a_token_in_the_query_string_or_form_is_not_read(self, app: Flask, issuer: LocalIssuer, path: str) -> None:
        """Only the header carries credentials (RFC 9700 §4.3.2)."""
        token = issuer.token()
        response = guarded(app).get(path, query_string={"access_token": token}, data={"access_token": token})
        assert seen(response) == refusals.NO_CREDENTIALS


REFUSED_TOKENS: dict[str, tuple[MintToken, Answer]] = {
    "too long": (lambda issuer: "x" * 16_385, refusals.TOO_LONG),
    "encrypted": (lambda issuer: "a.b.c.d.e", refusals.ENCRYPTED),
    "opaque": (lambda issuer: "opaque", refusals.OPAQUE),
    "not base64url": (lambda issuer: "a+b.c/d.e=", refusals.NOT_BASE64URL),
    "header is no JSON": (lambda issuer: by_hand(issuer, header=b"{"), refusals.BAD_HEADER),
    "payload is no JSON": (lambda issuer: by_hand(issuer, claims=b'{"iss": '), refusals.BAD_PAYLOAD),
    "key id is no text": (lambda issuer: by_hand(issuer, {"alg": "RS256", "kid": 7}), refusals.BAD_KEY_ID),
    "critical extension": (lambda issuer: issuer.token(headers={"crit": ["exp"]}), refusals.CRITICAL_EXTENSION),
    "other type": (lambda issuer: issuer.token(headers={"typ": "id_token"}), refusals.WRONG_TYPE),
    "unsupported algorithm": (lambda issuer: by_hand(issuer, {"alg": "HS256"}), refusals.UNSUPPORTED_ALGORITHM),
    "unknown key": (lambda issuer: issuer.token(headers={"kid": "nobody's"}), refusals.UNKNOWN_KEY),
    "no signature": (lambda issuer: refusals.with_signature(issuer.token(), b""), refusals.INVALID_SIGNATURE),
    "expired": (lambda issuer: issuer.token(expires_in=-60), refusals.EXPIRED),
    "not yet valid": (lambda issuer: issuer.token(nbf=32_503_680_000), refusals.NOT_BEFORE),
    "issued in the future": (
        lambda issuer: issuer.token(iat=32_503_680_000, exp=32_503_690_000),
        refusals.ISSUED_IN_FUTURE,
    ),
    "other issuer": (lambda issuer: issuer.token(iss="https://other.example.com/"), refusals.OTHER_ISSUER),
    "other audience": (lambda issuer: issuer.token(aud="https://other.example.com"), refusals.OTHER_AUDIENCE),
    "missing claim": (lambda issuer: issuer.token(without=("azp",)), refusals.MISSING_CLAIM),
    "no subject": (lambda issuer: issuer.token(without=("sub",)), refusals.BAD_SUBJECT),
    "no expiry": (lambda issuer: issuer.token(without=("exp",)), refusals.BAD_TIME),
    "number out of range": (lambda issuer: refusals.with_text(issuer, "exp", "1e400"), refusals.BAD_NUMBER),
    "lives too long": (lambda issuer: issuer.token(expires_in=2_600_000), refusals.TOO_LONG_LIVED),
    "ill-typed scope": (lambda issuer: issuer.token(scope=1), refusals.BAD_SCOPE),
    "ill-typed permissions": (lambda issuer: issuer.token(permissions="admin"), refusals.BAD_PERMISSIONS),
    "ill-typed identifier": (lambda issuer: refusals.with_claims(issuer, jti=7), refusals.BAD_IDENTIFIER),
    "bound": (lambda issuer: issuer.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), refusals.BOUND),
}


@pytest.mark.parametrize("case", REFUSED_TOKENS)
def test_a_refused_token_is_answered_alike_by_every_guard(make_app: AppFactory, issuer: LocalIssuer, case: str) -> None:
    mint, expected = REFUSED_TOKENS[case]
    client = guarded(make_app(AUTH0_REQUIRED_CLAIMS=["azp"]))
    assert answer_to(client, mint(issuer)) == expected


def test_the_causes_that_newcomers_meet_read_differently() -> None:
    """The wrong audience or tenant, a missing claim and an encrypted token each have a sentence of their own."""
    answers = (
        refusals.OTHER_AUDIENCE,
        refusals.OTHER_ISSUER,
        refusals.MISSING_CLAIM,
        refusals.ENCRYPTED,
        refusals.OPAQUE,
    )
    assert len({answer.body["error_description"] for answer in answers}) == len(answers)


@pytest.mark.parametrize(
    ("loader", "decide", "expected"),
    [
        ("token_in_blocklist_loader", lambda claims: claims["sub"] == "gone", refusals.REVOKED),
        ("token_verification_loader", lambda claims: claims["sub"] != "gone", refusals.REFUSED_BY_APP),
        ("user_lookup_loader", lambda claims: {"known": "a user"}.get(claims["sub"]), refusals.USER_NOT_FOUND),
    ],
)
def test_what_a_loader_of_the_app_does_not_take_is_refused_by_every_guard(
    make_app: AppFactory, issuer: LocalIssuer, loader: str, decide: Callable[[Any], Any], expected: Answer
) -> None:
    blueprint = Auth0Blueprint()
    getattr(blueprint.jwt_manager, loader)(lambda header, claims: decide(claims))
    client = guarded(make_app(blueprint))
    assert answer_to(client, issuer.token(sub="gone")) == expected
    assert passes(client, issuer.token(sub="known"))


#: What a route requires, how its refusal reads, and claims of tokens that do not have it.
FORBIDDEN: dict[str, tuple[Answer, list[dict[str, Any]]]] = {
    "/scope": (
        forbidden(
            "insufficient_scope",
            "The access token lacks a scope that this route requires.",
            "read:messages write:messages",
        ),
        [
            *({"scope": ""}, {"scope": "read:messages"}, {"scope": "read:messages write:messages2"}),
            {"scope": "read:messages,write:messages"},
        ],
    ),
    "/permission": (
        forbidden("insufficient_permissions", "The access token lacks a permission that this route requires."),
        [{}, {"permissions": []}, {"scope": "delete:messages"}],
    ),
    "/claim": (
        forbidden("insufficient_claims", "The access token lacks a claim value that this route requires."),
        [{}, {"tier": None}, {"tier": "silver"}, {"tier": ["silver"]}],
    ),
}


class TestForbidden:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        app.add_url_rule("/scope", "scope", requires_scope("read:messages", "write:messages")(lambda: "seen"))
        app.add_url_rule("/permission", "permission", requires_permission("delete:messages")(lambda: "seen"))
        app.add_url_rule("/claim", "claim", requires_claim("tier", "gold")(lambda: "seen"))
        return app

    @pytest.mark.parametrize(
        ("path", "expected", "claims"),
        [(path, answer, claims) for path, (answer, several) in FORBIDDEN.items() for claims in several],
    )
    def test_a_token_without_what_the_route_requires_is_forbidden(
        self, app: Flask, issuer: LocalIssuer, path: str, expected: Answer, claims: dict[str, Any]
    ) -> None:
        """The challenge names every scope that the route needs (RFC 6750 §3), and neither permissions nor claims."""
        response = app.test_client().get(path, headers=bearer(issuer.token(**claims)))
        assert seen(response) == expected

    @pytest.mark.parametrize("path", FORBIDDEN)
    def test_a_request_without_credentials_is_unauthorized_rather_than_forbidden(self, app: Flask, path: str) -> None:
        """Who is calling comes before what they may do."""
        response = app.test_client().get(path)
        assert seen(response) == refusals.NO_CREDENTIALS
        assert "Retry-After" not in response.headers


@pytest.fixture
def busy(make_app: AppFactory) -> Iterator[FlaskClient]:
    """A client of an app whose key set answers 503 and asks to come back in two minutes."""
    with key_set_server() as server:
        server.status, server.headers = 503, {"Retry-After": "120"}
        yield guarded(make_app(AUTH0_JWKS_URL=server.url))


@PATHS
class TestOutage:
    def test_an_outage_is_not_the_fault_of_the_client(self, busy: FlaskClient, issuer: LocalIssuer, path: str) -> None:
        response = busy.get(path, headers=bearer(issuer.token()))
        assert seen(response) == refusals.KEY_SET_UNAVAILABLE
        assert response.headers["Retry-After"] == "120"

    def test_a_refusal_that_needs_no_key_is_the_same_in_an_outage(self, busy: FlaskClient, path: str) -> None:
        response = busy.get(path, headers=bearer("opaque"))
        assert seen(response) == refusals.OPAQUE
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize("path", ["/auth/health", "/auth/health/live", "/auth/me"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_method_on_a_route_of_the_package_is_answered_in_its_words(app: Flask, path: str, method: str) -> None:
    response = app.test_client().open(path, method=method)
    description = "This route does not support the request method."
    body = {"error": "method_not_allowed", "error_description": description, "code": "method_not_allowed"}
    assert seen(response) == Answer(405, (), body)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


MARK = "zq7mark"


@pytest.mark.parametrize(
    "authorization",
    [
        *(lambda issuer: MARK, lambda issuer: f"{MARK} x", lambda issuer: f"Bearer {MARK}"),
        *(lambda issuer: f"Bearer x {MARK}", lambda issuer: f"Bearer {segment(MARK.encode())}.{MARK}.{MARK}"),
        lambda issuer: f"Bearer {by_hand(issuer, {'alg': MARK})}",
        lambda issuer: f"Bearer {by_hand(issuer, claims=MARK.encode())}",
        lambda issuer: f"Bearer {refusals.with_header(issuer, kid=MARK)}",
        lambda issuer: f"Bearer {refusals.with_header(issuer, typ=MARK)}",
        lambda issuer: f"Bearer {refusals.with_header(issuer, crit=[MARK])}",
        *(lambda issuer: f"Bearer {issuer.token(iss=MARK)}", lambda issuer: f"Bearer {issuer.token(aud=MARK)}"),
        lambda issuer: f"Bearer {refusals.with_claims(issuer, sub=[MARK])}",
        lambda issuer: f"Bearer {refusals.with_claims(issuer, exp=MARK)}",
        lambda issuer: f"Bearer {issuer.token(scope={'x': MARK})}",
        lambda issuer: f"Bearer {issuer.token(scope=MARK, sub=MARK)}",
    ],
)
def test_nothing_of_a_request_is_echoed(
    app: Flask, issuer: LocalIssuer, authorization: Callable[[LocalIssuer], str]
) -> None:
    app.add_url_rule("/scope", "scope", requires_scope("read:messages")(lambda: "seen"))
    headers = {"Authorization": authorization(issuer), "X-Request-Id": MARK}
    response = app.test_client().get("/scope", query_string={MARK: MARK}, headers=headers)
    assert response.status_code in {400, 401, 403}
    assert MARK not in response.get_data(as_text=True) + str(response.headers)


@pytest.mark.parametrize(
    ("realm", "quoted"),
    [("messages", "messages"), ('the "best" API', r"the \"best\" API"), ("back\\slash", r"back\\slash")],
)
def test_the_realm_is_a_quoted_string(make_app: AppFactory, realm: str, quoted: str) -> None:
    """Quotes and backslashes in the realm are escaped (RFC 9110 §5.6.4)."""
    response = guarded(make_app(AUTH0_REALM=realm)).get("/ours")
    assert response.headers.getlist("WWW-Authenticate") == [f'Bearer realm="{quoted}"']


class TestOwnRendering:
    """An app may answer `Auth0Error` in its own way."""

    @staticmethod
    def render(error: Auth0Error) -> ResponseReturnValue:
        return jsonify(problem=error.code), error.status, {"X-Rendered-By": "the app"}

    @PATHS
    @pytest.mark.parametrize("order", [1, -1])
    def test_a_handler_from_before_or_after_the_blueprint_replaces_ours(
        self, issuer: LocalIssuer, path: str, order: int
    ) -> None:
        app = Flask("tested", static_folder=None)
        app.config.update(issuer.settings)
        handler = partial(app.register_error_handler, Auth0Error, self.render)
        for register in (handler, partial(app.register_blueprint, Auth0Blueprint()))[::order]:
            register()
        client = guarded(app)
        for headers, code in ((bearer("opaque"), "token_malformed"), ({}, "authorization_header_missing")):
            response = client.get(path, headers=headers)
            assert (response.status_code, response.get_json()) == (401, {"problem": code})
            assert response.headers["X-Rendered-By"] == "the app"

    def test_a_handler_gets_all_that_the_standard_answer_is_made_of(self, app: Flask, issuer: LocalIssuer) -> None:
        found: list[Auth0Error] = []

        @app.errorhandler(Auth0Error)
        def note(error: Auth0Error) -> ResponseReturnValue:
            found.append(error)
            return "", error.status

        app.add_url_rule("/scope", "scope", requires_scope("read:messages")(lambda: "seen"))
        app.test_client().get("/scope", headers=bearer(issuer.token()))
        [error] = found
        assert (error.status, error.error, error.code) == (403, "insufficient_scope", "insufficient_scope")
        assert (error.reason, error.scope) == ("insufficient_scope", ("read:messages",))
        assert error.description == "The access token lacks a scope that this route requires."
