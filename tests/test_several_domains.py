"""Several domains of one tenant: each has its own issuer, keys and pace, and all have the same users.

The apps are assembled as always; only name resolution and TLS are missing: the key set of a domain is fetched, over
real HTTP, from that domain's server on loopback.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import MovableClock, bearer
from flask import Flask
from flask.testing import FlaskClient
from flask_caching.backends import SimpleCache
from jwt import PyJWS
from refusals import (
    INVALID_SIGNATURE,
    KEY_SET_UNAVAILABLE,
    OTHER_ISSUER,
    REVOKED,
    UNKNOWN_KEY,
    answer_to,
    claims_of,
    guarded,
    passes,
    seen,
)
from servers import complete
from shared_sources import make_shared

from auth0_blueprint import (
    Auth0Blueprint,
    Auth0Error,
    admin_acted,
    key_set_refresh_failed,
    key_set_refreshed,
)
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import UnknownKeyError
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.fetch import FetchError, fetch
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.shared_copy import SharedEntry
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import Verifier

CANONICAL, CUSTOM = "example.eu.auth0.com", "login.example.com"
SECRET = "a secret of the fleet"
REFRESH = "/auth/admin/jwks/refresh"
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"], "sub": "auth0|admin"}


class Domain(LocalIssuer):
    """One domain of the tenant. Its key ids are those of every other domain here, its keys are not."""

    def __init__(self, name: str) -> None:
        super().__init__(algorithm="EdDSA")
        self.name = name
        self.rotate()

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens."""
        return f"https://{self.name}/"

    @property
    def url(self) -> str:
        """Where its key set is."""
        return f"{self.issuer}.well-known/jwks.json"

    @property
    def url_on_loopback(self) -> str:
        """Where it really is."""
        return f"{super().issuer}.well-known/jwks.json"


class Network:
    """Leads to the domains.

    Attributes:
        asked: the URLs that key sets were fetched from, in order.
        before: called with each of them; may keep the answer waiting.
    """

    def __init__(self, *domains: Domain) -> None:
        self.domains = {domain.url: domain for domain in domains}
        self.asked: list[str] = []
        self.before: Callable[[str], object] = lambda _url: None

    def fetch(self, url: str, timeout_seconds: float, max_bytes: int) -> bytes:
        """Fetch a key set."""
        self.asked.append(url)
        self.before(url)
        if not self.domains[url].is_running:
            raise FetchError("connection")
        return fetch(self.domains[url].url_on_loopback, timeout_seconds, max_bytes)


Domains = tuple[Domain, Domain]


@pytest.fixture
def domains() -> Iterator[Domains]:
    """The canonical domain, and a custom one."""
    with Domain(CANONICAL) as canonical, Domain(CUSTOM) as custom:
        yield canonical, custom


@pytest.fixture
def network(domains: Domains) -> Network:
    return Network(*domains)


AppFactory = Callable[..., Flask]


@pytest.fixture
def make_app(network: Network) -> AppFactory:
    """Return a factory of apps that trust both domains: ``make_app(*, clock=SYSTEM_CLOCK, **settings)``."""

    def make(*, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> Flask:
        app, blueprint = Flask("tested", static_folder=None), Auth0Blueprint()
        app.config.update(
            AUTH0_DOMAIN=[CANONICAL, CUSTOM],
            AUTH0_AUDIENCE="https://api.example.com",
            AUTH0_ALGORITHMS="EdDSA",
            AUTH0_HEALTH_DETAILS="always",
        )
        app.config.update(settings)
        app.register_blueprint(blueprint)
        loaded = app.extensions["auth0"].settings
        app.extensions["auth0"] = assemble(app, loaded, None, blueprint.jwt_manager, fetch=network.fetch, clock=clock)
        return app

    return make


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return guarded(app)


@pytest.fixture
def on_disk(tmp_path: Path) -> dict[str, Any]:
    """The settings of apps that share a cache."""
    return {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "SECRET_KEY": SECRET}


def as_admin(domain: Domain) -> dict[str, str]:
    return bearer(domain.token(**ADMIN))


def health(client: FlaskClient) -> tuple[int, str, list[str]]:
    """Return the HTTP status, the status, and that of each key set."""
    response = client.get("/auth/health")
    body = response.get_json()
    return response.status_code, body["status"], [check["status"] for check in body["checks"]["key_sets"]]


def without_key_id(signer: Domain, issuer: str) -> str:
    """Return a token that says it is from *issuer*, and not which key has signed it."""
    claims = claims_of(signer.token(iss=issuer))
    return PyJWS().encode(json.dumps(claims).encode(), signer.signing_key(), algorithm="EdDSA")


class TestKeys:
    def test_tokens_of_each_domain_pass_by_its_own_keys(
        self, client: FlaskClient, domains: Domains, network: Network
    ) -> None:
        """One fetch for each, when the first token of it comes."""
        for count, domain in enumerate(domains, 1):
            assert passes(client, domain.token())
            assert network.asked == [known.url for known in domains[:count]]

    @pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
    @pytest.mark.parametrize("signer", [0, 1], ids=["canonical", "custom"])
    def test_no_key_of_one_domain_serves_the_other(
        self, client: FlaskClient, domains: Domains, is_warm: bool, signer: int
    ) -> None:
        """Although the key ids are the same, and tokens under them have passed and are remembered."""
        stranger, claimed = domains[signer], domains[not signer]
        assert stranger.key_ids == claimed.key_ids
        if is_warm:
            assert all(passes(client, domain.token()) for domain in domains)
        for key_id in stranger.key_ids:
            assert answer_to(client, stranger.token(key_id=key_id, iss=claimed.issuer)) == INVALID_SIGNATURE
        assert passes(client, claimed.token())

    @pytest.mark.parametrize("signer", [0, 1], ids=["canonical", "custom"])
    def test_a_key_id_that_only_the_other_domain_has_is_unknown(
        self, client: FlaskClient, domains: Domains, network: Network, signer: int
    ) -> None:
        """It is looked for at one domain, and nowhere else."""
        stranger, claimed = domains[signer], domains[not signer]
        stranger.rotate()
        assert passes(client, stranger.token())
        assert answer_to(client, stranger.token(iss=claimed.issuer)) == UNKNOWN_KEY
        assert answer_to(client, stranger.token(iss=claimed.issuer, headers={"kid": "x"})) == UNKNOWN_KEY
        assert network.asked == [stranger.url, claimed.url]

    def test_a_token_without_key_id_is_tried_with_the_keys_of_its_own_domain(
        self, client: FlaskClient, domains: Domains
    ) -> None:
        """Exactly one there has to fit: one in all is not enough, and one of another domain is none."""
        canonical, custom = domains
        canonical.remove_key(canonical.key_ids[0])
        for domain in domains:
            assert passes(client, domain.token())
        assert passes(client, without_key_id(canonical, canonical.issuer))
        assert answer_to(client, without_key_id(custom, canonical.issuer)) == INVALID_SIGNATURE
        for signer in domains:
            assert answer_to(client, without_key_id(signer, custom.issuer)) == UNKNOWN_KEY


class NotingCache(SimpleCache):
    """A cache that notes what it is asked for."""

    asked: ClassVar[list[str]] = []

    def get(self, key: str) -> Any:
        self.asked.append(key)
        return super().get(key)

    def get_many(self, *keys: str) -> list[Any]:
        self.asked.extend(keys)
        return [super(NotingCache, self).get(key) for key in keys]

    def set(self, key: str, value: Any, timeout: Any = None) -> Any:
        self.asked.append(key)
        return super().set(key, value, timeout)


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    NotingCache.asked.clear()


def _tricks() -> dict[str, Any]:
    good = f"https://{CUSTOM}/"
    return {
        "another tenant": "https://other.eu.auth0.com/",
        "no slash": good[:-1],
        "prefix": good[:-2],
        "longer": f"{good}x",
        "two slashes": f"{good}/",
        "subdomain": f"https://x.{CUSTOM}/",
        "suffix": f"https://{CUSTOM}.evil.example/",
        "other case": good.upper(),
        "other case of the host": f"https://{CUSTOM.title()}/",
        "http": f"http://{CUSTOM}/",
        "port": f"https://{CUSTOM}:443/",
        "bare": CUSTOM,
        "both": f"https://{CANONICAL}/,https://{CUSTOM}/",
        "space": f" {good}",
        "list": [good],
        "list of both": [f"https://{CANONICAL}/", good],
        "object": {good: good},
        "number": 1,
        "true": True,
        "null": None,
        "empty": "",
    }


class TestIssuer:
    @pytest.mark.parametrize("issuer", _tricks().values(), ids=_tricks().keys())
    def test_another_issuer_is_refused_before_network_and_cache(
        self, make_app: AppFactory, domains: Domains, network: Network, issuer: object
    ) -> None:
        """Whatever is almost one of ours, signed with a key of ours."""
        client = guarded(make_app(CACHE_TYPE=f"{__name__}.NotingCache", SECRET_KEY=SECRET))
        for domain in domains:
            assert answer_to(client, domain.token(iss=issuer)) == OTHER_ISSUER
        complete()
        assert (network.asked, NotingCache.asked) == ([], [])
        assert passes(client, domains[1].token())
        complete()
        assert network.asked
        assert NotingCache.asked

    def test_a_token_without_issuer_is_refused(self, client: FlaskClient, domains: Domains, network: Network) -> None:
        """No domain is the default."""
        assert answer_to(client, domains[0].token(without=("iss",))) == OTHER_ISSUER
        assert network.asked == []


class Keys:
    """The keys of one domain, whose generation a test moves on."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.generation = 1

    def snapshot(self) -> Snapshot:
        key_set = parse_key_set(json.dumps(self.domain.key_set).encode())
        return Snapshot(key_set, 0, 0, 0, 0, 0, "network", self.generation)

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        found = self.snapshot().select(key_id, algorithm)
        if found is None:
            raise UnknownKeyError
        return found

    cached_key = key_for


class TestRememberedTokens:
    @pytest.mark.parametrize("changed", [0, 1], ids=["canonical", "custom"])
    def test_it_is_the_key_set_of_its_own_issuer_that_a_remembered_token_depends_on(
        self, domains: Domains, changed: int
    ) -> None:
        """A key that one domain has withdrawn is out, whatever the other's generation; the other's tokens stay."""
        settings = load_settings(
            {
                "AUTH0_DOMAIN": [CANONICAL, CUSTOM],
                "AUTH0_AUDIENCE": "https://api.example.com",
                "AUTH0_ALGORITHMS": "EdDSA",
            },
            {},
        )
        keys, hits = {domain.issuer: Keys(domain) for domain in domains}, list[str]()
        verifier = Verifier(settings, keys, remembered=TokenCache(9), on_remembered=lambda: hits.append("hit"))
        withdrawn, kept = domains[changed].token(), domains[not changed].token()
        for _ in range(2):
            assert [verifier.prove(token).subject for token in (withdrawn, kept)] == ["auth0|local-user"] * 2
        assert hits == ["hit", "hit"]
        domains[changed].remove_key(domains[changed].key_ids[-1])
        keys[domains[changed].issuer].generation += 1
        with pytest.raises(Auth0Error) as caught:
            verifier.prove(withdrawn)
        assert caught.value.code == "unknown_key"
        verifier.prove(kept)
        assert len(hits) == 3

    def test_a_remembered_token_is_not_taken_for_one_of_the_other_domain(
        self, client: FlaskClient, domains: Domains
    ) -> None:
        """Neither with its claims under another signature, nor with its signature under another issuer."""
        canonical, custom = domains
        good, other = canonical.token(), custom.token()
        assert passes(client, good)
        assert passes(client, other)
        claims, signature = good.rpartition(".")[0], other.rpartition(".")[2]
        assert answer_to(client, f"{claims}.{signature}") == INVALID_SIGNATURE
        assert answer_to(client, canonical.token(iss=custom.issuer)) == INVALID_SIGNATURE


class TestOutages:
    @pytest.mark.parametrize("away", [0, 1], ids=["canonical", "custom"])
    def test_while_one_domain_is_away_the_tokens_of_the_other_pass(
        self, client: FlaskClient, domains: Domains, network: Network, away: int
    ) -> None:
        """Health warns, so that a load balancer leaves the process where it is, and says which."""
        domains[away].stop()
        assert answer_to(client, domains[away].token()) == KEY_SET_UNAVAILABLE
        assert passes(client, domains[not away].token())
        assert network.asked.count(domains[not away].url) == 1
        statuses = ["pass", "pass"]
        statuses[away] = "fail"
        assert health(client) == (200, "warn", statuses)

    def test_health_fails_when_no_domain_has_keys(self, client: FlaskClient, domains: Domains) -> None:
        """Then no token can be verified here."""
        for domain in domains:
            domain.stop()
        assert health(client) == (503, "fail", ["fail", "fail"])

    def test_health_passes_when_all_have(self, client: FlaskClient, network: Network) -> None:
        """The question itself has both fetched."""
        assert health(client) == (200, "pass", ["pass", "pass"])
        assert len(network.asked) == 2

    def test_health_waits_for_all_together(self, client: FlaskClient, domains: Domains, network: Network) -> None:
        """A second at most; and one that hangs does not make the others look as if they did."""
        go_on, hung = threading.Event(), domains[0].url
        network.before = lambda url: url == hung and go_on.wait(20)
        started = time.monotonic()
        assert health(client) == (200, "warn", ["fail", "pass"])
        assert time.monotonic() - started < 1.9
        go_on.set()
        complete()
        assert health(client) == (200, "pass", ["pass", "pass"])


def share(app: Flask, domain: Domain, seconds_ago: float) -> None:
    """Put into the cache of *app* what another process has got from *domain*."""
    open_backend = app.extensions["auth0"].cache.open_now
    shared = make_shared(SYSTEM_CLOCK, open_backend, issuer=domain.issuer, url=domain.url, secret=SECRET)
    shared.write(SharedEntry(json.dumps(domain.key_set), time.time() - seconds_ago))


class TestFleet:
    def test_another_process_takes_over_the_key_sets_of_all_domains(
        self, make_app: AppFactory, domains: Domains, network: Network, on_disk: dict[str, Any]
    ) -> None:
        """Each is shared under its own issuer."""
        first, second = (guarded(make_app(**on_disk)) for _ in range(2))
        assert all(passes(first, domain.token()) for domain in domains)
        complete()
        assert all(passes(second, domain.token()) for domain in domains)
        assert network.asked == [domain.url for domain in domains]

    @pytest.mark.parametrize("lately", [0, 1], ids=["canonical", "custom"])
    def test_each_domain_has_its_own_cooldown(
        self, make_app: AppFactory, domains: Domains, network: Network, on_disk: dict[str, Any], lately: int
    ) -> None:
        """One was asked just now, the other 40 seconds ago: an unknown key id has only the other asked, once."""
        app = make_app(**on_disk)
        client, old = guarded(app), domains[not lately]
        share(app, domains[lately], 0)
        share(app, old, 40)
        for domain in domains:
            assert passes(client, domain.token())
        for _ in range(3):
            for domain in domains:
                assert answer_to(client, domain.token(headers={"kid": "unknown"})) == UNKNOWN_KEY
        assert network.asked == [old.url]

    @pytest.mark.parametrize("admin", [0, 1], ids=["canonical", "custom"])
    def test_a_refresh_binds_every_process_for_all_domains(
        self, make_app: AppFactory, domains: Domains, on_disk: dict[str, Any], clock: MovableClock, admin: int
    ) -> None:
        """Whichever domain the admin comes from."""
        apps = [make_app(**on_disk), make_app(clock=clock.monotonic_only, **on_disk)]
        first, second = map(guarded, apps)
        leaked = [domain.token(key_id=domain.key_ids[0]) for domain in domains]
        for client in (first, second):
            assert all(passes(client, token) for token in leaked)
            complete()
        for domain in domains:
            domain.remove_key(domain.key_ids[0])
        response = first.post(REFRESH, headers=as_admin(domains[admin]))
        assert response.status_code == 200
        assert [key_set["generation"] for key_set in response.get_json()["key_sets"]] == [2, 2]
        complete()
        assert all(passes(second, token) for token in leaked)
        clock.move(5)
        for client in (first, second):
            assert [answer_to(client, token) for token in leaked] == [UNKNOWN_KEY, UNKNOWN_KEY]
        # The interval between two refreshes is that of the fleet.
        assert second.post(REFRESH, headers=as_admin(domains[admin])).status_code == 429

    @pytest.mark.parametrize("away", [0, 1], ids=["canonical", "custom"])
    def test_a_refresh_that_one_domain_fails_is_in_force_for_the_other(
        self, make_app: AppFactory, domains: Domains, on_disk: dict[str, Any], clock: MovableClock, away: int
    ) -> None:
        """503, as not everything was done that was asked for; the audit trail names what was."""
        apps = [make_app(**on_disk), make_app(clock=clock.monotonic_only, **on_disk)]
        first, second = map(guarded, apps)
        well = domains[not away]
        leaked, admin = well.token(key_id=well.key_ids[0]), as_admin(well)
        for client in (first, second):
            assert all(passes(client, domain.token(key_id=domain.key_ids[0])) for domain in domains)
            complete()
        domains[away].stop()
        well.remove_key(well.key_ids[0])
        acted: list[Any] = []

        def hear(_app: Flask, **said: Any) -> None:
            acted.append((said["action"], said["target"]))

        with admin_acted.connected_to(hear, apps[0]):
            assert seen(first.post(REFRESH, headers=admin)) == KEY_SET_UNAVAILABLE
        assert acted == [("refresh", f"key set of {well.issuer}")]
        complete()
        clock.move(5)
        for client in (first, second):
            assert answer_to(client, leaked) == UNKNOWN_KEY
            assert passes(client, domains[away].token())
        assert first.post(REFRESH, headers=admin).status_code == 429

    def test_a_refresh_asks_all_domains_at_once(self, client: FlaskClient, domains: Domains, network: Network) -> None:
        """One that hangs holds up no other: here neither answers before both were asked."""
        assert all(passes(client, domain.token()) for domain in domains)
        both = threading.Barrier(2, timeout=4)
        network.before = lambda _url: both.wait()
        assert client.post(REFRESH, headers=as_admin(domains[0])).status_code == 200
        assert sorted(network.asked[2:]) == sorted(domain.url for domain in domains)


class TestRevocation:
    @pytest.mark.parametrize("admin", [0, 1], ids=["canonical", "custom"])
    @pytest.mark.parametrize(
        "revoked", [{"subject": "auth0|local-user"}, {"client_id": "local-client"}, {"jti": "1"}], ids=str
    )
    def test_a_revocation_is_for_all_domains(
        self, client: FlaskClient, domains: Domains, revoked: dict[str, str], admin: int
    ) -> None:
        """They have the same users and clients."""
        tokens = [domain.token(jti="1") for domain in domains]
        assert all(passes(client, token) for token in tokens)
        headers = bearer(domains[admin].token(azp="ops", **ADMIN))
        assert client.post("/auth/admin/revocations", json=revoked, headers=headers).status_code == 201
        assert [answer_to(client, token) for token in tokens] == [REVOKED, REVOKED]

    def test_a_token_is_revoked_alone(self, client: FlaskClient, domains: Domains) -> None:
        """That of the other domain is another token."""
        tokens = [domain.token() for domain in domains]
        made = client.post("/auth/admin/revocations", json={"token": tokens[1]}, headers=as_admin(domains[0]))
        assert made.status_code == 201
        assert [answer_to(client, token).status for token in tokens] == [200, 401]

    @pytest.mark.parametrize("revoker", [0, 1], ids=["before", "after"])
    def test_processes_that_know_one_domain_more_share_revocations_with_the_others(
        self, make_app: AppFactory, domains: Domains, on_disk: dict[str, Any], clock: MovableClock, revoker: int
    ) -> None:
        """In a rolling deployment that puts a domain behind the first one."""
        shared = {**on_disk, "clock": clock.monotonic_only}
        apps = [make_app(AUTH0_DOMAIN=CANONICAL, **shared), make_app(**shared)]
        clients, token = [guarded(app) for app in apps], domains[0].token()
        assert all(passes(client, token) for client in clients)
        made = clients[revoker].post(
            "/auth/admin/revocations", json={"subject": "auth0|local-user"}, headers=as_admin(domains[0])
        )
        assert made.status_code == 201
        clock.move(5)
        assert [answer_to(client, token) for client in clients] == [REVOKED, REVOKED]


class TestWhatOperatorsSee:
    def test_the_key_set_of_each_domain_is_shown_with_its_own_counters(
        self, client: FlaskClient, domains: Domains
    ) -> None:
        """The counters of the process are their sum."""
        canonical, custom = domains
        canonical.rotate()
        assert passes(client, canonical.token())
        client.application.extensions["auth0"].key_sources[canonical.issuer].refresh_now(5)
        headers = as_admin(canonical)
        shown = client.get("/auth/admin/jwks", headers=headers).get_json()["key_sets"]
        names = ("issuer", "url", "state", "fetches")
        assert [tuple(key_set[name] for name in names) for key_set in shown] == [
            (canonical.issuer, canonical.url, "fresh", 2),
            (custom.issuer, custom.url, "none", 0),
        ]
        assert [key["kid"] for key in shown[0]["keys"]] == canonical.key_ids
        assert passes(client, custom.token())
        assert client.get("/auth/admin/stats", headers=headers).get_json()["key_fetches"] == 3
        shown = client.get("/auth/admin/jwks", headers=headers).get_json()["key_sets"]
        assert [key_set["fetches"] for key_set in shown] == [2, 1]
        assert [key["kid"] for key in shown[1]["keys"]] == custom.key_ids

    def test_the_settings_in_force_name_all(self, client: FlaskClient, domains: Domains) -> None:
        """As lists."""
        answer = client.get("/auth/admin/config", headers=as_admin(domains[1])).get_json()
        shown = {setting["key"]: setting["value"] for setting in answer["settings"]}
        assert shown["AUTH0_DOMAIN"] == [CANONICAL, CUSTOM]
        assert shown["AUTH0_ISSUER"] == [domain.issuer for domain in domains]
        assert shown["AUTH0_JWKS_URL"] == [domain.url for domain in domains]

    def test_the_cache_check_counts_for_all(
        self, make_app: AppFactory, domains: Domains, on_disk: dict[str, Any]
    ) -> None:
        """An entry that was not believed, whichever domain it was for."""
        app = make_app(**on_disk)
        share(app, domains[1], -60)  # from the future
        client = guarded(app)
        assert all(passes(client, domain.token()) for domain in domains)
        assert client.get("/auth/health").get_json()["checks"]["cache"]["ignored"] > 0

    def test_signals_say_whose_key_set_it_is(self, app: Flask, client: FlaskClient, domains: Domains) -> None:
        """Fetched or failed."""
        heard: list[tuple[str, str]] = []

        def hear_refreshed(_app: Flask, issuer: str, **_said: Any) -> None:
            heard.append(("refreshed", issuer))

        def hear_failed(_app: Flask, issuer: str, **_said: Any) -> None:
            heard.append(("failed", issuer))

        domains[0].stop()
        with (
            key_set_refreshed.connected_to(hear_refreshed, app),
            key_set_refresh_failed.connected_to(hear_failed, app),
        ):
            for domain in domains:
                client.get("/ours", headers=bearer(domain.token()))
                complete()
        assert heard == [("failed", domains[0].issuer), ("refreshed", domains[1].issuer)]

    def test_the_command_line_shows_each_and_fails_if_one_is_missing(self, app: Flask, domains: Domains) -> None:
        """In text and in JSON."""

        def run(*arguments: str) -> Any:
            return app.test_cli_runner().invoke(args=["auth0", "jwks", *arguments])

        result = run()
        assert result.exit_code == 0
        for domain in domains:
            assert f"issuer   {domain.issuer}\nkey set  {domain.url}\nstate    fresh\n" in result.output
        domains[0].rotate()
        domains[0].stop()
        shown = json.loads(run("--json").stdout)["key_sets"]
        assert [key_set["issuer"] for key_set in shown] == [domain.issuer for domain in domains]

    @pytest.mark.parametrize("away", [0, 1], ids=["canonical", "custom"])
    @pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
    def test_the_command_line_exits_with_1_if_one_is_missing(
        self, app: Flask, domains: Domains, away: int, arguments: list[str]
    ) -> None:
        """Whichever; the others are shown all the same."""
        domains[away].stop()
        result = app.test_cli_runner().invoke(args=["auth0", "jwks", *arguments])
        assert result.exit_code == 1
        assert all(domain.url in result.output for domain in domains)
        assert "no connection, or a broken answer" in result.output

    def test_clients_are_told_of_all_of_them(self, make_app: AppFactory, domains: Domains) -> None:
        """Each is an authorization server whose tokens are accepted (RFC 9728 §2)."""
        app = make_app(AUTH0_RESOURCE_METADATA=True)
        metadata = app.test_client().get("/.well-known/oauth-protected-resource").get_json()
        assert metadata["authorization_servers"] == [domain.issuer for domain in domains]
