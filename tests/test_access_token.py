"""The verified token as a view gets to see it: a mapping that nobody can change for anybody else."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from flask_caching import Cache
from refusals import claims_of

from auth0_blueprint import AccessToken, current_token, requires_auth, verify_token
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.access_token import ANONYMOUS
from auth0_blueprint.verification.sequence import Presentation

CLAIMS: dict[str, Any] = {
    "iss": "https://tenant.example.com/",
    "sub": "auth0|user",
    "aud": ["https://api.example.com", "https://tenant.example.com/userinfo"],
    "azp": "a client",
    "iat": 1_800_000_000,
    "exp": 1_800_003_600.5,
    "jti": "token 7",
    "org_id": "org_1",
    "cnf": {"jkt": "a thumbprint"},
    "https://example.com/tiers": [{"name": "gold", "since": [2024, 2025]}],
}
HEADER: dict[str, Any] = {"alg": "RS256", "kid": "a key", "x": ["y"]}


@pytest.fixture
def token() -> AccessToken:
    return AccessToken(CLAIMS, HEADER, scopes=frozenset({"read:a"}), permissions=frozenset({"read:b"}))


def test_it_is_a_mapping_of_the_claims(token: AccessToken) -> None:
    assert isinstance(token, Mapping)
    assert dict(token) == token == CLAIMS
    assert list(token) == list(CLAIMS)
    assert len(token) == len(CLAIMS)
    assert "sub" in token
    assert token["azp"] == "a client"
    assert token.get("tier", "none") == "none"
    with pytest.raises(KeyError):
        token["tier"]
    assert token, "so that `if current_token` tells users from anonymous callers"


class TestImmutability:
    @pytest.mark.parametrize("name", ["scopes", "permissions", "subject", "claims", "_claims", "_header", "is_admin"])
    def test_no_attribute_can_be_set_or_deleted(self, token: AccessToken, name: str) -> None:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(token, name, frozenset({"admin"}))
        with pytest.raises(AttributeError, match="immutable"):
            delattr(token, name)
        assert not hasattr(token, "__dict__")

    def test_no_claim_can_be_set_or_deleted(self, token: AccessToken) -> None:
        mutable: Any = token
        with pytest.raises(TypeError):
            mutable["sub"] = "auth0|admin"
        with pytest.raises(TypeError):
            del mutable["sub"]

    @pytest.mark.parametrize(
        "change",
        [
            *(lambda token: token["aud"].append("other"), lambda token: token["cnf"].clear()),
            lambda token: token["https://example.com/tiers"][0].update(name="platinum"),
            lambda token: token["https://example.com/tiers"][0]["since"].append(2026),
            *(lambda token: token.get("cnf").clear(), lambda token: token.confirmation.clear()),
            *(lambda token: token.claims.clear(), lambda token: token.claims["aud"].clear()),
            lambda token: token.claims["https://example.com/tiers"][0]["since"].clear(),
            *(lambda token: token.header.clear(), lambda token: token.header["x"].clear()),
            *(lambda token: dict(token)["aud"].clear(), lambda token: dict(token.items())["cnf"].clear()),
            lambda token: [*token.values()][2].clear(),
        ],
    )
    def test_what_comes_out_is_a_copy(self, token: AccessToken, change: Callable[[AccessToken], object]) -> None:
        change(token)
        assert token.claims == {
            **CLAIMS,
            "aud": ["https://api.example.com", "https://tenant.example.com/userinfo"],
            "cnf": {"jkt": "a thumbprint"},
            "https://example.com/tiers": [{"name": "gold", "since": [2024, 2025]}],
        }
        assert token.header == {"alg": "RS256", "kid": "a key", "x": ["y"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("subject", "auth0|user"), ("client_id", "a client"), ("issuer", "https://tenant.example.com/")),
        ("audience", ("https://api.example.com", "https://tenant.example.com/userinfo")),
        # A naive datetime would be taken for local time.
        ("issued_at", datetime(2027, 1, 15, 8, 0, tzinfo=UTC)),
        ("expires_at", datetime(2027, 1, 15, 9, 0, 0, 500_000, tzinfo=UTC)),
        *(("token_id", "token 7"), ("organization_id", "org_1"), ("confirmation", {"jkt": "a thumbprint"})),
        *(("scopes", frozenset({"read:a"})), ("permissions", frozenset({"read:b"}))),
        *(("claims", CLAIMS), ("header", HEADER)),
    ],
)
def test_the_usual_claims_have_names(token: AccessToken, name: str, value: object) -> None:
    found = getattr(token, name)
    assert found == value
    assert not isinstance(found, datetime) or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("claims", "name", "value"),
    [
        *(({"client_id": "rfc 9068", **more}, "client_id", "rfc 9068") for more in ({"azp": "auth0"}, {})),
        *(({"azp": "auth0"}, "client_id", "auth0"), ({}, "client_id", None)),
        # Auth0's own profile has none of them.
        *(({}, name, None) for name in ("token_id", "organization_id", "confirmation")),
        # Never the characters of a text.
        ({"aud": "https://api.example.com"}, "audience", ("https://api.example.com",)),
    ],
)
def test_a_claim_may_be_absent_or_another_one(claims: dict[str, Any], name: str, value: object) -> None:
    assert getattr(AccessToken({"sub": "auth0|user", **claims}, {}), name) == value


def proven(app: Flask, *texts: str) -> list[AccessToken]:
    with app.app_context():
        return [verify_token(text) for text in texts]


def minute() -> dict[str, Any]:
    """The times of a token that is valid for a minute."""
    return {"iat": int(time.time()), "exp": int(time.time()) + 60}


class TestIdentity:
    """What tells tokens apart, for caches and logs."""

    def test_a_token_has_the_same_id_in_every_process_and_another_one_has_another(
        self, make_app: AppFactory, issuer: LocalIssuer
    ) -> None:
        """Also where subject and expiry are the same."""
        times = minute()
        reader, writer = (issuer.token(scope=scope, **times) for scope in ("read", "write"))
        first, again, anew, other = *proven(make_app(), reader, reader), *proven(make_app(), reader, writer)
        assert (first is again, first is anew) == (True, False)
        assert first.__caching_id__() == anew.__caching_id__() != other.__caching_id__()
        assert repr(first) == repr(anew) != repr(other)

    def test_the_id_depends_on_the_signature(self, app: Flask, issuer: LocalIssuer) -> None:
        """It cannot be computed from guessed claims. Those of health are verified without the cache: the same id."""
        text = issuer.token(**minute())
        (token,) = proven(app, text)
        with app.app_context():
            alone = app.extensions["auth0"].sequence.verify(Presentation(text), cached_only=True)
        made = AccessToken(token.claims, token.header, scopes=token.scopes, permissions=token.permissions)
        assert alone.__caching_id__() == token.__caching_id__() != made.__caching_id__()

    @pytest.mark.parametrize(
        "other",
        [{"scopes": frozenset({"a"})}, {"permissions": frozenset({"a"})}, {"claims": {"a": 2}}, {"header": {"b": 1}}],
    )
    def test_one_that_a_test_makes_has_an_id_by_its_content(self, other: dict[str, Any]) -> None:
        usual: dict[str, Any] = {"claims": {"a": 1, "b": object}, "header": {}}
        made, same, different = AccessToken(**usual), AccessToken(**usual), AccessToken(**{**usual, **other})
        assert made.__caching_id__() == same.__caching_id__() != different.__caching_id__()

    def test_anonymous_callers_are_one(self) -> None:
        assert ANONYMOUS.__caching_id__() == AccessToken({}, {}).__caching_id__() == "anonymous"

    @pytest.mark.parametrize("pick", [lambda: current_token, lambda: current_token._get_current_object()])  # type: ignore[attr-defined]
    def test_memoize_gives_no_caller_the_answer_of_another(
        self, app: Flask, issuer: LocalIssuer, pick: Callable[[], AccessToken]
    ) -> None:
        """Two tokens of one subject that expire together, with other scopes. The cache is a real one."""
        cache, calls = Cache(app, config={"CACHE_TYPE": "SimpleCache"}), list[str]()

        @cache.memoize()
        def scopes_of(token: AccessToken, *, sort: bool = True) -> list[str]:
            calls.append(token.subject)
            return sorted(token.scopes)

        class Report:
            @cache.memoize()
            def of(self, token: AccessToken) -> list[str]:
                return scopes_of(token)

            def __repr__(self) -> str:
                return "<Report>"

        app.add_url_rule("/", "view", requires_auth(optional=True)(lambda: scopes_of(pick()) if current_token else []))
        app.add_url_rule("/kept", "kept", requires_auth(lambda: Report().of(token=pick())))
        client, times = app.test_client(), minute()
        for scope in ("read", "write") * 2:
            headers = bearer(issuer.token(scope=scope, **times))
            assert [client.get(path, headers=headers).get_json() for path in ("/", "/kept")] == [[scope]] * 2
        assert calls == ["auth0|local-user"] * 2
        assert client.get("/").get_json() == []

    def test_equality_is_that_of_the_claims_and_there_is_no_hash(self, token: AccessToken) -> None:
        """As of any mapping."""
        assert token == AccessToken(CLAIMS, {}, digest=b"another") == CLAIMS
        assert token != AccessToken({**CLAIMS, "jti": "8"}, HEADER)
        with pytest.raises(TypeError, match="unhashable"):
            hash(token)


class TestAnonymous:
    def test_it_is_empty_and_false_and_may_do_nothing(self) -> None:
        assert not ANONYMOUS
        assert (dict(ANONYMOUS), ANONYMOUS.header) == ({}, {})
        assert (ANONYMOUS.scopes, ANONYMOUS.permissions) == (frozenset(), frozenset())
        assert repr(ANONYMOUS) == "<AccessToken anonymous>"
        for name in ("client_id", "token_id", "organization_id", "confirmation"):
            assert getattr(ANONYMOUS, name) is None

    @pytest.mark.parametrize("name", ["subject", "issuer", "audience", "issued_at", "expires_at"])
    def test_what_every_token_has_says_that_there_is_none(self, name: str) -> None:
        """The error names the remedy, where ``None`` would be taken for a user."""
        with pytest.raises(RuntimeError, match="if current_token:"):
            getattr(ANONYMOUS, name)


class TestRepr:
    def test_it_names_subject_and_expiry(self, token: AccessToken) -> None:
        """Enough for a log, and nothing that is a credential."""
        known = "subject='auth0|user' expires_at=2027-01-15T09:00:00.500000+00:00"
        assert repr(token) == f"<AccessToken {known} id={token.__caching_id__()}>"

    @pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__, "%r".__mod__])
    def test_no_way_to_print_it_shows_the_token(
        self, app: Flask, issuer: LocalIssuer, show: Callable[[object], str]
    ) -> None:
        text = issuer.token()
        with app.app_context():
            shown = show(verify_token(text))
        assert [part for part in text.split(".") if part in shown] == []

    def test_a_subject_is_escaped_and_cut(self) -> None:
        """A subject cannot forge lines of a log, nor fill it."""
        shown = repr(AccessToken({"sub": "a\r\nb" + "c" * 1000, "exp": 0}, {}))
        assert "\n" not in shown
        assert len(shown) < 200


VIEWS: dict[str, tuple[Callable[[], ResponseReturnValue], Callable[[dict[str, Any]], object]]] = {
    "whole": (lambda: jsonify(current_token), lambda claims: claims),
    "unproxied": (lambda: jsonify(current_token._get_current_object()), lambda claims: claims),  # type: ignore[attr-defined]
    "in a dict": (lambda: {"found": [{"token": current_token}]}, lambda claims: {"found": [{"token": claims}]}),
    "nested value": (lambda: jsonify(current_token["tiers"][0]), lambda claims: claims["tiers"][0]),
}


class TestJSON:
    @pytest.mark.parametrize(("view", "expected"), VIEWS.values(), ids=VIEWS.keys())
    def test_a_view_may_answer_it(
        self, app: Flask, issuer: LocalIssuer, view: Callable[[], ResponseReturnValue], expected: Any
    ) -> None:
        app.add_url_rule("/view", "view", requires_auth(view))
        text = issuer.token(tiers=[{"name": "gold", "since": [2024, 2.5, None, True]}])
        response = app.test_client().get("/view", headers=bearer(text))
        assert response.get_json() == expected(claims_of(text))

    def test_an_anonymous_one_is_an_empty_object(self, app: Flask) -> None:
        app.add_url_rule("/view", "view", requires_auth(optional=True)(lambda: jsonify(current_token)))
        assert app.test_client().get("/view").get_json() == {}

    def test_what_flask_knows_it_still_knows_and_no_more(self, app: Flask) -> None:
        """Teaching the provider one type has not taught it others."""
        with app.app_context():
            assert app.json.dumps(datetime(2027, 1, 15, tzinfo=UTC)) == '"Fri, 15 Jan 2027 00:00:00 GMT"'
            with pytest.raises(TypeError):
                app.json.dumps(object())


def test_a_copy_is_the_token_itself_and_a_pickle_is_refused(issuer: LocalIssuer, app: Flask) -> None:
    """What is verified here is not verified elsewhere."""
    with app.app_context():
        token = verify_token(issuer.token())
    assert copy.copy(token) is token
    assert copy.deepcopy(token) is token
    with pytest.raises(TypeError, match=r"\.claims"):
        pickle.dumps(token)
