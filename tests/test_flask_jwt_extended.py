"""flask-jwt-extended's verification side, answering from ours: the contract with its internals."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from types import FunctionType
from typing import Any, NoReturn

import flask_jwt_extended as fje
import jwt
import pytest
from conftest import AppFactory, bearer
from flask import Flask, g, jsonify, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from flask_jwt_extended import exceptions
from flask_jwt_extended.config import config as fje_config
from refusals import MISSING_CLAIM, NO_CREDENTIALS, REFUSED_BY_APP, REVOKED, Answer, invalid_token, seen

from auth0_blueprint import (
    Auth0Blueprint,
    ConfigurationError,
    InvalidTokenError,
    current_token,
    requires_auth,
    requires_scope,
    token_rejected,
    verify_token,
)
from auth0_blueprint.extension.jwt_manager import Auth0JWTManager
from auth0_blueprint.extension.jwt_required import jwt_requirements
from auth0_blueprint.testing import LocalIssuer

UNKNOWN_USER = invalid_token("user_not_found", "This API does not know the user of the access token.")


@pytest.fixture
def stock(app: Flask) -> FlaskClient:
    """A client of an app whose views know flask-jwt-extended only."""

    def required() -> ResponseReturnValue:
        found = {"identity": fje.get_jwt_identity(), "claims": fje.get_jwt(), "header": fje.get_jwt_header()}
        return jsonify(**found, ours=current_token)

    def optional() -> ResponseReturnValue:
        return jsonify(identity=fje.get_jwt_identity(), claims=fje.get_jwt(), location=fje.get_jwt_request_location())

    app.add_url_rule("/required", "required", fje.jwt_required()(required), methods=["GET", "OPTIONS"])
    app.add_url_rule("/optional", "optional", fje.jwt_required(optional=True)(optional))
    return app.test_client()


def test_all_answers_come_from_our_verification(stock: FlaskClient, issuer: LocalIssuer) -> None:
    body: dict[str, Any] = stock.get("/required", headers=bearer(issuer.token(jti="1"))).get_json()
    assert body["identity"] == body["ours"]["sub"] == "auth0|local-user"
    assert body["claims"] == {**body["ours"], "type": "access", "fresh": False}
    assert body["header"]["kid"] == issuer.key_ids[-1]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(stock: FlaskClient, issuer: LocalIssuer, scheme: str) -> None:
    """RFC 9110 §11.1: schemes know no case."""
    assert stock.get("/required", headers={"Authorization": f"{scheme} {issuer.token()}"}).status_code == 200


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        *((header, 401, "authorization_header_missing") for header in (None, "")),
        *((header, 401, "invalid_header") for header in ("Basic dTpw", "Bearer", "Bearer\tx")),
        *((header, 400, "invalid_header") for header in ("Bearer a b", "Bearer a, Bearer b", "Bearer a,")),
        ("Bearer nonsense", 401, "token_malformed"),
    ],
)
def test_refusals_are_ours_and_never_its_422(stock: FlaskClient, header: str | None, status: int, code: str) -> None:
    response = stock.get("/required", headers={} if header is None else {"Authorization": header})
    assert response.status_code == status
    assert response.get_json()["code"] == code
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="api"')


def test_a_header_that_only_its_parser_accepts_is_refused(stock: FlaskClient, issuer: LocalIssuer) -> None:
    """It splits at commas and at any white space; what counts is what our parser finds."""
    for header in (f"Bearer {issuer.token()},", f"Bearer\t{issuer.token()}", f"Basic x, Bearer {issuer.token()}"):
        response = stock.get("/required", headers={"Authorization": header})
        assert (response.status_code in {400, 401}, response.get_json()["code"]) == (True, "invalid_header")


@pytest.mark.parametrize("header", [None, "Basic dTpw", "Bearer a, Bearer b", "bearer bad", "Bearer", "Bearer a b"])
def test_optional_refuses_bad_bearer_credentials_only(stock: FlaskClient, header: str | None) -> None:
    """Stock flask-jwt-extended takes some of these for anonymous. The documented limit: other schemes count as none."""
    response = stock.get("/optional", headers={} if header is None else {"Authorization": header})
    if header in (None, "Basic dTpw"):
        assert (response.status_code, response.get_json()) == (200, {"identity": None, "claims": {}, "location": None})
    else:
        assert response.status_code in {400, 401}


@pytest.mark.parametrize("header", ["Basic dTpw, Bearer {}", "Foo 1,bearer {}", "Foo 1, Bearer, Baz 3"])
def test_optional_takes_nobody_for_anonymous_who_sends_a_token_behind_another_scheme(
    stock: FlaskClient, issuer: LocalIssuer, header: str
) -> None:
    """Stock flask-jwt-extended knows them; to this package a header holds one credential."""
    response = stock.get("/optional", headers={"Authorization": header.format(issuer.token())})
    assert (response.status_code in {400, 401}, response.get_json()["code"]) == (True, "invalid_header")


def test_optional_knows_a_caller_with_a_token(stock: FlaskClient, issuer: LocalIssuer) -> None:
    body = stock.get("/optional", headers=bearer(issuer.token())).get_json()
    assert (body["identity"], body["location"]) == ("auth0|local-user", "headers")


def test_options_passes_as_its_documentation_says(app: Flask) -> None:
    """The documented limit: the view runs without a token, and ``get_jwt()`` raises in it."""

    @app.route("/", methods=["OPTIONS"])
    @fje.jwt_required()
    def view() -> str:
        with pytest.raises(RuntimeError):
            fje.get_jwt()
        return "answered"

    assert app.test_client().options("/").text == "answered"


def test_its_functions_answer_behind_our_guards(app: Flask, issuer: LocalIssuer) -> None:
    @app.get("/")
    @requires_scope("a")
    def view() -> ResponseReturnValue:
        fje.verify_jwt_in_request()
        return jsonify(fje.get_jwt_identity(), fje.get_jwt()["scope"], fje.get_jwt_request_location())

    response = app.test_client().get("/", headers=bearer(issuer.token(scope="a")))
    assert response.get_json() == ["auth0|local-user", "a", "headers"]


def test_a_claim_called_type_means_nothing_to_it(stock: FlaskClient, issuer: LocalIssuer) -> None:
    """An Auth0 token may have a custom claim of that name, and it is handed out as it is."""
    response = stock.get("/required", headers=bearer(issuer.token(type="refresh", fresh=True)))
    assert (response.status_code, response.get_json()["claims"]["type"]) == (200, "refresh")


@pytest.mark.parametrize(
    "arguments",
    [{"fresh": True}, {"refresh": True}],
)
def test_what_it_cannot_do_here_is_an_error_that_names_the_remedy(
    app: Flask, issuer: LocalIssuer, arguments: dict[str, Any]
) -> None:
    """Freshness and refresh tokens do not exist for Auth0's access tokens."""
    app.testing = True
    app.add_url_rule("/", "view", fje.jwt_required(**arguments)(lambda: "in"))
    with pytest.raises(RuntimeError, match="Authorization header"):
        app.test_client().get("/", headers=bearer(issuer.token(fresh=True, type="refresh")))


@pytest.mark.parametrize("locations", ["cookies", ["headers", "cookies"], ["query_string"], "INVALID"])
@pytest.mark.parametrize("kind", ["view", "method", "method_decorators", "hook"])
def test_other_locations_are_found_at_the_first_request_whatever_it_is(app: Flask, kind: str, locations: Any) -> None:
    """Not only when somebody comes without a token. One that is found while a request runs is told as well."""
    app.testing = True
    guard = fje.jwt_required(locations=locations)
    members: dict[str, Any] = {"methods": ["GET"]}
    if kind == "method_decorators":
        members |= {"get": lambda _self: "", "method_decorators": [guard]}
    view_class: Any = type("View", (MethodView,), {"get": guard(lambda _self: ""), **members})
    if kind == "hook":
        app.before_request(guard(lambda: None))
    else:
        app.add_url_rule("/", "view", guard(lambda: "") if kind == "view" else view_class.as_view("view"))
    with pytest.raises(RuntimeError, match=r"on .*(before_request|'view').* remove locations=.* Authorization header"):
        app.test_client().get("/nowhere")


@pytest.mark.parametrize("optional", [False, True])
def test_other_locations_in_a_call_are_told_to_everybody(app: Flask, issuer: LocalIssuer, optional: bool) -> None:
    app.testing = True
    app.add_url_rule("/", "view", lambda: str(fje.verify_jwt_in_request(optional, locations=["headers", "json"])))
    for headers in ({}, bearer(issuer.token()), bearer("nonsense")):
        with pytest.raises(RuntimeError, match="remove locations="):
            app.test_client().get("/", headers=headers)


@pytest.mark.parametrize("locations", ["headers", ["headers"], ("headers",), {"headers"}, [], None])
def test_the_header_may_be_named(app: Flask, issuer: LocalIssuer, locations: Any) -> None:
    app.add_url_rule("/", "view", fje.jwt_required(locations=locations)(lambda: "in"))
    assert seen(app.test_client().get("/")) == NO_CREDENTIALS
    assert app.test_client().get("/", headers=bearer(issuer.token())).text == "in"


@pytest.mark.parametrize("argument", ["fresh", "refresh"])
def test_a_guard_that_admits_nobody_is_logged_and_refuses_strangers_as_others_do(
    app: Flask, argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only who has a good token sees the error: no flood of them is a stranger's to cause."""
    app.add_url_rule("/", "view", fje.jwt_required(fresh=argument == "fresh", refresh=argument == "refresh")(str))
    assert seen(app.test_client().get("/")) == NO_CREDENTIALS
    assert f"jwt_required({argument}=True) on endpoint 'view' admits nobody" in caplog.text


def test_tokens_cannot_be_created(app: Flask) -> None:
    """The app verifies; Auth0 issues."""
    for create in (fje.create_access_token, fje.create_refresh_token):
        with app.app_context(), pytest.raises(RuntimeError, match="LocalIssuer"):
            create("somebody")


def test_decode_token_verifies_as_we_do(app: Flask, issuer: LocalIssuer) -> None:
    with app.app_context():
        assert fje.decode_token(issuer.token())["sub"] == "auth0|local-user"
        with pytest.raises(InvalidTokenError):
            fje.decode_token(issuer.token(aud="other"))
        with pytest.raises(RuntimeError, match="allow_expired"):
            fje.decode_token(issuer.token(), allow_expired=True)
        with pytest.raises(RuntimeError, match="csrf_value"):
            fje.decode_token(issuer.token(), csrf_value="x")


class TestCallbacks:
    """The callbacks of the manager bind all guards alike."""

    @pytest.fixture
    def blueprint(self) -> Auth0Blueprint:
        return Auth0Blueprint()

    @pytest.fixture
    def client(self, make_app: AppFactory, blueprint: Auth0Blueprint) -> FlaskClient:
        app = make_app(blueprint)
        app.add_url_rule("/theirs", "theirs", fje.jwt_required()(lambda: jsonify(fje.get_current_user())))
        app.add_url_rule("/ours", "ours", requires_scope("a")(lambda: jsonify(fje.get_current_user())))
        return app.test_client()

    @pytest.mark.parametrize("path", ["/theirs", "/ours"])
    def test_current_user_is_what_the_lookup_returned(
        self, client: FlaskClient, blueprint: Auth0Blueprint, issuer: LocalIssuer, path: str
    ) -> None:
        """Looked up once for each request."""
        looked_up: list[str] = []

        @blueprint.jwt_manager.user_lookup_loader
        def look_up(_header: dict[str, Any], claims: dict[str, Any]) -> dict[str, str]:
            looked_up.append(claims["sub"])
            return {"name": claims["sub"]}

        assert client.get(path, headers=bearer(issuer.token(scope="a"))).get_json() == {"name": "auth0|local-user"}
        assert looked_up == ["auth0|local-user"]

    @pytest.mark.parametrize(
        ("loader", "answer", "code"),
        [
            ("user_lookup_loader", None, "user_not_found"),
            ("token_in_blocklist_loader", True, "token_revoked"),
            ("token_verification_loader", False, "invalid_claims"),
        ],
    )
    def test_a_refusal_by_the_app_is_ours_on_the_wire(
        self, client: FlaskClient, blueprint: Auth0Blueprint, issuer: LocalIssuer, loader: str, answer: Any, code: str
    ) -> None:
        getattr(blueprint.jwt_manager, loader)(lambda _header, _claims: answer)
        for path in ("/theirs", "/ours"):
            response = client.get(path, headers=bearer(issuer.token(scope="a")))
            assert (response.status_code, response.get_json()["code"]) == (401, code)

    def test_callbacks_cannot_change_what_others_see(
        self, client: FlaskClient, blueprint: Auth0Blueprint, issuer: LocalIssuer
    ) -> None:
        @blueprint.jwt_manager.token_verification_loader
        def spoil(_header: dict[str, Any], claims: dict[str, Any]) -> bool:
            claims["scope"] = "a"
            return True

        blueprint.jwt_manager.user_lookup_loader(lambda _header, claims: claims["scope"])
        assert client.get("/theirs", headers=bearer(issuer.token(scope="b"))).get_json() == "b"

    def test_without_a_lookup_current_user_names_the_remedy(self, client: FlaskClient, issuer: LocalIssuer) -> None:
        """As in stock flask-jwt-extended."""
        client.application.testing = True
        with pytest.raises(RuntimeError, match="user_lookup_loader"):
            client.get("/ours", headers=bearer(issuer.token(scope="a")))

    @pytest.mark.parametrize(
        "loader", ["expired_token", "unauthorized", "decode_key", "user_identity", "user_lookup_error"]
    )
    def test_loaders_without_effect_are_refused(self, blueprint: Auth0Blueprint, loader: str) -> None:
        with pytest.raises(RuntimeError, match="errorhandler"):
            getattr(blueprint.jwt_manager, f"{loader}_loader")(lambda *_: None)


def test_a_failure_of_the_hosts_own_pyjwt_stays_its_own(app: Flask) -> None:
    """Stock flask-jwt-extended turns every PyJWT error of an app into a 422."""
    app.testing = True
    app.add_url_rule("/", "view", lambda: jwt.decode("nonsense", "key", algorithms=["HS256"]))
    with pytest.raises(jwt.DecodeError):
        app.test_client().get("/")


def bare_app(issuer: LocalIssuer) -> Flask:
    app = Flask("tested")
    app.config.update(issuer.settings)
    return app


def test_another_manager_before_is_refused_at_registration(issuer: LocalIssuer) -> None:
    """It would be replaced silently."""
    app = bare_app(issuer)
    fje.JWTManager(app)
    with pytest.raises(ConfigurationError, match="JWTManager"):
        app.register_blueprint(Auth0Blueprint())
    assert "auth0" not in app.extensions


@pytest.mark.parametrize(
    ("replace", "named"),
    [
        # It would verify with its own keys.
        (fje.JWTManager, "jwt_manager"),
        # It would keep one request's identity for the next.
        (lambda app: setattr(app, "app_ctx_globals_class", Flask.app_ctx_globals_class), "app_ctx_globals_class"),
    ],
)
def test_another_manager_or_class_of_g_afterwards_is_found_at_the_first_request(
    app: Flask, replace: Callable[[Flask], object], named: str
) -> None:
    app.testing = True
    replace(app)
    with pytest.raises(RuntimeError, match=named):
        app.test_client().get("/")


WRONG_SETTINGS = [
    *(("JWT_TOKEN_LOCATION", value) for value in (["cookies"], "cookies", ["headers", "cookies"], 1)),
    ("JWT_HEADER_NAME", "X-Token"),
    *(("JWT_HEADER_TYPE", value) for value in ("JWT", "")),
    *(("JWT_IDENTITY_CLAIM", value) for value in (None, "", ["sub"])),
]


@pytest.mark.parametrize(("key", "value"), WRONG_SETTINGS)
def test_settings_that_contradict_are_refused(make_app: AppFactory, key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=key):
        make_app(**{key: value})


@pytest.mark.parametrize(("key", "value"), [*WRONG_SETTINGS, ("JWT_IDENTITY_CLAIM", "email")])
def test_settings_that_are_changed_too_late_are_found_at_the_first_request(app: Flask, key: str, value: Any) -> None:
    app.testing = True
    app.config[key] = value
    with pytest.raises(ConfigurationError, match=key):
        app.test_client().get("/")


@pytest.mark.parametrize("value", ["headers", ["headers"], ("headers",), frozenset({"headers"}), None])
def test_the_location_may_be_set_to_the_header(make_app: AppFactory, issuer: LocalIssuer, value: Any) -> None:
    app = make_app(JWT_TOKEN_LOCATION=value)
    app.add_url_rule("/", "view", fje.jwt_required()(lambda: "in"))
    assert app.test_client().get("/", headers=bearer(issuer.token())).text == "in"


class ReadKeys(dict[str, Any]):
    """A config that notes what is read from it."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)


def settings_of_its_config() -> set[str]:
    """Return the settings that the config class of flask-jwt-extended reads, whatever its release."""
    stock = Flask("stock")
    fje.JWTManager(stock)
    stock.config = ReadKeys(stock.config)  # type: ignore[assignment]
    with stock.app_context():
        for name, member in vars(type(fje_config)).items():
            if isinstance(member, property):
                with suppress(RuntimeError):  # for a key that is not set
                    getattr(fje_config, name)
    return {key for key in stock.config.read if key.startswith("JWT_")}  # type: ignore[attr-defined]


def test_every_setting_it_knows_is_honoured_refused_or_named_and_on_the_page(
    make_app: AppFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A new release with a new setting fails here until the page says what becomes of it."""
    known = settings_of_its_config()
    assert len(known) > 40
    page = (Path(__file__).parent.parent / "docs" / "flask-jwt-extended.md").read_text()
    patterns = re.findall(r"`(JWT_[A-Z_*]+)`", page)
    assert [key for key in sorted(known) if not any(fnmatchcase(key, pattern) for pattern in patterns)] == []
    decided = {key for key, _ in WRONG_SETTINGS}
    make_app(**dict.fromkeys(known - decided, "x"))
    (warning,) = (record.getMessage() for record in caplog.records if "JWT_" in record.getMessage())
    assert set(warning.partition(": ")[2].split(", ")) == known - decided


def answers_itself() -> dict[str, Any]:
    return {"sub": "anybody"}


def fails_before_it_asks_us() -> NoReturn:
    raise KeyError("another internal")


@pytest.mark.parametrize("decode", [answers_itself, fails_before_it_asks_us])
def test_registration_finds_a_release_that_does_not_ask_our_verifier(
    issuer: LocalIssuer, decode: Callable[[], dict[str, Any]]
) -> None:
    """The probe does not take another failure for an answer."""

    class OtherRelease(Auth0JWTManager):
        def _decode_jwt_from_config(self, *_: object, **__: object) -> dict[str, Any]:
            return decode()

    blueprint, app = Auth0Blueprint(), bare_app(issuer)
    blueprint.jwt_manager = OtherRelease()
    with pytest.raises(ConfigurationError, match="does not call our verifier"):
        app.register_blueprint(blueprint)
    assert not app.extensions


def test_registration_finds_a_release_in_which_optional_cannot_be_told(issuer: LocalIssuer) -> None:
    class OtherRelease(Auth0JWTManager):
        def _decode_jwt_from_request(self, *arguments: Any, **options: Any) -> Any:
            decoded = super()._decode_jwt_from_request(*arguments, **options) if request.authorization else None
            raise KeyError(decoded)

    blueprint, app = Auth0Blueprint(), bare_app(issuer)
    blueprint.jwt_manager = OtherRelease()
    with pytest.raises(ConfigurationError, match="does not call our verifier"):
        app.register_blueprint(blueprint)


@pytest.mark.parametrize(
    ("guard", "requirement"), [(fje.jwt_required(), True), (fje.jwt_required(optional=True), False)]
)
def test_a_guard_of_its_own_is_known_for_what_it_requires(guard: Any, requirement: bool) -> None:
    """But for the method that it lets pass unasked."""
    guarded = guard(lambda: "")
    assert jwt_requirements(guarded, "GET") == [requirement]
    assert jwt_requirements(guarded, "OPTIONS") == []


def test_a_guard_of_other_internals_is_not_taken_for_one() -> None:
    """A view counts as open where it is not known what stands before it."""

    def inside() -> str:
        return ""

    # As a release might make it that keeps its arguments elsewhere.
    unknown = FunctionType((lambda: "").__code__, vars(fje.view_decorators))
    unknown.__wrapped__ = inside  # type: ignore[attr-defined]
    assert jwt_requirements(unknown, "GET") == []
    optional = False

    def alike() -> bool:
        return optional

    alike.__wrapped__ = inside  # type: ignore[attr-defined]
    assert jwt_requirements(alike, "GET") == []


def test_our_values_on_g_are_the_hosts_own_otherwise(app: Flask) -> None:
    with app.app_context():
        g.mine = 1
        assert (g.mine, g.get("mine"), g.get("other", 2), "mine" in g, list(g)) == (1, 1, 2, True, ["mine"])
        assert g.pop("mine") == 1


class TestIdentityClaim:
    """``JWT_IDENTITY_CLAIM`` is the one setting of flask-jwt-extended that counts here."""

    @pytest.fixture
    def client(self, make_app: AppFactory) -> FlaskClient:
        app = make_app(JWT_IDENTITY_CLAIM="email")
        for name, guard in (
            ("required", fje.jwt_required()),
            ("optional", fje.jwt_required(optional=True)),
            ("ours", requires_auth),
        ):
            app.add_url_rule(f"/{name}", name, guard(lambda: jsonify(fje.get_jwt_identity())))
        return app.test_client()

    @pytest.mark.parametrize("guard", ["required", "optional", "ours"])
    def test_nobody_passes_without_an_identity(self, client: FlaskClient, issuer: LocalIssuer, guard: str) -> None:
        """As in stock flask-jwt-extended; and also where one of this package's guards stands."""
        assert client.get(f"/{guard}", headers=bearer(issuer.token(email="a@b.c"))).get_json() == "a@b.c"
        for token in (issuer.token(), issuer.token(email=None)):
            assert seen(client.get(f"/{guard}", headers=bearer(token))) == MISSING_CLAIM

    def test_decode_token_and_verify_token_refuse_as_well(self, client: FlaskClient, issuer: LocalIssuer) -> None:
        for verify in (fje.decode_token, verify_token):
            with client.application.app_context(), pytest.raises(InvalidTokenError, match="lacks a claim"):
                verify(issuer.token())


@pytest.mark.parametrize(
    ("raised", "answer"),
    [
        (exceptions.NoAuthorizationError("not an admin"), REFUSED_BY_APP),
        (exceptions.RevokedTokenError({}, {}), REVOKED),
        (exceptions.UserLookupError("unknown", {}, {}), UNKNOWN_USER),
    ],
)
def test_its_exceptions_raised_by_the_app_are_refusals_of_ours(
    app: Flask, issuer: LocalIssuer, raised: Exception, answer: Answer
) -> None:
    """Decorators of an app raise them, as for an administrator; a request without a token is told that first."""

    def view() -> NoReturn:
        raise raised

    app.add_url_rule("/", "view", view)
    heard: list[dict[str, Any]] = []

    def hear(_sender: Flask, **said: Any) -> None:
        heard.append(said)

    with token_rejected.connected_to(hear, app):
        assert seen(app.test_client().get("/")) == NO_CREDENTIALS
        assert seen(app.test_client().get("/", headers=bearer(issuer.token()))) == answer
    assert [said["code"] for said in heard] == ["authorization_header_missing", answer.body["code"]]


def test_a_way_around_our_verification_ends_in_a_refusal(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever took its place finds a token where this app looks for none."""
    monkeypatch.setattr(fje.view_decorators, "_decode_jwt_from_request", lambda *_, **__: ({"sub": "me"}, {}, "body"))
    app.add_url_rule("/", "view", fje.jwt_required()(lambda: "in"))
    assert seen(app.test_client().get("/")) == NO_CREDENTIALS


def test_an_app_with_a_manager_of_its_own_beside_ours_keeps_its_answers(app: Flask) -> None:
    """Both are in one process."""
    other = Flask("other")
    other.config["JWT_SECRET_KEY"] = "x" * 32
    fje.JWTManager(other)
    for each in (app, other):
        each.add_url_rule("/", "view", fje.jwt_required()(lambda: fje.get_jwt_identity()))
    assert seen(app.test_client().get("/")) == NO_CREDENTIALS
    assert other.test_client().get("/").get_json() == {"msg": "Missing Authorization Header"}
    with other.app_context():
        token = fje.create_access_token("somebody")
    assert other.test_client().get("/", headers=bearer(token)).text == "somebody"
