"""Several domains of one tenant: each has its own issuer, keys and pace, and all have the same users.

The apps are assembled as always; only name resolution and TLS are missing: the key set of a domain is fetched, over
real HTTP, from that domain's server on loopback.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property
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
    NO_KEY_ID,
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

from auth0_blueprint import Auth0Blueprint, Auth0Error, admin_acted, key_set_refresh_failed, key_set_refreshed
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import UnknownKeyError
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError, fetch
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.shared_copy import SharedEntry
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import Verifier

CANONICAL, CUSTOM = "example.eu.auth0.com", "login.example.com"
SECRET = "a secret of the fleet, long enough"
REFRESH = "/auth/admin/jwks/refresh"
REVOCATIONS = "/auth/admin/revocations"
SETTINGS = {
    "AUTH0_DOMAIN": [CANONICAL, CUSTOM],
    "AUTH0_AUDIENCE": "https://api.example.com",
    "AUTH0_ALGORITHMS": "EdDSA",
}
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


Domains = tuple[Domain, Domain]


class Tenant:
    """The canonical domain and a custom one, and apps that trust both.

    Attributes:
        asked: the URLs that key sets were fetched from, in order.
        before: called with each of them; may keep the answer waiting.
        on_disk: the settings of apps that share a cache.
    """

    def __init__(self, domains: Domains, folder: Path) -> None:
        self.domains = domains
        self.asked: list[str] = []
        self.before: Callable[[str], object] = lambda _url: None
        self.on_disk: dict[str, Any] = {
            "CACHE_TYPE": "FileSystemCache",
            "CACHE_DIR": str(folder / "cache"),
            "SECRET_KEY": SECRET,
        }

    def fetch(self, url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool) -> FetchedKeySet:
        """Fetch a key set."""
        (domain,) = (domain for domain in self.domains if domain.url == url)
        self.asked.append(url)
        self.before(url)
        if not domain.is_running:
            raise FetchError("connection")
        return fetch(domain.url_on_loopback, timeout_seconds, max_bytes, no_cache=no_cache)

    def make_client(self, *, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> FlaskClient:
        """Return the client of one more app."""
        app, blueprint = Flask("tested", static_folder=None), Auth0Blueprint()
        app.config.update({**SETTINGS, "AUTH0_HEALTH_DETAILS": "always", **settings})
        app.register_blueprint(blueprint)
        loaded = app.extensions["auth0"].settings
        app.extensions["auth0"] = assemble(app, loaded, None, blueprint.jwt_manager, fetch=self.fetch, clock=clock)
        return guarded(app)

    @cached_property
    def client(self) -> FlaskClient:
        """The client of the app that most tests do with."""
        return self.make_client()

    def fleet(self, clock: MovableClock) -> tuple[FlaskClient, FlaskClient]:
        """Return the clients of two processes that share a cache, the second of which lives by *clock*."""
        return self.make_client(**self.on_disk), self.make_client(clock=clock.monotonic_only, **self.on_disk)

    def tokens_pass(self, client: FlaskClient) -> bool:
        """Tell whether *client* gets through with a token of each domain."""
        return all(passes(client, domain.token()) for domain in self.domains)


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with Domain(CANONICAL) as canonical, Domain(CUSTOM) as custom:
        yield Tenant((canonical, custom), tmp_path)


@pytest.fixture(params=[0, 1], ids=["canonical", "custom"])
def pair(request: pytest.FixtureRequest, tenant: Tenant) -> Domains:
    """The two domains: what a test does with the first of them holds for each."""
    return tenant.domains[request.param], tenant.domains[not request.param]


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
    def test_tokens_of_each_domain_pass_by_its_own_keys(self, tenant: Tenant) -> None:
        for count, domain in enumerate(tenant.domains, 1):
            assert passes(tenant.client, domain.token())
            assert tenant.asked == [known.url for known in tenant.domains[:count]]

    @pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
    def test_no_key_of_one_domain_serves_the_other(self, tenant: Tenant, pair: Domains, is_warm: bool) -> None:
        """Although the key ids are the same, and tokens under them have passed and are remembered."""
        stranger, claimed = pair
        assert stranger.key_ids == claimed.key_ids
        if is_warm:
            assert tenant.tokens_pass(tenant.client)
        for key_id in stranger.key_ids:
            assert answer_to(tenant.client, stranger.token(key_id=key_id, iss=claimed.issuer)) == INVALID_SIGNATURE
        assert passes(tenant.client, claimed.token())

    def test_a_key_id_that_only_the_other_domain_has_is_unknown(self, tenant: Tenant, pair: Domains) -> None:
        """It is looked for at one domain, and nowhere else."""
        stranger, claimed = pair
        stranger.rotate()
        assert passes(tenant.client, stranger.token())
        assert answer_to(tenant.client, stranger.token(iss=claimed.issuer)) == UNKNOWN_KEY
        assert answer_to(tenant.client, stranger.token(iss=claimed.issuer, headers={"kid": "x"})) == UNKNOWN_KEY
        assert tenant.asked == [stranger.url, *[claimed.url] * 4]  # both guards ask

    def test_a_token_without_key_id_is_tried_with_the_keys_of_its_own_domain(self, tenant: Tenant) -> None:
        """Exactly one there has to fit: one in all is not enough, and one of another domain is none."""
        canonical, custom = tenant.domains
        canonical.remove_key(canonical.key_ids[0])
        assert tenant.tokens_pass(tenant.client)
        assert passes(tenant.client, without_key_id(canonical, canonical.issuer))
        assert answer_to(tenant.client, without_key_id(custom, canonical.issuer)) == INVALID_SIGNATURE
        for signer in tenant.domains:
            assert answer_to(tenant.client, without_key_id(signer, custom.issuer)) == NO_KEY_ID


class NotingCache(SimpleCache):
    """A cache that notes what it is asked for."""

    asked: ClassVar[list[str]] = []

    def get(self, key: str) -> Any:
        self.asked.append(key)
        return super().get(key)

    def get_many(self, *keys: str) -> list[Any]:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any, timeout: Any = None) -> Any:
        self.asked.append(key)
        return super().set(key, value, timeout)


GOOD = f"https://{CUSTOM}/"
TRICKS: list[Any] = [
    "https://other.eu.auth0.com/",
    # Parts of a good one, and more than one.
    *(GOOD[:-1], GOOD[:-2], CUSTOM, f"{GOOD}x", f"{GOOD}/", f" {GOOD}", f"https://{CANONICAL}/,{GOOD}"),
    *(f"https://x.{CUSTOM}/", f"https://{CUSTOM}.evil.example/", f"https://{CUSTOM}:443/", f"http://{CUSTOM}/"),
    *(GOOD.upper(), f"https://{CUSTOM.title()}/"),
    # Other types.
    *([GOOD], [f"https://{CANONICAL}/", GOOD], {GOOD: GOOD}, 1, True, None, ""),
]


class TestIssuer:
    @pytest.mark.parametrize("claims", [{"iss": issuer} for issuer in TRICKS] + [{"without": ("iss",)}], ids=str)
    def test_another_issuer_or_none_is_refused_before_network_and_cache(
        self, tenant: Tenant, claims: dict[str, Any]
    ) -> None:
        """Whatever is almost one of ours, signed with a key of ours; no domain is the default."""
        NotingCache.asked.clear()
        client = tenant.make_client(CACHE_TYPE=f"{__name__}.NotingCache", SECRET_KEY=SECRET)
        for domain in tenant.domains:
            assert answer_to(client, domain.token(**claims)) == OTHER_ISSUER
        complete()
        assert (tenant.asked, NotingCache.asked) == ([], [])
        assert passes(client, tenant.domains[1].token())
        complete()
        assert tenant.asked
        assert NotingCache.asked


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
    def test_it_is_the_key_set_of_its_own_issuer_that_a_remembered_token_depends_on(self, pair: Domains) -> None:
        """A key that one domain has withdrawn is out, whatever the other's generation; the other's tokens stay."""
        keys, hits = {domain.issuer: Keys(domain) for domain in pair}, list[str]()
        verifier = Verifier(
            load_settings(SETTINGS, {}), keys, remembered=TokenCache(9), on_remembered=lambda: hits.append("hit")
        )
        withdrawn, kept = (domain.token() for domain in pair)
        for _ in range(2):
            assert [verifier.prove(token).subject for token in (withdrawn, kept)] == ["auth0|local-user"] * 2
        assert hits == ["hit", "hit"]
        pair[0].remove_key(pair[0].key_ids[-1])
        keys[pair[0].issuer].generation += 1
        with pytest.raises(Auth0Error) as caught:
            verifier.prove(withdrawn)
        assert caught.value.code == "unknown_key"
        verifier.prove(kept)
        assert len(hits) == 3

    def test_a_remembered_token_is_not_taken_for_one_of_the_other_domain(self, tenant: Tenant) -> None:
        """Neither with its claims under another signature, nor with its signature under another issuer."""
        canonical, custom = tenant.domains
        good, other = canonical.token(), custom.token()
        assert passes(tenant.client, good)
        assert passes(tenant.client, other)
        claims, signature = good.rpartition(".")[0], other.rpartition(".")[2]
        assert answer_to(tenant.client, f"{claims}.{signature}") == INVALID_SIGNATURE
        assert answer_to(tenant.client, canonical.token(iss=custom.issuer)) == INVALID_SIGNATURE


class TestOutages:
    def test_while_one_domain_is_away_the_tokens_of_the_other_pass(self, tenant: Tenant, pair: Domains) -> None:
        """Health warns, so that a load balancer leaves the process where it is, and says which."""
        away, well = pair
        away.stop()
        assert answer_to(tenant.client, away.token()) == KEY_SET_UNAVAILABLE
        assert passes(tenant.client, well.token())
        assert tenant.asked.count(well.url) == 1
        statuses = ["fail" if domain is away else "pass" for domain in tenant.domains]
        assert health(tenant.client) == (200, "warn", statuses)

    @pytest.mark.parametrize(("are_away", "expected"), [(False, (200, "pass")), (True, (503, "fail"))])
    def test_health_is_that_of_all_domains_where_they_are_alike(
        self, tenant: Tenant, are_away: bool, expected: tuple[int, str]
    ) -> None:
        for domain in tenant.domains if are_away else ():
            domain.stop()
        assert health(tenant.client) == (*expected, [expected[1]] * 2)
        assert len(tenant.asked) == 2

    def test_health_waits_for_all_together(self, tenant: Tenant) -> None:
        """A second at most; and one that hangs does not make the others look as if they did."""
        go_on, hung = threading.Event(), tenant.domains[0].url
        tenant.before = lambda url: url == hung and go_on.wait(20)
        started = time.monotonic()
        assert health(tenant.client) == (200, "warn", ["fail", "pass"])
        assert time.monotonic() - started < 1.9
        go_on.set()
        complete()
        assert health(tenant.client) == (200, "pass", ["pass", "pass"])


def share(app: Flask, domain: Domain, seconds_ago: float) -> None:
    """Put into the cache of *app* what another process has got from *domain*."""
    open_backend = app.extensions["auth0"].cache.open_now
    shared = make_shared(SYSTEM_CLOCK, open_backend, issuer=domain.issuer, url=domain.url, secret=SECRET)
    shared.write(SharedEntry(json.dumps(domain.key_set), time.time() - seconds_ago))


class TestFleet:
    def test_another_process_takes_over_the_key_sets_of_all_domains(self, tenant: Tenant) -> None:
        for client in [tenant.make_client(**tenant.on_disk) for _ in range(2)]:
            assert tenant.tokens_pass(client)
            complete()
        assert tenant.asked == [domain.url for domain in tenant.domains]

    def test_each_domain_has_its_own_budget_of_searches(self, tenant: Tenant, pair: Domains) -> None:
        """All processes share it: unknown key ids of one domain leave that of the other as it is."""
        flooded, other = pair
        clients = [tenant.make_client(**tenant.on_disk) for _ in range(2)]
        assert all(tenant.tokens_pass(client) for client in clients)
        tenant.asked.clear()
        for client in clients * 3:
            assert answer_to(client, flooded.token(headers={"kid": "unknown"})) == UNKNOWN_KEY
        assert tenant.asked == [flooded.url] * 3
        other.rotate()
        assert passes(clients[0], other.token())

    def test_a_refresh_binds_every_process_for_all_domains(
        self, tenant: Tenant, pair: Domains, clock: MovableClock
    ) -> None:
        first, second = tenant.fleet(clock)
        leaked = [domain.token(key_id=domain.key_ids[0]) for domain in tenant.domains]
        for client in (first, second):
            assert all(passes(client, token) for token in leaked)
            complete()
        for domain in tenant.domains:
            domain.remove_key(domain.key_ids[0])
        response = first.post(REFRESH, headers=as_admin(pair[0]))
        assert response.status_code == 200
        assert [key_set["generation"] for key_set in response.get_json()["key_sets"]] == [2, 2]
        complete()
        assert all(passes(second, token) for token in leaked)
        clock.move(5)
        for client in (first, second):
            assert [answer_to(client, token) for token in leaked] == [UNKNOWN_KEY, UNKNOWN_KEY]
        # The interval between two refreshes is that of the fleet.
        assert second.post(REFRESH, headers=as_admin(pair[0])).status_code == 429

    def test_a_refresh_that_one_domain_fails_is_in_force_for_the_other(
        self, tenant: Tenant, pair: Domains, clock: MovableClock
    ) -> None:
        """503, as not everything was done that was asked for; the audit trail names what was."""
        (first, second), (away, well) = tenant.fleet(clock), pair
        leaked, admin = well.token(key_id=well.key_ids[0]), as_admin(well)
        for client in (first, second):
            assert all(passes(client, domain.token(key_id=domain.key_ids[0])) for domain in pair)
            complete()
        away.stop()
        well.remove_key(well.key_ids[0])
        acted: list[Any] = []

        def hear(_app: Flask, **said: Any) -> None:
            acted.append((said["action"], said["target"]))

        with admin_acted.connected_to(hear, first.application):
            assert seen(first.post(REFRESH, headers=admin)) == KEY_SET_UNAVAILABLE
        assert acted == [("refresh", f"key set of {well.issuer}")]
        complete()
        clock.move(5)
        for client in (first, second):
            assert answer_to(client, leaked) == UNKNOWN_KEY
            assert passes(client, away.token())
        assert first.post(REFRESH, headers=admin).status_code == 429

    def test_a_refresh_asks_all_domains_at_once(self, tenant: Tenant) -> None:
        """One that hangs holds up no other: here neither answers before both were asked."""
        assert tenant.tokens_pass(tenant.client)
        both = threading.Barrier(2, timeout=4)
        tenant.before = lambda _url: both.wait()
        assert tenant.client.post(REFRESH, headers=as_admin(tenant.domains[0])).status_code == 200
        assert sorted(tenant.asked[2:]) == sorted(domain.url for domain in tenant.domains)


class TestRevocation:
    @pytest.mark.parametrize(
        "revoked", [{"subject": "auth0|local-user"}, {"client_id": "local-client"}, {"jti": "1"}], ids=str
    )
    def test_a_revocation_is_for_all_domains(self, tenant: Tenant, pair: Domains, revoked: dict[str, str]) -> None:
        """They have the same users and clients."""
        tokens = [domain.token(jti="1") for domain in pair]
        assert all(passes(tenant.client, token) for token in tokens)
        headers = bearer(pair[0].token(azp="ops", **ADMIN))
        assert tenant.client.post(REVOCATIONS, json=revoked, headers=headers).status_code == 201
        assert [answer_to(tenant.client, token) for token in tokens] == [REVOKED, REVOKED]

    def test_a_token_is_revoked_alone(self, tenant: Tenant) -> None:
        """That of the other domain is another token."""
        tokens = [domain.token() for domain in tenant.domains]
        made = tenant.client.post(REVOCATIONS, json={"token": tokens[1]}, headers=as_admin(tenant.domains[0]))
        assert made.status_code == 201
        assert [answer_to(tenant.client, token).status for token in tokens] == [200, 401]

    @pytest.mark.parametrize("revoker", [0, 1], ids=["before", "after"])
    def test_processes_that_know_one_domain_more_share_revocations_with_the_others(
        self, tenant: Tenant, clock: MovableClock, revoker: int
    ) -> None:
        """In a rolling deployment that puts a domain behind the first one."""
        canonical = tenant.domains[0]
        shared = {**tenant.on_disk, "clock": clock.monotonic_only}
        clients = [tenant.make_client(AUTH0_DOMAIN=CANONICAL, **shared), tenant.make_client(**shared)]
        token = canonical.token()
        assert all(passes(client, token) for client in clients)
        revoked = {"subject": "auth0|local-user"}
        made = clients[revoker].post(REVOCATIONS, json=revoked, headers=as_admin(canonical))
        assert made.status_code == 201
        clock.move(5)
        assert [answer_to(client, token) for client in clients] == [REVOKED, REVOKED]


class TestWhatOperatorsSee:
    def test_the_key_set_of_each_domain_is_shown_with_its_own_counters(self, tenant: Tenant) -> None:
        canonical, custom = tenant.domains
        canonical.rotate()
        assert passes(tenant.client, canonical.token())
        tenant.client.application.extensions["auth0"].key_sources[canonical.issuer].refresh_now(5)
        headers = as_admin(canonical)
        shown = tenant.client.get("/auth/admin/jwks", headers=headers).get_json()["key_sets"]
        names = ("issuer", "url", "state", "fetches")
        assert [tuple(key_set[name] for name in names) for key_set in shown] == [
            (canonical.issuer, canonical.url, "fresh", 2),
            (custom.issuer, custom.url, "none", 0),
        ]
        assert [key["kid"] for key in shown[0]["keys"]] == canonical.key_ids
        assert passes(tenant.client, custom.token())
        assert tenant.client.get("/auth/admin/stats", headers=headers).get_json()["key_fetches"] == 3
        shown = tenant.client.get("/auth/admin/jwks", headers=headers).get_json()["key_sets"]
        assert [key_set["fetches"] for key_set in shown] == [2, 1]
        assert [key["kid"] for key in shown[1]["keys"]] == custom.key_ids

    def test_the_settings_in_force_name_all(self, tenant: Tenant) -> None:
        answer = tenant.client.get("/auth/admin/config", headers=as_admin(tenant.domains[1])).get_json()
        shown = {setting["key"]: setting["value"] for setting in answer["settings"]}
        assert shown["AUTH0_DOMAIN"] == [CANONICAL, CUSTOM]
        assert shown["AUTH0_ISSUER"] == [domain.issuer for domain in tenant.domains]
        assert shown["AUTH0_JWKS_URL"] == [domain.url for domain in tenant.domains]

    def test_the_cache_check_counts_for_all(self, tenant: Tenant) -> None:
        client = tenant.make_client(**tenant.on_disk)
        share(client.application, tenant.domains[1], -60)  # from the future
        assert tenant.tokens_pass(client)
        assert client.get("/auth/health").get_json()["checks"]["cache"]["ignored"] > 0

    def test_signals_say_whose_key_set_it_is(self, tenant: Tenant) -> None:
        app, heard = tenant.client.application, list[tuple[str, str]]()

        def hear(_app: Flask, issuer: str, **said: Any) -> None:
            heard.append(("failed" if "reason" in said else "refreshed", issuer))

        away, well = tenant.domains
        away.stop()
        with key_set_refreshed.connected_to(hear, app), key_set_refresh_failed.connected_to(hear, app):
            for domain in tenant.domains:
                tenant.client.get("/ours", headers=bearer(domain.token()))
                complete()
        assert heard == [("failed", away.issuer), ("refreshed", well.issuer)]

    def test_the_command_line_shows_each_and_fails_if_one_is_missing(self, tenant: Tenant) -> None:
        run = tenant.client.application.test_cli_runner().invoke
        result = run(args=["auth0", "jwks"])
        assert result.exit_code == 0
        for domain in tenant.domains:
            assert f"issuer   {domain.issuer}\nkey set  {domain.url}\nstate    fresh\n" in result.output
        tenant.domains[0].rotate()
        tenant.domains[0].stop()
        shown = json.loads(run(args=["auth0", "jwks", "--json"]).stdout)["key_sets"]
        assert [key_set["issuer"] for key_set in shown] == [domain.issuer for domain in tenant.domains]

    @pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
    def test_the_command_line_exits_with_1_if_one_is_missing(
        self, tenant: Tenant, pair: Domains, arguments: list[str]
    ) -> None:
        pair[0].stop()
        result = tenant.client.application.test_cli_runner().invoke(args=["auth0", "jwks", *arguments])
        assert result.exit_code == 1
        assert all(domain.url in result.output for domain in pair)
        assert "no connection, or a broken answer" in result.output

    def test_clients_are_told_of_all_of_them(self, tenant: Tenant) -> None:
        """Each is an authorization server whose tokens are accepted (RFC 9728 §2)."""
        client = tenant.make_client(AUTH0_RESOURCE_METADATA=True)
        metadata = client.get("/.well-known/oauth-protected-resource").get_json()
        assert metadata["authorization_servers"] == [domain.issuer for domain in tenant.domains]
