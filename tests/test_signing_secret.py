"""HS256: tokens that are signed with the secret of the API, which stands for a key set (``AUTH0_SIGNING_SECRET``)."""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import refusals
from certificates import make_credential
from conftest import bearer
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dpop_client import DPoPClient
from flask import Flask
from flask.testing import FlaskClient
from jwt.algorithms import HMACAlgorithm
from prometheus_client import CollectorRegistry, generate_latest
from refusals import answer_to, guarded, passes, with_header, with_signature

from auth0_blueprint import Auth0Blueprint, ConfigurationError, InvalidSignatureError, UnsupportedAlgorithmError
from auth0_blueprint import verify_token as verified
from auth0_blueprint.jose.algorithms import ALGORITHMS, HS256
from auth0_blueprint.metrics import instrument
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.secret_keys import NO_KEY_SET, SecretKeys

SECRET, OLD, OTHER = (f"the-{name}-secret-of-an-api-in-auth0" for name in ("new", "old", "other"))
DOMAIN, AUDIENCE = "example.eu.auth0.com", "https://api.example.com"
SETTINGS: dict[str, Any] = {"AUTH0_DOMAIN": DOMAIN, "AUTH0_AUDIENCE": AUDIENCE, "AUTH0_SIGNING_SECRET": SECRET}
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}
FORMS = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make(**settings: Any) -> Flask:
    app = Flask("tested", static_folder=None)
    app.config.update({**SETTINGS, **settings})
    app.register_blueprint(Auth0Blueprint())
    return app


def token_by(secret: str = SECRET, *, alg: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a token as Auth0 writes it, made by PyJWT."""
    now = int(time.time())
    content = {
        "iss": f"https://{DOMAIN}/",
        "sub": "auth0|a",
        "aud": AUDIENCE,
        "azp": "web",
        "iat": now,
        "exp": now + 60,
    }
    return jwt.encode({**content, **claims}, secret, algorithm=alg, headers=headers)


def as_admin(client: FlaskClient, method: str, path: str, **options: Any) -> Any:
    answer = client.open(path, method=method, headers=bearer(token_by(**ADMIN)), **options)
    return answer.status_code, answer.get_json()


@pytest.fixture
def client() -> FlaskClient:
    return guarded(make())


@pytest.fixture
def hs_issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer(algorithm="HS256", signing_secret=SECRET) as issuer:
        yield issuer


class TestTokens:
    @pytest.mark.parametrize("headers", [None, {"kid": "any"}, {"kid": ""}, {"typ": "at+jwt"}])
    @pytest.mark.parametrize(
        "value", [SECRET, SECRET.encode(), [SECRET], f"{OLD}, {SECRET}", [SECRET, OLD], f" {SECRET}\n"]
    )
    def test_a_token_by_the_secret_passes(self, value: Any, headers: dict[str, Any] | None) -> None:
        """By one of two while one replaces the other; whatever ``kid`` says, because a secret has none."""
        assert passes(guarded(make(AUTH0_SIGNING_SECRET=value)), token_by(headers=headers))

    def test_both_secrets_pass_until_one_is_gone(self) -> None:
        during, after = (guarded(make(AUTH0_SIGNING_SECRET=value)) for value in (f"{OLD},{SECRET}", SECRET))
        assert passes(during, token_by(OLD))
        assert answer_to(after, token_by(OLD)) == refusals.INVALID_SIGNATURE

    def test_a_secret_with_a_comma_or_of_bytes_is_taken_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A list is not split, and a variable of the environment may hold bytes that are no UTF-8."""
        secret = f"{SECRET},more"
        assert passes(guarded(make(AUTH0_SIGNING_SECRET=[secret])), token_by(secret))
        raw = bytes(range(128, 168))
        monkeypatch.setenv("AUTH0_SIGNING_SECRET", raw.decode("utf-8", "surrogateescape"))
        for value in (None, raw):
            assert passes(guarded(make(AUTH0_SIGNING_SECRET=value)), token_by(raw))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("token", "answer"),
        [
            (lambda: token_by(OTHER), refusals.INVALID_SIGNATURE),
            (lambda: token_by(SECRET[:-1]), refusals.INVALID_SIGNATURE),
            *[
                (lambda n=n: with_signature(token_by(), bytes(n)), refusals.INVALID_SIGNATURE)
                for n in (0, 1, 31, 32, 256)
            ],
            (lambda: token_by(SECRET * 2, alg="HS384"), refusals.UNSUPPORTED_ALGORITHM),
            (lambda: token_by(SECRET * 2, alg="HS512"), refusals.UNSUPPORTED_ALGORITHM),
            (lambda: token_by("", alg="none"), refusals.UNSUPPORTED_ALGORITHM),
            (lambda: token_by(iss="https://other.eu.auth0.com/"), refusals.OTHER_ISSUER),
            (lambda: token_by(iss=f"https://{DOMAIN}"), refusals.OTHER_ISSUER),
            (lambda: token_by(aud="https://other"), refusals.OTHER_AUDIENCE),
            (lambda: token_by(exp=1, iat=0), refusals.EXPIRED),
            (lambda: token_by(sub=None), refusals.BAD_SUBJECT),
            (lambda: token_by(headers={"crit": ["b64"], "b64": True}), refusals.CRITICAL_EXTENSION),
            (lambda: token_by(headers={"kid": "a" * 257}), refusals.BAD_KEY_ID),
        ],
    )
    def test_all_else_is_as_strict_as_with_keys(
        self, client: FlaskClient, token: Callable[[], str], answer: refusals.Answer
    ) -> None:
        assert answer_to(client, token()) == answer

    def test_nothing_asymmetric_is_accepted_beside_it(self, issuer: LocalIssuer) -> None:
        """A good token of the issuer's own key: it is not even asked for its keys."""
        client = guarded(make(**issuer.settings | {"AUTH0_ALGORITHMS": None, "AUTH0_SIGNING_SECRET": SECRET}))
        assert refusals.answer_unread(client, issuer, issuer.token()) == refusals.UNSUPPORTED_ALGORITHM
        assert passes(client, token_by(iss=issuer.issuer))
        assert issuer.fetch_count == 0

    @pytest.mark.parametrize("form", FORMS, ids=str)
    @pytest.mark.parametrize("with_secret", [False, True])
    def test_the_public_key_is_no_secret_in_any_configuration(
        self, issuer: LocalIssuer, form: tuple[Any, Any], with_secret: bool
    ) -> None:
        public = issuer.signing_key().public_key().public_bytes(*form)
        own = {"AUTH0_ALGORITHMS": "HS256", "AUTH0_SIGNING_SECRET": SECRET} if with_secret else {}
        token = with_header(issuer, alg="HS256")
        signature = HMACAlgorithm(HMACAlgorithm.SHA256).sign(token.rpartition(".")[0].encode(), public)
        answer = answer_to(guarded(make(**issuer.settings | own)), with_signature(token, signature))
        assert answer == (refusals.INVALID_SIGNATURE if with_secret else refusals.UNSUPPORTED_ALGORITHM)

    def test_every_secret_is_tried_whichever_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that the time does not tell the old from the new."""
        app, tried = make(AUTH0_SIGNING_SECRET=[SECRET, OLD], AUTH0_TOKEN_CACHE_SIZE=0), list[bytes]()
        real = HMACAlgorithm.verify

        def noted(self: HMACAlgorithm, message: bytes, secret: bytes, signature: bytes) -> bool:
            tried.append(secret)
            return real(self, message, secret, signature)

        monkeypatch.setattr(HMACAlgorithm, "verify", noted)
        with app.app_context():
            for secret in (SECRET, OLD):
                verified(token_by(secret))
            with pytest.raises(InvalidSignatureError):
                verified(token_by(OTHER))
        assert tried == [SECRET.encode(), OLD.encode()] * 3

    @pytest.mark.parametrize("algorithm", [*ALGORITHMS.values()], ids=lambda found: found.name)
    def test_a_secret_is_a_key_for_hs256_alone(self, algorithm: Any) -> None:
        keys = SecretKeys((SECRET.encode(),))
        for find in (keys.key_for, keys.cached_key):
            assert find("any", HS256).key.algorithm is HS256
            with pytest.raises(UnsupportedAlgorithmError):
                find(None, algorithm)

    def test_a_token_seen_before_is_remembered_and_still_ends(self) -> None:
        app = make()
        client, token = guarded(app), token_by()
        assert passes(client, token)
        stats = as_admin(client, "GET", "/auth/admin/stats")[1]
        assert (stats["verified"], stats["token_cache_hits"]) == (3, 1)
        assert as_admin(client, "POST", "/auth/admin/revocations", json={"token": token})[0] == 201
        assert answer_to(client, token) == refusals.REVOKED

    def test_a_token_can_be_bound_to_a_dpop_key(self) -> None:
        """The proof is signed with the client's own key, as ever: that is no access token."""
        client, holder = guarded(make(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL=AUDIENCE)), DPoPClient("ES256")
        token = token_by(cnf={"jkt": holder.thumbprint})
        proof = holder.sign(holder.header(), holder.claims("GET", f"{AUDIENCE}/ours", token, time.time()))
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        assert client.get("/ours", headers=headers).status_code == 200
        assert answer_to(client, token).status == 401


def problems(**settings: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({**SETTINGS, **settings}, {})
    return caught.value.problems


CERTIFICATE = make_credential("a")
SENDER = {"issuer": "https://idp.example/", "jwks_url": "https://idp.example/jwks", "audience": [AUDIENCE]}


class TestSettings:
    def test_the_algorithm_follows_from_the_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        """And the operator is told what HS256 costs."""
        for algorithms in (None, "HS256", ["HS256"]):
            settings = load_settings({**SETTINGS, "AUTH0_ALGORITHMS": algorithms}, {})
            assert (settings.algorithms, dict(settings.key_set_urls)) == (("HS256",), {})
            assert settings.issuers == (f"https://{DOMAIN}/",)
        assert "AUTH0_SIGNING_SECRET is set: anyone who can read it can also issue tokens" in caplog.text
        assert load_settings({**SETTINGS, "AUTH0_SIGNING_SECRET": None}, {}).algorithms == ("RS256",)

    @pytest.mark.parametrize(
        "value",
        [
            SECRET[:31],
            "ä" * 15,
            bytes(31),
            [SECRET, OLD, OTHER],
            [SECRET, "short"],
            f"{SECRET},",
            7,
            [7],
            "\ud800" * 40,
        ],
    )
    def test_what_is_no_secret_is_refused(self, value: Any) -> None:
        found = problems(AUTH0_SIGNING_SECRET=value)
        assert found.keys() == {"AUTH0_SIGNING_SECRET"}
        assert "must be one secret or two, each of at least 32 bytes" in found["AUTH0_SIGNING_SECRET"]

    @pytest.mark.parametrize("is_old", [False, True])
    @pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [SECRET, value]])
    @pytest.mark.parametrize(
        "form", ["pem", "pem text", "der", "certificate", "certificate in der", "ssh", "jwk", "jwks"]
    )
    def test_what_anyone_may_know_is_refused(
        self,
        issuer: LocalIssuer,
        monkeypatch: pytest.MonkeyPatch,
        form: str,
        wrap: Callable[[Any], Any],
        is_old: bool,
    ) -> None:
        """Whoever has the public key could sign with it. PyJWT 2.10 knows only PEM and SSH."""
        if is_old and form not in {"pem", "pem text", "certificate", "ssh"}:
            monkeypatch.setattr(HMACAlgorithm, "prepare_key", lambda _self, key: key)
        key = issuer.signing_key().public_key()
        pem = key.public_bytes(*FORMS[0])
        value = {
            "pem": pem, "pem text": pem.decode(), "der": key.public_bytes(*FORMS[1]),
            "certificate": CERTIFICATE.pem, "certificate in der": CERTIFICATE.der,
            "ssh": key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
            "jwk": json.dumps(issuer.key_set["keys"][0]), "jwks": json.dumps(issuer.key_set),
        }[form]  # fmt: skip
        assert "not a public key" in problems(AUTH0_SIGNING_SECRET=wrap(value))["AUTH0_SIGNING_SECRET"]

    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"AUTH0_ALGORITHMS": "RS256"}, "AUTH0_ALGORITHMS"),
            ({"AUTH0_ALGORITHMS": "RS256,HS256"}, "AUTH0_ALGORITHMS"),
            ({"AUTH0_ALGORITHMS": "HS384"}, "AUTH0_ALGORITHMS"),
            ({"AUTH0_ALGORITHMS": "HS256", "AUTH0_SIGNING_SECRET": None}, "AUTH0_ALGORITHMS"),
            ({"AUTH0_DOMAIN": [DOMAIN, "login.example.com"]}, "AUTH0_SIGNING_SECRET"),
            ({"AUTH0_JWKS_URL": f"https://{DOMAIN}/jwks"}, "AUTH0_JWKS_URL"),
            ({"AUTH0_LOGOUT_CLIENT_IDS": "web"}, "AUTH0_LOGOUT_CLIENT_IDS"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, settings: dict[str, Any], key: str) -> None:
        assert problems(**settings).keys() == {key}

    def test_the_secret_is_shown_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        app = make(AUTH0_SIGNING_SECRET=f"{SECRET},{OLD}")
        state = app.extensions["auth0"]
        keys = SecretKeys((SECRET.encode(),))
        found = keys.key_for(None, HS256)
        told = [repr(thing) for thing in (state, state.settings, keys, found, found.key, found.key.material)]
        told += [str(problems(AUTH0_SIGNING_SECRET=[SECRET, "x"])), str(problems(AUTH0_SIGNING_SECRET=f"{SECRET},x"))]
        told.append(str(problems(AUTH0_DOMAIN=[DOMAIN, "login.example.com"])))
        client = app.test_client()
        told += [
            str(as_admin(client, "GET", path)) for path in ("/auth/admin/config", "/auth/admin/jwks", "/auth/health")
        ]
        told += [answer_to(guarded(make()), token_by(OTHER)).body["error_description"], caplog.text]
        assert not [text for text in told if SECRET in text or OLD in text]
        assert "'AUTH0_SIGNING_SECRET', 'source': 'app.config', 'value': '***'" in told[-5]
        with pytest.raises(TypeError):
            pickle.dumps(found.key.material)


class TestWithoutAKeySet:
    def test_operators_are_told_that_there_is_none(self) -> None:
        client = guarded(make(AUTH0_HEALTH_DETAILS="always"))
        for method, path in (("GET", "/auth/admin/jwks"), ("POST", "/auth/admin/jwks/refresh")):
            for _ in range(2):
                assert as_admin(client, method, path) == (200, {"key_sets": [], "note": NO_KEY_SET})
        body = client.get("/auth/health").get_json()
        assert (body["status"], body["checks"]["key_sets"], body["checks"]["note"]) == ("pass", [], NO_KEY_SET)
        assert as_admin(client, "GET", "/auth/admin/stats")[1]["key_fetches"] == 0

    def test_the_other_routes_work(self) -> None:
        client = guarded(make(AUTH0_OPENAPI=True, AUTH0_RESOURCE_METADATA=True, AUTH0_PUBLIC_URL=AUDIENCE))
        introspector = bearer(token_by(scope="introspect:tokens", permissions=["introspect:tokens"]))
        for secret, is_active in ((SECRET, True), (OTHER, False)):
            answer = client.post("/auth/introspect", data={"token": token_by(secret)}, headers=introspector)
            assert answer.get_json()["active"] is is_active
        assert client.get("/auth/openapi.json").status_code == 200
        document = client.get("/.well-known/oauth-protected-resource").get_json()
        assert document["authorization_servers"] == [f"https://{DOMAIN}/"]

    def test_metrics_count_tokens_and_no_fetches(self) -> None:
        app, registry = make(), CollectorRegistry()
        instrument(app, registry=registry)
        assert passes(guarded(app), token_by())
        text = generate_latest(registry).decode()
        assert "auth0_tokens_verified_total 2.0" in text
        assert "auth0_key_set_fetches_total{" not in text

    @pytest.mark.parametrize(
        ("words", "said"), [("jwks", NO_KEY_SET), ("inspect -", "accepted"), ("doctor", NO_KEY_SET)]
    )
    def test_the_commands_say_so(self, hs_issuer: LocalIssuer, words: str, said: str) -> None:
        """Doctor still compares the clock, and the issuer's name; nothing depends on the answer."""
        app = make(**hs_issuer.settings)
        result = app.test_cli_runner().invoke(args=["auth0", *words.split()], input=hs_issuer.token())
        assert result.exit_code == 0, result.output
        assert said in result.output
        assert SECRET not in result.output
        if words == "doctor":
            assert "names the same issuer" in result.output
            assert "within 1 s of the clock" in result.output
            with hs_issuer.outage(None):
                result = app.test_cli_runner().invoke(args=["auth0", "doctor"])
            assert "tokens are verified without the network" in result.output
            assert result.exit_code == 0

    def test_inspect_says_which_mistake_it_is(self, issuer: LocalIssuer) -> None:
        app = make()
        for token, name in ((token_by(OTHER), "other secret"), (issuer.token(iss=f"https://{DOMAIN}/"), "no secret")):
            result = app.test_cli_runner().invoke(args=["auth0", "inspect", "-"], input=token)
            assert (result.exit_code, f"{name}:" in result.output) == (1, True)

    def test_events_of_others_are_still_verified_with_their_own_keys(self, issuer: LocalIssuer) -> None:
        """A transmitter's key verifies its events, and no access token; the secret verifies no events."""
        senders = {**issuer.event_settings, "AUTH0_LOGOUT_CLIENT_IDS": None}
        client = guarded(make(AUTH0_ISSUER=issuer.issuer, AUTH0_DOMAIN=None, **senders))
        victim = token_by(iss=issuer.issuer, sub="auth0|local-user")
        assert passes(client, victim)
        event = issuer.security_event()
        forged = jwt.encode(
            jwt.decode(event, options={"verify_signature": False}), SECRET, headers={"typ": "secevent+jwt"}
        )
        kind = {"content_type": "application/secevent+jwt"}
        assert client.post("/auth/events/security", data=forged, **kind).status_code == 400
        assert passes(client, victim)
        assert client.post("/auth/events/security", data=event, **kind).status_code == 202
        assert answer_to(client, victim) == refusals.REVOKED
        assert answer_to(client, issuer.token()) == refusals.UNSUPPORTED_ALGORITHM


class TestLocalIssuer:
    def test_an_app_accepts_its_tokens_and_finds_no_key_set(self, hs_issuer: LocalIssuer) -> None:
        client = guarded(make(**hs_issuer.settings))
        assert passes(client, hs_issuer.token())
        assert passes(client, hs_issuer.machine_token())
        assert jwt.get_unverified_header(hs_issuer.token()) == {"alg": "HS256", "typ": "JWT"}
        assert answer_to(client, hs_issuer.forged_token()) == refusals.INVALID_SIGNATURE
        assert answer_to(client, hs_issuer.unsigned_token()) == refusals.UNSUPPORTED_ALGORITHM
        assert (hs_issuer.key_set, hs_issuer.fetch_count) == ({"keys": []}, 0)
        assert hs_issuer.event_settings.keys() == {"AUTH0_EVENT_SECRETS"}
        assert load_settings({}, hs_issuer.environ).algorithms == ("HS256",)

    def test_it_rotates_its_secret(self, hs_issuer: LocalIssuer) -> None:
        """Its settings have the last two; by default a secret is random."""
        old = hs_issuer.token()
        hs_issuer.rotate(signing_secret=OTHER)
        assert hs_issuer.settings["AUTH0_SIGNING_SECRET"] == f"{SECRET},{OTHER}"
        client = guarded(make(**hs_issuer.settings))
        assert passes(client, old)
        assert passes(client, hs_issuer.token())
        first, second = (LocalIssuer(algorithm="HS256").signing_key() for _ in range(2))
        assert first != second
        hs_issuer.reset()
        assert hs_issuer.signing_key() == SECRET.encode()

    @pytest.mark.parametrize("wrong", [{"signing_secret": SECRET}, {"algorithm": "ES256", "signing_secret": SECRET}])
    def test_a_key_has_no_secret(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="Only HS256 has a secret"):
            LocalIssuer(**wrong)

    def test_kinds_are_never_mixed(self, hs_issuer: LocalIssuer, issuer: LocalIssuer) -> None:
        for one, algorithm in ((hs_issuer, "RS256"), (issuer, "HS256")):
            with pytest.raises(ValueError, match="has no other keys"):
                one.rotate(algorithm)
