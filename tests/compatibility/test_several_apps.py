"""Two apps in one process, with one blueprint instance: nothing that one has verified counts in the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from conftest import AppFactory, bearer
from flask import Flask, request
from refusals import NO_CREDENTIALS, OTHER_ISSUER, UNKNOWN_KEY, Answer, answer_to, guarded, passes, seen

from auth0_blueprint import Auth0Blueprint, InvalidClaimsError, current_token, requires_auth
from auth0_blueprint.testing import LocalIssuer


@pytest.fixture
def other_issuer() -> Iterator[LocalIssuer]:
    """An issuer whose keys have other names than those of the first."""
    with LocalIssuer() as other:
        other.rotate()
        other.remove_key("local-1")
        yield other


@pytest.fixture
def apps(make_app: AppFactory, other_issuer: LocalIssuer) -> tuple[Flask, Flask]:
    """Two apps on one `Auth0Blueprint`, each with an issuer and a realm of its own."""
    blueprint, second = Auth0Blueprint(), {"AUTH0_ISSUER": other_issuer.issuer, "AUTH0_REALM": "second"}
    return make_app(blueprint, AUTH0_REALM="first"), make_app(blueprint, **second)


def in_realm(answer: Answer, realm: str) -> Answer:
    challenges = tuple(challenge.replace('realm="api"', f'realm="{realm}"') for challenge in answer.challenges)
    return dataclasses.replace(answer, challenges=challenges)


def test_each_app_admits_and_refuses_by_its_own_settings(
    apps: tuple[Flask, Flask], issuer: LocalIssuer, other_issuer: LocalIssuer
) -> None:
    first, second = (guarded(app) for app in apps)
    for _ in range(2):
        assert (passes(first, issuer.token()), passes(second, other_issuer.token())) == (True, True)
        assert answer_to(first, other_issuer.token()) == in_realm(OTHER_ISSUER, "first")
        assert answer_to(second, issuer.token()) == in_realm(OTHER_ISSUER, "second")
        assert answer_to(first, other_issuer.token(iss=issuer.issuer)) == in_realm(UNKNOWN_KEY, "first")
        assert seen(second.get("/ours")) == in_realm(NO_CREDENTIALS, "second")


def test_a_request_that_calls_the_other_app_proves_nothing_there(
    apps: tuple[Flask, Flask], issuer: LocalIssuer
) -> None:
    """It passes its credentials on, and keeps its own caller."""
    first, inner = apps[0], guarded(apps[1])

    @first.get("/outer")
    @requires_auth
    def view() -> list[object]:
        answer = inner.open("/ours", headers={"Authorization": request.headers["Authorization"]})
        return [current_token.subject, answer.status_code]

    answer = first.test_client().get("/outer", headers=bearer(issuer.token()))
    assert answer.get_json() == ["auth0|local-user", 401]


def test_one_request_object_in_the_context_of_the_other_app_is_verified_anew(
    apps: tuple[Flask, Flask], issuer: LocalIssuer
) -> None:
    """What was verified stands on the request object, and counts only for the app that did it."""
    first, second = apps

    @requires_auth
    def view() -> str:
        return current_token.subject

    with first.test_request_context(headers=bearer(issuer.token())):
        assert view() == "auth0|local-user"
        with second.app_context(), pytest.raises(InvalidClaimsError, match="another issuer"):
            view()
        assert view() == "auth0|local-user"
