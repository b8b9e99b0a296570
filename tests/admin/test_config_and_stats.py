"""``GET /auth/admin/config``, ``jwks`` and ``stats``: what operators see of one process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask.testing import FlaskClient
from operators import as_operator, post_revocation
from refusals import guarded

from auth0_blueprint import ConfigurationError, requires_scope
from auth0_blueprint.settings.schema import SettingsSchema
from auth0_blueprint.testing import EncryptionKey, LocalIssuer

SECRET = "do-not-show-this-to-anybody-at-all"

MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def make_operator(make_app: AppFactory, issuer: LocalIssuer) -> MakeClient:
    return lambda **settings: as_operator(make_app(**settings).test_client(), issuer)


def settings_of(operator: FlaskClient) -> dict[str, dict[str, Any]]:
    response = operator.get("/auth/admin/config")
    assert SECRET not in response.text
    return {setting["key"]: setting for setting in response.get_json()["settings"]}


def test_every_setting_is_there_with_its_value_and_source(make_operator: MakeClient, issuer: LocalIssuer) -> None:
    shown = settings_of(make_operator())
    assert list(shown) == list(SettingsSchema().fields)
    for key, field in SettingsSchema().fields.items():
        default = list(field.load_default) if isinstance(field.load_default, tuple) else field.load_default
        if key == "AUTH0_JWKS_URL":
            default = f"{issuer.issuer}.well-known/jwks.json"
        if key in {"AUTH0_ISSUER", "AUTH0_AUDIENCE", "AUTH0_ALGORITHMS"}:
            assert (shown[key]["source"], bool(shown[key]["value"])) == ("app.config", True)
        else:
            assert shown[key] == {"key": key, "source": "default", "value": default}


SENDER = {
    "issuer": "https://idp.example/", "jwks_url": "https://idp.example/jwks", "audience": ["https://api"],
    "effects": {"session-revoked": "ignore"}, "email_claim": "email", "subject_template": "okta|acme|{sub}",
}  # fmt: skip
PROVIDER = {name: member for name, member in SENDER.items() if name != "effects"}
KEY = EncryptionKey().pem
VALUES: dict[str, tuple[Any, Any]] = {
    "AUTH0_AUDIENCE": ("https://api.example.com, other", ["https://api.example.com", "other"]),
    "AUTH0_ALGORITHMS": ("RS256,ES256", ["RS256", "ES256"]), "AUTH0_LEEWAY": ("7", 7.0),
    "AUTH0_TOKEN_PROFILE": ("auth0", "auth0"), "AUTH0_REQUIRED_CLAIMS": ("sub,azp", ["sub", "azp"]),
    "AUTH0_ORGANIZATION": ("org_a,org_b", ["org_a", "org_b"]), "AUTH0_MAX_TOKEN_LIFETIME": ("86400", 86400.0),
    "AUTH0_MAX_ISSUERS": ("7", 7),
    "AUTH0_MAX_TOKEN_BYTES": ("9000", 9000), "AUTH0_REALM": ("r", "r"), "AUTH0_JWKS_TTL": ("700", 700.0),
    "AUTH0_JWKS_REFRESH_AHEAD": ("100", 100.0), "AUTH0_JWKS_MAX_STALE": ("4000", 4000.0),
    "AUTH0_JWKS_COOLDOWN": ("20", 20.0), "AUTH0_JWKS_MAX_WAITING": ("4", 4),
    "AUTH0_JWKS_TIMEOUT": ("4", 4.0), "AUTH0_JWKS_MAX_BYTES": ("200000", 200000),
    "AUTH0_JWKS_USER_AGENT": ("Mine/1", "Mine/1"), "AUTH0_JWKS_HONOR_MAX_AGE": ("true", True),
    "AUTH0_CACHE_SECRET": (SECRET, "***"), "AUTH0_TOKEN_CACHE_SIZE": ("64", 64), "AUTH0_SYNC_INTERVAL": ("2", 2.0),
    "AUTH0_REVOCATION": ("true", True), "AUTH0_REVOCATION_MAX_STALE": ("50", 50.0),
    "AUTH0_REVOCATION_ON_ERROR": ("deny", "deny"), "AUTH0_HEALTH_DETAILS": ("never", "never"),
    "AUTH0_ADMIN": ("true", True), "AUTH0_ADMIN_SCOPE": ("manage:auth0", "manage:auth0"),
    "AUTH0_INTROSPECTION_SCOPE": ("i:t", "i:t"), "AUTH0_ADMIN_RBAC": ("false", False),
    "AUTH0_DPOP": ("allowed", "allowed"), "AUTH0_MTLS_CERT": ("environ:SSL_CLIENT_CERT", "environ:SSL_CLIENT_CERT"),
    "AUTH0_MTLS": ("allowed", "allowed"), "AUTH0_DECRYPTION_KEYS": (KEY, "***"),
    "AUTH0_ENCRYPTION": ("allowed", "allowed"),
    "AUTH0_OTEL": ("true", True), "AUTH0_OTEL_SUBJECT": ("false", False),
    "AUTH0_OPENAPI": ("false", False), "AUTH0_PUBLIC_URL": ("https://api.example.com/", "https://api.example.com"),
    "AUTH0_RESOURCE_METADATA": ("true", True), "AUTH0_CLIENT_ID": ("client", "client"),
    "AUTH0_CLIENT_SECRET": (SECRET, "***"), "AUTH0_TOKEN_URL": ("https://a.example/token", "https://a.example/token"),
    "AUTH0_LOGOUT_CLIENT_IDS": ("web,app", ["web", "app"]),
    "AUTH0_SESSION_CLAIM": ("https://api/sid", "https://api/sid"),
    "AUTH0_EVENT_TRANSMITTERS": (json.dumps([SENDER]), [SENDER]), "AUTH0_EVENT_SECRETS": (SECRET, "***"),
    "AUTH0_GLOBAL_REVOCATION": (json.dumps(PROVIDER), [PROVIDER]),
}  # fmt: skip


@pytest.mark.parametrize("source", ["app.config", "environment"])
def test_what_is_set_says_where(make_operator: MakeClient, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """And its value as it is in force, not as it was written."""
    left_out = {"AUTH0_DOMAIN", "AUTH0_ISSUER", "AUTH0_JWKS_URL", "AUTH0_SIGNING_SECRET", "AUTH0_CLIENT_KEY"}
    assert VALUES.keys() | left_out | {"AUTH0_ADMIN_ISSUERS"} == set(SettingsSchema().fields)
    config: dict[str, Any] = dict.fromkeys(VALUES)
    for key, (text, _) in VALUES.items():
        if source == "environment":
            monkeypatch.setenv(key, text)
        else:
            config[key] = text
    shown = settings_of(make_operator(**config))
    for key, (_, value) in VALUES.items():
        assert shown[key] == {"key": key, "source": source, "value": value}


def test_no_secret_is_shown(make_operator: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no operators' answer; the secret of the sessions counts as that of the cache."""
    names = ("AUTH0_CLIENT_SECRET", "JWT_SECRET_KEY", "CACHE_REDIS_PASSWORD", "CACHE_REDIS_URL")
    operator = make_operator(SECRET_KEY=SECRET, **dict.fromkeys(names, f"redis://:{SECRET}@localhost/"))
    keyed = settings_of(make_operator(AUTH0_CLIENT_KEY=KEY))["AUTH0_CLIENT_KEY"]
    assert (keyed["value"], keyed["source"]) == ("***", "app.config")
    shown = {"key": "AUTH0_CACHE_SECRET", "value": "***", "source": "app.config"}
    assert settings_of(operator)["AUTH0_CACHE_SECRET"] == shown
    for path in ("/auth/admin/jwks", "/auth/admin/stats", "/auth/health"):
        assert SECRET not in operator.get(path).text
    monkeypatch.setenv("SECRET_KEY", SECRET)
    unset = settings_of(make_operator(SECRET_KEY=None))["AUTH0_CACHE_SECRET"]
    assert (unset["value"], unset["source"]) == (None, "default")


def test_the_keys_are_shown_as_they_are_used(make_operator: MakeClient, issuer: LocalIssuer) -> None:
    """With their RFC 7638 thumbprints, and the counters of the process."""
    (key_set,) = make_operator().get("/auth/admin/jwks").get_json()["key_sets"]
    assert [key["kid"] for key in key_set["keys"]] == issuer.key_ids
    for key in key_set["keys"]:
        assert [key[name] for name in ("kty", "alg", "use", "crv")] == ["RSA", "RS256", "sig", None]
        assert len(key["thumbprint"]) == 43
    url = f"{issuer.issuer}.well-known/jwks.json"
    numbers = {"generation": 1, "fetches": 1, "ignored": 0}
    expected = {"issuer": issuer.issuer, "url": url, "state": "fresh", "source": "network", **numbers}
    assert {name: key_set[name] for name in expected} == expected
    assert 0 <= key_set["age_seconds"] < 60


def test_a_process_in_good_order_cannot_be_out_of_touch(make_app: AppFactory) -> None:
    """An interval longer than what counts as out of touch is refused at startup."""
    make_app(AUTH0_SYNC_INTERVAL=60)
    with pytest.raises(ConfigurationError, match="AUTH0_REVOCATION_MAX_STALE: must be at least AUTH0_SYNC_INTERVAL"):
        make_app(AUTH0_SYNC_INTERVAL=61)


def stats_of(client: FlaskClient, issuer: LocalIssuer) -> dict[str, Any]:
    """Return them without how many tokens were equal: those of one second are."""
    body: dict[str, Any] = as_operator(client, issuer).get("/auth/admin/stats").get_json()
    del body["token_cache_hits"]
    return body


def test_the_counters_count_what_was_answered(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Each request once, and looking at them changes nothing but the count of verified ones."""
    app = make_app()
    app.add_url_rule("/scope", "scope", requires_scope("s")(lambda: ""))
    client = guarded(app)
    for token in (issuer.token(), issuer.token(expires_in=-60), issuer.token(aud="x"), issuer.token(aud="x")):
        client.get("/ours", headers=bearer(token))
    client.get("/ours")
    client.get("/scope", headers=bearer(issuer.token()))
    post_revocation(client, issuer, subject="s")
    rejected = {"authorization_header_missing": 1, "insufficient_scope": 1, "invalid_claims": 2, "token_expired": 1}
    # Two with good tokens, the one who revoked, and whoever looks.
    for verified in (4, 5):
        expected = {"verified": verified, "rejected": rejected, "key_fetches": 1, "revocations": 1}
        expected |= {"delegated": 0, "events": {}, "events_refused": {}, "token_requests": {}}
        assert stats_of(client, issuer) == expected


@pytest.mark.usefixtures("unmeasured")
def test_no_count_is_lost_between_threads(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app = guarded(make_app()).application
    good, bad = bearer(issuer.token()), bearer("a.b.c")
    barrier = threading.Barrier(8)

    def work() -> None:
        client = app.test_client()
        barrier.wait()
        for number in range(500):
            client.get("/ours", headers=bad if number % 2 else good)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work) for _ in range(8)]:
            done.result()
    stats = stats_of(app.test_client(), issuer)
    assert (stats["verified"], stats["rejected"]) == (2001, {"token_malformed": 2000})
