"""Two apps of one tenant, without the apps: for each a verifier that remembers tokens, and one that does not."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from conftest import MovableClock
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm
from memory_store import shared
from shared_sources import SECRET, make_source

from auth0_blueprint.concurrency.single_flight import SingleFlight
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.guards.requirements import Requirement, permission_requirement, scope_requirement
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.revocation.blobs import BlobSigner
from auth0_blueprint.revocation.index import RevocationIndex
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.revocation.shared_set import SharedSet
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import Settings, load_settings
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation, Step, VerificationSequence
from auth0_blueprint.verification.token_cache import TokenCache
from auth0_blueprint.verification.verifier import Verifier

DOMAIN = "tenant.example"
NOW = 1_800_000_000
AUDIENCES = ("https://one.example", "https://other.example")
SETTINGS: tuple[dict[str, Any], ...] = (
    {"AUTH0_AUDIENCE": AUDIENCES[0], "AUTH0_JWKS_MAX_STALE": 1200},
    {"AUTH0_AUDIENCE": AUDIENCES[1], "AUTH0_JWKS_MAX_STALE": 1200, "AUTH0_LEEWAY": 0, "AUTH0_REQUIRED_CLAIMS": "azp"},
)
DEMANDS: tuple[Requirement | None, ...] = (
    None,
    scope_requirement(("read",)),
    scope_requirement(("write", "read"), any_of=True),
    permission_requirement(("write",)),
)
KEY_IDS = ("a", "b")
#: A key id may get another key: these are the letters of its material.
MATERIALS = ("first", "second")

MakeVerifier = Callable[..., Verifier]
MakeSequence = Callable[[Verifier, tuple[Step, ...]], VerificationSequence]


@functools.cache
def private_key(key_id: str, material: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def document(keys: dict[str, str]) -> bytes:
    members = []
    for key_id, material in keys.items():
        jwk = OKPAlgorithm.to_jwk(private_key(key_id, material).public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        members.append({**jwk, "kid": key_id})
    return json.dumps({"keys": members}).encode()


_CLAIMS: tuple[dict[str, Any], ...] = (
    {"aud": list(AUDIENCES), "azp": "client", "jti": "1", "scope": "read", "tiers": [{"name": "gold"}]},
    {"aud": list(AUDIENCES), "azp": "client", "jti": "2", "scope": "write", "permissions": ["write"], "exp": NOW + 60},
    {"aud": list(AUDIENCES), "sub": "other", "client_id": "client", "scope": "read write", "nbf": NOW + 45},
    {"aud": AUDIENCES[0], "azp": "client", "scope": "read", "iat": NOW + 4},
    {"aud": AUDIENCES[1], "azp": "client", "scope": "read", "exp": NOW + 700.5},
    {"aud": list(AUDIENCES), "azp": "client", "cnf": {"jkt": "x"}},
)


@functools.cache
def tokens() -> tuple[str, ...]:
    """Return tokens of every key, and one whose signature is that of another."""
    first, *others = ((key_id, material) for key_id in KEY_IDS for material in MATERIALS)
    signed = [
        *(_signed(*first, {"kid": "a"}, claims) for claims in _CLAIMS),
        *(_signed(key_id, material, {"kid": key_id}, _CLAIMS[0]) for key_id, material in others),
        _signed(*first, {}, _CLAIMS[0]),
    ]
    return (*signed, signed[0].rpartition(".")[0] + "." + signed[1].rpartition(".")[2])


def _signed(key_id: str, material: str, header: dict[str, str], claims: dict[str, Any]) -> str:
    claims = {"iss": f"https://{DOMAIN}/", "sub": "user", "iat": NOW, "exp": NOW + 3000, **claims}
    return PyJWS().encode(json.dumps(claims).encode(), private_key(key_id, material), algorithm="EdDSA", headers=header)


@functools.cache  # reading them takes longer than a sequence of requests
def _loaded(items: tuple[tuple[str, Any], ...]) -> Settings:
    return load_settings({"AUTH0_DOMAIN": DOMAIN, "AUTH0_ALGORITHMS": "EdDSA", **dict(items)}, {})


class Tenant:
    """The clock, and what the issuer answers."""

    def __init__(self) -> None:
        self.clock = MovableClock(NOW)
        self.keys = {"a": "first"}
        self.is_away = False

    def fetch(self, _no_cache: bool) -> FetchedKeySet:
        if self.is_away:
            raise FetchError("http_status", status=503)
        return FetchedKeySet(document(self.keys))


def sequence_of(verifier: Verifier, steps: tuple[Step, ...]) -> VerificationSequence:
    return VerificationSequence(verifier.prove, steps)


class GuardedApp:
    """One app's verification, on its own: key source, revocations and, maybe, remembered tokens."""

    def __init__(
        self,
        tenant: Tenant,
        settings: dict[str, Any],
        cache: TokenCache,
        make: MakeVerifier,
        make_sequence: MakeSequence = sequence_of,
    ) -> None:
        loaded = _loaded(tuple(settings.items()))
        clock = tenant.clock
        at_once = SingleFlight(start=lambda work: work())
        # Nothing purges the cache when a key set comes: it has to be right without.
        names = ("ttl_seconds", "refresh_ahead_seconds", "max_stale_seconds", "cooldown_seconds")
        paces = {name: getattr(loaded, f"jwks_{name}") for name in names}
        self.source = make_source(tenant.fetch, clock, issuer=loaded.issuers[0], single_flight=at_once, **paces)
        store, index = shared(None, clock), RevocationIndex(clock)
        self.revocations = Revocations(
            index,
            SharedSet(store, BlobSigner(SECRET, ""), index, keep_seconds=3600, clock=clock),
            FleetSync(store, EntrySigner(SECRET), interval_seconds=5, clock=clock, single_flight=at_once),
            reach=store.reach,
            max_lifetime_seconds=3600,
            leeway_seconds=loaded.leeway_seconds,
            max_stale_seconds=60,
            is_denying=False,
            clock=clock,
        )
        self.cache = cache
        verifier = make(loaded, {loaded.issuers[0]: self.source}, clock=clock, remembered=cache)
        steps = (Step("revocation", self.revocations.check_not_revoked), Step("binding", Binding().check))
        self.sequence = make_sequence(verifier, steps)

    def answer(self, token: str, requirement: Requirement | None) -> tuple[AccessToken | None, object]:
        """Return the verified token, and all that a client or a view can see of the answer."""
        try:
            access_token = self.sequence.verify(Presentation(token))
            if requirement is not None and not requirement.is_met_by(access_token):
                raise requirement.error()
        except Auth0Error as exc:
            return None, (type(exc), exc.code, exc.reason, getattr(exc, "retry_after_seconds", None))
        seen = (access_token.claims, access_token.header, access_token.scopes, access_token.permissions)
        return access_token, (*seen, {name: access_token[name] for name in access_token}, repr(access_token))
