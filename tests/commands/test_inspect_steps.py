"""The steps of ``flask auth0 inspect`` are those of the verifier: in its order, one for each of its refusals."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from refusals import by_hand, chain_of, claims_of, header_of, segment
from servers import RawServer, respond

from auth0_blueprint import Auth0Blueprint, errors
from auth0_blueprint.cli.inspection import steps as inspection
from auth0_blueprint.cli.inspection.steps import NOT_REACHED, PROOF_STEPS, VerificationTrace
from auth0_blueprint.jose import jws
from auth0_blueprint.keysets import source
from auth0_blueprint.testing import DPoPKey, LocalIssuer
from auth0_blueprint.verification import claims, verifier

AWAY = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:1/0"}
NAMES = [*PROOF_STEPS, "revocation", "binding", "rules"]


def trace(app: Flask, token: str) -> VerificationTrace:
    with app.test_request_context() as context:
        return inspection.trace_verification(app.extensions["auth0"], token, context.request.environ)


def statuses(steps: VerificationTrace) -> list[str]:
    return [found.status for found in steps.steps]


def ended_at(name: str) -> list[str]:
    """Return the statuses of a token that was refused at the step *name*."""
    index = NAMES.index(name)
    return ["ok"] * index + ["fail"] + [NOT_REACHED] * (len(NAMES) - index - 1)


def make_strict_app(make_app: AppFactory) -> Flask:
    """Return an app that has something to say at each step."""
    blueprint = Auth0Blueprint()
    blueprint.jwt_manager.token_verification_loader(lambda header, claims: claims["sub"] != "auth0|barred")
    app = make_app(blueprint)
    app.extensions["auth0"].revocations.revoke("jti", "withdrawn", None)
    return app


#: What is wrong, for each step, with a header and claims.
DEFECTS: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "header": lambda header, claims: header.update(crit=["exp"]),
    "issuer": lambda header, claims: claims.update(iss="https://example.invalid/"),
    "key": lambda header, claims: header.update(kid="nowhere"),
    "claims": lambda header, claims: claims.update(aud="somebody"),
    "times": lambda header, claims: claims.update(iat=1, exp=2),
    "revocation": lambda header, claims: claims.update(jti="withdrawn"),
    "binding": lambda header, claims: claims.update(cnf={"jkt": "x"}),
    "rules": lambda header, claims: claims.update(sub="auth0|barred"),
}


def defective(issuer: LocalIssuer, *steps: str) -> str:
    """Return a token with something wrong for each of *steps*."""
    good = issuer.token()
    header, claims = header_of(good), claims_of(good)
    for step in DEFECTS.keys() & set(steps):
        DEFECTS[step](header, claims)
    token = by_hand(issuer, header, claims)
    if "signature" in steps:
        token = f"{token.rpartition('.')[0]}.{segment(bytes(256))}"
    return f"{token}=" if "form" in steps else token


@pytest.mark.parametrize("wrong", [*combinations(NAMES, 1), *combinations(NAMES, 2)], ids="-".join)
def test_a_token_ends_at_the_first_step_at_which_something_is_wrong(
    make_app: AppFactory, issuer: LocalIssuer, wrong: tuple[str, ...]
) -> None:
    """Whatever is wrong with it later, and with the code that a guard answers."""
    app = make_strict_app(make_app)
    token = defective(issuer, *wrong)
    steps = trace(app, token)
    assert statuses(steps) == ended_at(wrong[0])
    assert steps.error is not None
    answer = app.test_client().get("/auth/me", headers=bearer(token)).get_json()
    assert answer["code"] == steps.error.code
    assert answer["error_description"] == steps.steps[NAMES.index(wrong[0])].text


def test_a_token_that_is_accepted_passes_every_step(make_app: AppFactory, issuer: LocalIssuer) -> None:
    steps = trace(make_strict_app(make_app), issuer.token())
    assert (statuses(steps), steps.error) == (["ok"] * len(NAMES), None)
    assert steps.access_token is not None


def errors_raised_in(module: ModuleType) -> set[str]:
    """Return the names of what *module* raises or, like `KeySource`, returns to be raised."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    raised = [node.exc for node in nodes if isinstance(node, ast.Raise)]
    return {node.id for node in (*called, *raised) if isinstance(node, ast.Name) and hasattr(errors, node.id)}


def test_every_error_of_the_verifier_has_a_step() -> None:
    names = set().union(*(errors_raised_in(module) for module in (jws, verifier, claims, source)))
    assert "KeySetUnavailableError" in names
    for error in (getattr(errors, name) for name in names):
        for reason in error.descriptions:
            assert inspection.step_of(error(reason)) in {*PROOF_STEPS, "decryption"}


Mint = Callable[[LocalIssuer], str]


def with_claims(**claims: Any) -> Mint:
    return lambda issuer: issuer.token(**claims)


def with_header(**members: Any) -> Mint:
    return lambda issuer: by_hand(issuer, {**header_of(issuer.token()), **members})


#: step, reason, and a token that is refused there for it.
REFUSALS: list[tuple[str, str, Mint]] = [
    ("form", "too_long", with_claims(filling="x" * 20_000)),
    ("form", "encrypted", lambda issuer: "a.b.c.d.e"),
    ("form", "opaque", lambda issuer: "opaque"),
    ("form", "not_base64url", lambda issuer: issuer.token() + "="),
    ("form", "header_not_json", lambda issuer: by_hand(issuer, header=b"[]")),
    ("form", "payload_not_json", lambda issuer: by_hand(issuer, claims=b"[]")),
    ("form", "number", lambda issuer: by_hand(issuer, claims=b'{"exp": 1e999}')),
    ("header", "unsupported_algorithm", lambda issuer: issuer.unsigned_token()),
    ("header", "key_id", with_header(kid=7)),
    ("header", "critical_extension", with_header(b64=True)),
    ("header", "type", with_header(typ="dpop+jwt")),
    ("issuer", "issuer", with_claims(iss="https://example.invalid/")),
    ("key", "unknown_key", with_claims(headers={"kid": "nowhere"})),
    ("key", "no_key_id", lambda issuer: issuer.rotate() and by_hand(issuer, {"alg": "RS256"})),
    ("signature", "invalid_signature", lambda issuer: issuer.forged_token()),
    ("claims", "audience", with_claims(aud=[])),
    ("claims", "subject", with_claims(sub=1)),
    ("claims", "missing_claim", with_claims(without=("tier",))),
    ("claims", "identifier", with_claims(azp=1)),
    ("claims", "organization", with_claims(org_id="org_b")),
    ("claims", "actor", with_claims(act={})),
    ("claims", "actors", with_claims(act=chain_of(11))),
    ("claims", "authorization_details", with_claims(authorization_details={})),
    ("claims", "event", with_claims(events={"http://schemas.openid.net/event/backchannel-logout": {}})),
    ("claims", "scope", with_claims(scope=1)),
    ("claims", "permissions", with_claims(permissions="x")),
    ("claims", "time", with_claims(exp="soon")),
    ("times", "lifetime", with_claims(expires_in=40 * 86_400)),
    ("times", "token_expired", with_claims(expires_in=-60)),
    ("times", "nbf", with_claims(starts_in=60)),
    ("times", "iat", with_claims(iat=4_000_000_000, exp=4_000_000_001)),
]


@pytest.mark.parametrize(("step", "reason", "mint"), REFUSALS, ids=[reason for _, reason, _ in REFUSALS])
def test_each_refusal_is_told_at_its_step(
    make_app: AppFactory, issuer: LocalIssuer, step: str, reason: str, mint: Mint
) -> None:
    needs = {"organization": {"AUTH0_ORGANIZATION": "org_a"}, "missing_claim": {"AUTH0_REQUIRED_CLAIMS": "tier"}}
    steps = trace(make_app(**needs.get(reason, {})), mint(issuer))
    assert steps.error is not None
    assert (steps.error.reason, statuses(steps)) == (reason, ended_at(step))


def test_every_reason_is_tried() -> None:
    """All those of a token that is not acceptable; an app's own rule is tried with the steps."""
    signed = (errors.UnsupportedAlgorithmError, errors.UnknownKeyError, errors.InvalidSignatureError)
    timely = (errors.ExpiredTokenError, errors.TokenNotYetValidError)
    classes = (errors.MalformedTokenError, *signed, *timely, errors.InvalidClaimsError)
    reasons = {reason for error in classes for reason in error.descriptions}
    assert {reason for _, reason, _ in REFUSALS} == reasons - {"app", "undecryptable", "not_encrypted"}


def test_without_a_key_set_the_walk_ends_at_the_key(make_app: AppFactory, issuer: LocalIssuer) -> None:
    with RawServer(respond("503 Service Unavailable")) as server:
        steps = trace(make_app(AUTH0_JWKS_URL=server.url), issuer.token())
    assert isinstance(steps.error, errors.KeySetUnavailableError)
    assert statuses(steps) == ended_at("key")
    assert not steps.is_signed


@pytest.mark.parametrize("is_signed", [True, False])
def test_content_is_proven_once_the_signature_is(make_app: AppFactory, issuer: LocalIssuer, is_signed: bool) -> None:
    mint = issuer.token if is_signed else issuer.forged_token
    assert trace(make_app(), mint(aud="somebody")).is_signed is is_signed


CERTIFICATE_BOUND = {"x5t#S256": "x"}
DPOP = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": "https://api.example.com"}
DPOP_ONLY = {**DPOP, "AUTH0_DPOP": "required"}
BY_SERVER = {"AUTH0_MTLS_CERT": "environ:SSL_CLIENT_CERT"}
BY_PROXY = {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from 127.0.0.1"}


CONSTRAINED = "is sender-constrained"
WITH_PROOF = "accepted only with a DPoP proof"
WITH_CERTIFICATE = "accepted only with the client certificate"


@pytest.mark.parametrize(
    ("settings", "claims", "status", "text"),
    [
        ({}, {"cnf": {"jkt": "x"}}, "fail", CONSTRAINED),
        (DPOP, {"cnf": {"jkt": "x"}}, "warn", WITH_PROOF),
        (DPOP_ONLY, {"cnf": {"jkt": "x"}}, "warn", WITH_PROOF),
        (DPOP, {"cnf": CERTIFICATE_BOUND}, "fail", CONSTRAINED),
        (DPOP_ONLY, {}, "fail", "accepts only DPoP-bound access tokens"),
        (BY_SERVER, {"cnf": CERTIFICATE_BOUND}, "warn", WITH_CERTIFICATE),
        (BY_PROXY, {"cnf": CERTIFICATE_BOUND}, "warn", WITH_CERTIFICATE),
        ({**DPOP, **BY_PROXY}, {"cnf": CERTIFICATE_BOUND}, "warn", WITH_CERTIFICATE),
        ({**DPOP, **BY_PROXY}, {"cnf": {"jkt": "x", **CERTIFICATE_BOUND}}, "fail", CONSTRAINED),
        (BY_SERVER, {"cnf": {}}, "fail", CONSTRAINED),
    ],
)
def test_a_bound_token_passes_only_with_its_proof(
    make_app: AppFactory, issuer: LocalIssuer, settings: Any, claims: Any, status: str, text: str
) -> None:
    """Where the app takes such a proof; else no request with the token would pass."""
    steps = trace(make_app(**settings), issuer.token(**claims))
    found = steps.steps[NAMES.index("binding")]
    assert found.status == status
    assert text in found.text
    assert (steps.error is None) is (status == "warn")


def test_a_token_that_is_said_to_pass_with_a_proof_does(make_app: AppFactory, issuer: LocalIssuer) -> None:
    app, key = make_app(**DPOP), DPoPKey()
    token = issuer.token(cnf=key.confirmation)
    assert trace(app, token).error is None
    headers = key.headers("GET", "https://api.example.com/auth/me", token)
    assert app.test_client().get("/auth/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"AUTH0_REVOCATION": False}, "not checked: AUTH0_REVOCATION is off"),
        ({}, "none known here: without a shared cache, revocations of other processes are unknown"),
        (
            {**AWAY, "AUTH0_CACHE_SECRET": "c" * 40},
            "none known here: the shared cache cannot be reached, and other processes may know of one",
        ),
    ],
)
def test_nobody_is_told_that_a_token_is_not_revoked_where_that_is_not_known(
    make_app: AppFactory, issuer: LocalIssuer, settings: dict[str, Any], text: str
) -> None:
    """Revocation may be off, or another process may know more."""
    found = trace(make_app(**settings), issuer.token()).steps[NAMES.index("revocation")]
    assert (found.status, found.text) == ("ok", text)
