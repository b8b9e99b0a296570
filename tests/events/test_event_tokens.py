"""What every token that tells of an event must be, at each route that takes one."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import refusals
from conftest import AppFactory, MovableClock
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from memory_store import MemoryStore
from refusals import ABSENT, guarded, seen, segment, with_signature
from sent_tokens import CLIENT, ENDPOINT, KINDS, MARK, Kind, assert_without_effect, in_force, receiver

from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.testing.signing_key import strangers_key

Forge = Callable[[LocalIssuer, Callable[..., str]], str]

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def ago(seconds: float) -> Any:
    return lambda: int(time.time() - seconds)


DAY = 86_400
#: Claims with which a token is refused, by reason. A function tells a value at the time of the test.
WRONG_CLAIMS: dict[str, list[dict[str, Any]]] = {
    "issuer": [{"iss": f"https://{MARK}/"}, {"iss": ABSENT}, {"iss": [MARK]}, {"iss": None}],
    "audience": [{"aud": value} for value in (MARK, [MARK], [], ABSENT, None, [CLIENT, 1], {CLIENT: 1}, 1, "")],
    "not_an_event": [{"nonce": MARK}, {"nonce": None}, {"scope": "read:messages"}, {"scope": ""}, {"permissions": []}],
    "id": [{"jti": value} for value in (ABSENT, "", 1, None, [MARK], MARK * 20)],
    "time": [
        *({name: value} for name in ("iat", "exp") for value in (ABSENT, None, "1", True, -1, [1])),
        *({"nbf": value} for value in (None, "1", True, ago(-60))),
        *({"iat": ago(-60)}, {"iat": 1e300}),
    ],
    "too_old": [{"iat": ago(7 * DAY + 60)}, {"iat": 0}],
    "expired": [{"exp": ago(60)}, {"exp": ago(6)}],
    "malformed": [{"deep": json.loads("[" * 40 + "]" * 40)}],
}
WRONG_HEADERS: dict[str, list[dict[str, Any]]] = {
    "type": [{"typ": value} for value in ("at+jwt", "secevent+jwt", "dpop+jwt", MARK, "", 1, None)],
    "algorithm": [{"alg": value} for value in ("none", "None", "HS256", "ES256K", MARK, "", 1, None, ABSENT)],
    "malformed": [{"kid": 1}, {"kid": MARK * 100}, {"crit": ["exp"]}, {"b64": False}],
    "unknown_key": [{"kid": MARK}],
}


def by_public_key(issuer: LocalIssuer, mint: Callable[..., str]) -> str:
    token = mint(issuer, header={"alg": "HS256"})
    secret = issuer.signing_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return with_signature(token, hmac.digest(secret, token.rpartition(".")[0].encode(), "sha256"))


def named_twice(issuer: LocalIssuer, mint: Callable[..., str]) -> str:
    claims = json.dumps(refusals.claims_of(mint(issuer)))
    return refusals.by_hand(issuer, refusals.header_of(mint(issuer)), f'{claims[:-1]}, "sub": "{MARK}"}}'.encode())


FORGED: list[tuple[str, Forge]] = [
    ("signature", lambda issuer, mint: mint(issuer, key=strangers_key("RS256").private_key)),
    ("signature", lambda issuer, mint: with_signature(mint(issuer), b"")),
    ("algorithm", lambda issuer, mint: with_signature(mint(issuer, header={"alg": "none"}), b"")),
    ("algorithm", by_public_key),
    ("malformed", named_twice),
    ("malformed", lambda _issuer, _mint: MARK),
    ("malformed", lambda issuer, mint: f"{mint(issuer)}="),
    ("malformed", lambda issuer, mint: f"{segment([])}.{mint(issuer).partition('.')[2]}"),
    ("malformed", lambda issuer, mint: refusals.by_hand(issuer, refusals.header_of(mint(issuer)), b'{"iat": 1e400}')),
    ("encrypted", lambda _issuer, _mint: f"{segment({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.a.b.c.d"),
    ("too_large", lambda issuer, mint: mint(issuer, padding=MARK * 2000)),
    # Of other families: only their claims tell, where the type does not.
    ("audience", lambda issuer, mint: issuer.token(headers={"typ": refusals.header_of(mint(issuer))["typ"]})),
    (
        "not_an_event",
        lambda issuer, mint: mint(issuer, **refusals.claims_of(issuer.token(scope=MARK, aud=[CLIENT, ENDPOINT]))),
    ),
]


def with_claims(claims: dict[str, Any]) -> Forge:
    return lambda issuer, mint: mint(issuer, **{name: v() if callable(v) else v for name, v in claims.items()})


def with_header(header: dict[str, Any]) -> Forge:
    return lambda issuer, mint: mint(issuer, header=header)


CASES = [
    *FORGED,
    *((reason, with_claims(claims)) for reason, several in WRONG_CLAIMS.items() for claims in several),
    *((reason, with_header(header)) for reason, several in WRONG_HEADERS.items() for header in several),
]


@every_kind
@pytest.mark.parametrize(("reason", "forge"), CASES)
def test_what_is_no_good_event_changes_nothing(
    make_app: AppFactory, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, kind: Kind, reason: str, forge: Forge
) -> None:
    """The sender reads a fixed sentence; the log has the exact reason; neither has anything of what was sent."""
    app = receiver(make_app, issuer)
    response = kind.send(app.test_client(), forge(issuer, kind.mint))
    assert seen(response) == kind.refusal(reason)
    assert caplog.messages[-1].endswith(f": {reason}")
    assert_without_effect(app, issuer, response, caplog.text)


@every_kind
@pytest.mark.parametrize(
    "claims",
    [
        *({"aud": [CLIENT, ENDPOINT]}, {"exp": ago(3)}, {"nbf": ago(-3)}, {"iat": ago(-3)}, {"jti": "x" * 256}),
        *({"iat": ago(7 * DAY - 60)}, {"iat": 1.5 + time.time() // 1 - 60}, {"trace_id": MARK}),
    ],
)
def test_what_is_just_good_enough_takes_effect(
    make_app: AppFactory, issuer: LocalIssuer, kind: Kind, claims: dict[str, Any]
) -> None:
    app = receiver(make_app, issuer)
    assert kind.send(app.test_client(), with_claims(claims)(issuer, kind.mint)).status_code in {200, 204}
    assert [revocation.kind for revocation in in_force(app)] == ["subject"]


@every_kind
def test_without_the_keys_of_the_issuer_the_sender_is_to_come_again(
    make_app: AppFactory, issuer: LocalIssuer, kind: Kind
) -> None:
    app, token = receiver(make_app, issuer), kind.mint(issuer)
    with issuer.outage():
        response = kind.send(app.test_client(), token)
    assert seen(response) == refusals.KEY_SET_UNAVAILABLE
    assert int(response.headers["Retry-After"]) >= 1
    assert in_force(app) == []


@every_kind
def test_a_key_that_is_new_at_the_issuer_is_found(make_app: AppFactory, issuer: LocalIssuer, kind: Kind) -> None:
    app = receiver(make_app, issuer)
    assert refusals.passes(guarded(app), issuer.token())
    issuer.rotate()
    assert kind.send(app.test_client(), kind.mint(issuer)).status_code in {200, 204}


@every_kind
@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "PS256"])
def test_own_issuers_sign_with_the_algorithms_of_the_settings_and_others_with_any(
    make_app: AppFactory, issuer: LocalIssuer, kind: Kind, algorithm: str
) -> None:
    app = receiver(make_app, issuer)
    usual = kind.mint(issuer)
    issuer.rotate(algorithm)
    token = issuer.token(headers={"typ": refusals.header_of(usual)["typ"]}, **refusals.claims_of(usual))
    takes_it = kind is not KINDS["logout"]
    assert (kind.send(app.test_client(), token).status_code == 204) == takes_it
    assert bool(in_force(app)) == takes_it


def on_folder(folder: Path) -> dict[str, Any]:
    """Return the settings of processes that share in *folder*."""
    return {"SECRET_KEY": "s", "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder), "AUTH0_SYNC_INTERVAL": 0}


@every_kind
def test_it_binds_every_process_and_a_second_one_acknowledges_it_again(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path, kind: Kind
) -> None:
    first, second = (receiver(make_app, issuer, **on_folder(tmp_path)) for _ in range(2))
    token, login = kind.mint(issuer), issuer.token(iat=int(time.time()) - 2)
    views = guarded(second)
    assert refusals.passes(views, login)
    answers = [kind.send(app.test_client(), token).status_code for app in (first, second)]
    assert answers in ([200, 200], [204, 204])
    assert refusals.answer_to(views, login) == refusals.REVOKED
    assert in_force(second) == in_force(first)


@every_kind
def test_what_cannot_be_stored_is_not_acknowledged_and_takes_effect_when_it_comes_again(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path, kind: Kind
) -> None:
    clock, store = MovableClock(time.time()), MemoryStore()
    app = receiver(make_app, issuer, clock=clock, **on_folder(tmp_path))
    app.extensions["auth0"].store._open_store = lambda: store
    token, store.is_away = kind.mint(issuer), True
    response = kind.send(app.test_client(), token)
    assert (response.status_code, response.get_json()["code"]) == (503, "revocation_unavailable")
    assert response.headers["Retry-After"] == "1"
    assert in_force(app) == []
    store.is_away = False
    clock.move(31)  # after a failure the store is left alone for a while
    assert kind.send(app.test_client(), token).status_code in {200, 204}
    assert len(in_force(app)) == 1
