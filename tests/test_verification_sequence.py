"""One sequence verifies tokens everywhere: a step that is added binds whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask

from auth0_blueprint import Auth0Error, verify_token
from auth0_blueprint.cli.inspection.steps import trace_verification
from auth0_blueprint.errors import InvalidClaimsError
from auth0_blueprint.testing import DPoPKey, LocalIssuer
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation, Step, VerificationSequence

OPERATOR: dict[str, Any] = {
    "scope": "manage:auth0 introspect:tokens",
    "permissions": ["manage:auth0", "introspect:tokens"],
}


def refuse_employees(access_token: AccessToken, _presentation: Presentation) -> None:
    if access_token.get("tier") == "employee":
        raise InvalidClaimsError("app")


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    """An app whose sequence has one step more, at its beginning."""
    app = make_app(AUTH0_ADMIN_RBAC=True)
    state = app.extensions["auth0"]
    steps = (Step("employees", refuse_employees), *state.sequence.steps)
    app.extensions["auth0"] = replace(state, sequence=VerificationSequence(state.sequence.prove, steps))
    return app


def by_guard(app: Flask, _issuer: LocalIssuer, token: str) -> bool:
    return app.test_client().get("/auth/me", headers=bearer(token)).status_code == 200


def by_call(app: Flask, _issuer: LocalIssuer, token: str) -> bool:
    with app.app_context():
        try:
            return bool(verify_token(token))
        except InvalidClaimsError:
            return False


def by_introspection(app: Flask, issuer: LocalIssuer, token: str) -> bool:
    headers = bearer(issuer.token(**OPERATOR))
    answer = app.test_client().post("/auth/introspect", data={"token": token}, headers=headers).get_json()
    return bool(answer["active"])


def by_inspect(app: Flask, _issuer: LocalIssuer, token: str) -> bool:
    with app.test_request_context() as context:
        trace = trace_verification(app.extensions["auth0"], token, context.request.environ)
    (found,) = [step for step in trace.steps if step.check == "employees"]
    assert found.status == ("ok" if trace.error is None else "fail")
    return trace.error is None


def by_health(app: Flask, issuer: LocalIssuer, token: str) -> bool:
    client = app.test_client()
    assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200  # the keys are there
    return "checks" in client.get("/auth/health", headers=bearer(token)).get_json()


@pytest.mark.parametrize("admits", [by_guard, by_call, by_introspection, by_inspect, by_health])
def test_a_step_that_is_added_binds_whoever_verifies(
    app: Flask, issuer: LocalIssuer, admits: Callable[[Flask, LocalIssuer, str], bool]
) -> None:
    """It refuses whom it is to refuse, and nobody else."""
    assert admits(app, issuer, issuer.token(**OPERATOR))
    assert not admits(app, issuer, issuer.token(**OPERATOR, tier="employee"))


def test_steps_are_taken_in_order_until_one_refuses() -> None:
    """Whatever comes after a refusal is not asked."""
    taken: list[str] = []

    def step(name: str, error: Auth0Error | None = None) -> Step:
        def check(_access_token: AccessToken, _presentation: Presentation) -> None:
            taken.append(name)
            if error is not None:
                raise error

        return Step(name, check)

    def prove(token: str, *, cached_only: bool = False) -> AccessToken:
        taken.append(f"prove {token} {cached_only}")
        return AccessToken({"sub": "s"}, {})

    sequence = VerificationSequence(prove, (step("a"), step("b", InvalidClaimsError("app")), step("c")))
    with pytest.raises(InvalidClaimsError):
        sequence.verify(Presentation("t"), cached_only=True)
    assert taken == ["prove t True", "a", "b"]
    taken.clear()
    assert sequence.without("b").verify(Presentation("t"))["sub"] == "s"
    assert taken == ["prove t False", "a", "c"]


@pytest.mark.parametrize(
    ("settings", "names"),
    [({}, ["revocation", "binding", "rules"]), ({"AUTH0_REVOCATION": False}, ["binding", "rules"])],
)
def test_every_app_has_these_steps(make_app: AppFactory, settings: dict[str, Any], names: list[str]) -> None:
    """Revocation costs nothing where it is off."""
    assert [step.name for step in make_app(**settings).extensions["auth0"].sequence.steps] == names


def test_introspection_alone_leaves_the_binding_out(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """Whoever asks is not whom the token is bound to."""
    app = make_app()
    token = issuer.token(cnf=DPoPKey().confirmation)
    assert by_introspection(app, issuer, token)
    assert not by_guard(app, issuer, token)
