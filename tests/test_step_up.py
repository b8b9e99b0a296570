"""Guards for how and when a user has logged in, and the challenge to log in again (RFC 9470)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conftest import MovableClock, bearer
from flask import Flask
from flask.testing import FlaskClient
from flask.views import MethodView
from refusals import NO_CREDENTIALS, Answer, forbidden, needs_login, seen

from auth0_blueprint import (
    AccessToken,
    Auth0Error,
    AuthenticationError,
    InsufficientUserAuthenticationError,
    current_token,
    protect,
    requires_acr,
    requires_recent_login,
    requires_scope,
    token_rejected,
)
from auth0_blueprint.guards.requirements import recent_login_requirement
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
OTHER_KIND = "This route requires a different kind of login than the one behind the access token."
TOO_LONG_AGO = "This route requires a more recent login than the one behind the access token."
NO_SCOPE = "The access token lacks a scope that this route requires."


def answer(app: Flask, issuer: LocalIssuer, guards: list[Decorator], **claims: Any) -> Answer:
    """Return what a token with *claims* gets from a view behind *guards*, outermost first."""

    def view() -> dict[str, str]:
        return {"subject": current_token.subject}

    guarded: Callable[..., Any] = view
    for guard in reversed(guards):
        guarded = guard(guarded)
    app.add_url_rule("/guarded", "guarded", guarded)
    return seen(app.test_client().get("/guarded", headers=bearer(issuer.token(**claims))))


def ago(seconds: float) -> float:
    """Return the Unix time of *seconds* ago."""
    return time.time() - seconds


class TestACR:
    @pytest.mark.parametrize("acr", ["gold", "silver"])
    def test_each_of_the_named_kinds_of_login_is_admitted(self, app: Flask, issuer: LocalIssuer, acr: str) -> None:
        assert answer(app, issuer, [requires_acr("gold", "silver")], acr=acr).status == 200

    @pytest.mark.parametrize(
        "claims",
        [
            *({}, {"acr": "bronze"}, {"acr": ""}, {"acr": "Gold"}, {"acr": "gold silver"}, {"acr": "golden"}),
            *({"acr": ["gold"]}, {"acr": {"gold": True}}, {"acr": None}, {"acr": 1}),
            {"amr": ["gold"], "scope": "gold"},
        ],
    )
    def test_any_other_login_gets_a_challenge_with_all_that_would_do(
        self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]
    ) -> None:
        """In the order of the guard, which is that of preference; the claim has to be one text."""
        expected = needs_login(OTHER_KIND, 'acr_values="gold silver"')
        assert answer(app, issuer, [requires_acr("gold", "silver")], **claims) == expected

    def test_the_value_that_auth0_knows_can_be_demanded(self, app: Flask, issuer: LocalIssuer) -> None:
        expected = needs_login(OTHER_KIND, f'acr_values="{MULTI_FACTOR}"')
        assert answer(app, issuer, [requires_acr(MULTI_FACTOR)]) == expected

    def test_another_claim_may_hold_it(self, app: Flask, issuer: LocalIssuer) -> None:
        """One that an Action has set; the registered one does not count then."""
        own: dict[str, Any] = {"https://api.example.com/acr": "gold"}
        app.add_url_rule("/other", "other", requires_acr("gold", claim=next(iter(own)))(lambda: "seen"))
        client = app.test_client()
        assert client.get("/other", headers=bearer(issuer.token(**own))).status_code == 200
        refused = client.get("/other", headers=bearer(issuer.token(acr="gold")))
        assert seen(refused) == needs_login(OTHER_KIND, 'acr_values="gold"')


class TestRecentLogin:
    @pytest.mark.parametrize("seconds", [0, 1, 290])
    def test_a_recent_login_is_admitted(self, app: Flask, issuer: LocalIssuer, seconds: float) -> None:
        """Its time may have fractions."""
        assert answer(app, issuer, [requires_recent_login(300)], auth_time=ago(seconds)).status == 200

    @pytest.mark.parametrize("auth_time", [0, -1, 1e12, 253_402_300_800, True, False, None, "now", [], {}])
    def test_any_other_time_of_login_gets_a_challenge_with_the_age(
        self, app: Flask, issuer: LocalIssuer, auth_time: object
    ) -> None:
        """Too long ago, in milliseconds, or no JSON number at all."""
        expected = needs_login(TOO_LONG_AGO, 'max_age="300"')
        assert answer(app, issuer, [requires_recent_login(300)], auth_time=auth_time) == expected

    @pytest.mark.parametrize(
        "auth_time_now",
        [lambda: ago(310), lambda: str(int(ago(1))), lambda: [ago(1)]],
        ids=["ten seconds too long ago", "in a text", "in a list"],
    )
    def test_a_time_near_the_present_has_to_be_recent_enough_and_a_number(
        self, app: Flask, issuer: LocalIssuer, auth_time_now: Callable[[], object]
    ) -> None:
        """Made when the test runs: one made when it was collected may have grown too old by then to prove anything."""
        expected = needs_login(TOO_LONG_AGO, 'max_age="300"')
        assert answer(app, issuer, [requires_recent_login(300)], auth_time=auth_time_now()) == expected

    def test_without_a_time_of_login_there_was_none(self, app: Flask, issuer: LocalIssuer) -> None:
        """A machine's token, or one from an issuer that does not say."""
        assert answer(app, issuer, [requires_recent_login(300)]) == needs_login(TOO_LONG_AGO, 'max_age="300"')

    def test_a_login_in_the_future_is_no_recent_one(self, app: Flask, issuer: LocalIssuer) -> None:
        """It would stay recent for as long as it likes."""
        answered = answer(app, issuer, [requires_recent_login(300)], auth_time=ago(-60))
        assert answered == needs_login(TOO_LONG_AGO, 'max_age="300"')

    def test_another_claim_may_hold_it(self, app: Flask, issuer: LocalIssuer) -> None:
        """One that an Action has set; the registered one does not count then."""
        own: dict[str, Any] = {"https://api.example.com/auth_time": ago(10)}
        app.add_url_rule("/other", "other", requires_recent_login(300, claim=next(iter(own)))(lambda: "seen"))
        client = app.test_client()
        assert client.get("/other", headers=bearer(issuer.token(**own))).status_code == 200
        refused = client.get("/other", headers=bearer(issuer.token(auth_time=ago(10))))
        assert seen(refused) == needs_login(TOO_LONG_AGO, 'max_age="300"')

    def test_a_login_ages_with_the_clock(self, clock: MovableClock) -> None:
        requirement = recent_login_requirement(300, claim="auth_time")
        token = AccessToken({"auth_time": clock.now, "iat": clock.now}, {})
        clock.move(300)
        assert requirement.is_met_by(token, clock)
        clock.move(0.001)
        assert not requirement.is_met_by(token, clock)

    @pytest.mark.parametrize(("auth_time", "is_met"), [(1, True), (0.5, True), (0, True), (True, False), (-1, False)])
    def test_a_time_is_what_the_verifier_takes_for_one(self, clock: MovableClock, auth_time: Any, is_met: bool) -> None:
        """Also where the age alone would let it pass: ``true`` is no number to JSON, and time begins in 1970."""
        clock.now = 100
        token = AccessToken({"auth_time": auth_time, "iat": 100}, {})
        assert recent_login_requirement(300, claim="auth_time").is_met_by(token, clock) is is_met

    @pytest.mark.parametrize(("ahead", "is_met"), [(0, True), (4, True), (4.001, False), (60, False)])
    def test_a_login_may_be_as_far_ahead_as_the_issuers_clock(
        self, clock: MovableClock, ahead: float, is_met: bool
    ) -> None:
        """Which the token's own time of issue shows; the verifier limits that by the leeway."""
        token = AccessToken({"auth_time": clock.now + ahead, "iat": clock.now + 4}, {})
        assert recent_login_requirement(300, claim="auth_time").is_met_by(token, clock) is is_met

    def test_a_token_from_before_the_last_moment_may_still_tell_of_it(self, clock: MovableClock) -> None:
        """Issuers round their times."""
        token = AccessToken({"auth_time": clock.now, "iat": clock.now - 1}, {})
        assert recent_login_requirement(300, claim="auth_time").is_met_by(token, clock)


class TestSeveralRequirements:
    """One challenge tells a client all that the route needs, so that the user logs in once."""

    @pytest.mark.parametrize(
        ("claims", "description"),
        [
            ({}, OTHER_KIND),
            ({"acr": "gold"}, TOO_LONG_AGO),
            ({"acr": "gold", "auth_time": 1}, TOO_LONG_AGO),
        ],
    )
    def test_a_refusal_names_kind_age_and_scopes(
        self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any], description: str
    ) -> None:
        guards = [requires_acr("gold"), requires_recent_login(300), requires_scope("pay")]
        expected = needs_login(description, 'scope="pay", acr_values="gold", max_age="300"')
        assert answer(app, issuer, guards, **claims) == expected

    def test_whoever_lacks_only_the_scope_is_not_sent_to_log_in(self, app: Flask, issuer: LocalIssuer) -> None:
        """What a login has to be like belongs to the one error that a login heals."""
        guards = [requires_acr("gold"), requires_recent_login(300), requires_scope("pay")]
        answered = answer(app, issuer, guards, acr="gold", auth_time=ago(10))
        assert answered == forbidden("insufficient_scope", NO_SCOPE, "pay")

    @pytest.mark.parametrize("guards", [(900, 60), (60, 900)])
    def test_the_shortest_age_counts(self, app: Flask, issuer: LocalIssuer, guards: tuple[int, int]) -> None:
        answered = answer(app, issuer, [requires_recent_login(age) for age in guards], auth_time=ago(1000))
        assert answered == needs_login(TOO_LONG_AGO, 'max_age="60"')

    def test_only_kinds_that_every_guard_takes_are_named(self, app: Flask, issuer: LocalIssuer) -> None:
        """Another one would be refused by the next guard."""
        guards = [requires_acr("gold", "silver", "bronze"), requires_acr("bronze", "gold")]
        assert answer(app, issuer, guards) == needs_login(OTHER_KIND, 'acr_values="gold bronze"')

    def test_where_no_kind_meets_all_guards_each_names_its_own(self, app: Flask, issuer: LocalIssuer) -> None:
        """A route that nobody can enter is still told apart from one that takes any login."""
        guards = [requires_acr("gold"), requires_acr("silver")]
        assert answer(app, issuer, guards, acr="gold") == needs_login(OTHER_KIND, 'acr_values="silver"')

    def test_the_guards_of_blueprint_class_and_method_count(self, app: Flask, issuer: LocalIssuer) -> None:
        class Payments(MethodView):
            decorators: ClassVar = [requires_recent_login(300)]

            @requires_acr("gold")
            def post(self) -> str:
                return "paid"

        protect(app, "use:api")
        app.add_url_rule("/payments", view_func=Payments.as_view("payments"))
        client = app.test_client()
        refused = client.post("/payments", headers=bearer(issuer.token(scope="use:api")))
        parameters = 'scope="use:api", acr_values="gold", max_age="300"'
        assert seen(refused) == needs_login(TOO_LONG_AGO, parameters)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: requires_acr(), TypeError),
        (lambda: requires_acr(["gold"]), TypeError),  # type: ignore[arg-type]
        (lambda: requires_acr(lambda: None), TypeError),  # type: ignore[arg-type]
        (lambda: requires_acr("gold silver"), ValueError),
        (lambda: requires_acr('go"ld'), ValueError),
        (lambda: requires_acr("go\\ld"), ValueError),
        (lambda: requires_acr("gold\r\nX: y"), ValueError),
        (lambda: requires_acr("gölden"), ValueError),
        (lambda: requires_acr(""), ValueError),
        (lambda: requires_acr("gold", claim=""), TypeError),
        (lambda: requires_acr("gold", claim=1), TypeError),  # type: ignore[arg-type]
        (lambda: requires_recent_login(), TypeError),  # type: ignore[call-arg]
        (lambda: requires_recent_login(0), ValueError),
        (lambda: requires_recent_login(-1), ValueError),
        (lambda: requires_recent_login(True), TypeError),
        (lambda: requires_recent_login(300.0), TypeError),  # type: ignore[arg-type]
        (lambda: requires_recent_login("300"), TypeError),  # type: ignore[arg-type]
        (lambda: requires_recent_login(lambda: None), TypeError),  # type: ignore[arg-type]
        (lambda: requires_recent_login(300, claim=""), TypeError),
    ],
)
def test_a_wrong_argument_is_refused_when_the_guard_is_applied(
    make: Callable[[], object], error: type[Exception]
) -> None:
    """Values go into the challenge, separated by spaces; an age of 0 no token could meet."""
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("guard", [requires_acr("gold"), requires_recent_login(300)])
def test_who_is_calling_comes_before_how_they_have_logged_in(app: Flask, guard: Decorator) -> None:
    """Nobody learns what the route demands without a valid token (RFC 9470 §9)."""
    app.add_url_rule("/guarded", "guarded", guard(lambda: "seen"))
    assert seen(app.test_client().get("/guarded")) == NO_CREDENTIALS


def test_a_coroutine_view_is_guarded(app: Flask, issuer: LocalIssuer) -> None:
    @app.get("/slow")
    @requires_acr("gold")
    async def slow() -> str:
        return "seen"

    client = app.test_client()
    assert client.get("/slow", headers=bearer(issuer.token(acr="gold"))).status_code == 200
    refused = client.get("/slow", headers=bearer(issuer.token()))
    assert seen(refused) == needs_login(OTHER_KIND, 'acr_values="gold"')


def test_an_app_can_handle_it_and_listeners_hear_of_it(app: Flask, issuer: LocalIssuer) -> None:
    found: list[Auth0Error] = []
    heard: list[tuple[str, str]] = []

    def note(sender: Flask, code: str, reason: str) -> None:
        heard.append((code, reason))

    @app.errorhandler(AuthenticationError)
    def mine(error: AuthenticationError) -> tuple[str, int]:
        found.append(error)
        return "log in again", error.status

    app.add_url_rule("/guarded", "guarded", requires_recent_login(300)(requires_acr("a", "b")(lambda: "seen")))
    with token_rejected.connected_to(note, sender=app):
        response = app.test_client().get("/guarded", headers=bearer(issuer.token()))
    [error] = found
    assert (response.status_code, response.text) == (401, "log in again")
    assert isinstance(error, InsufficientUserAuthenticationError)
    assert (error.reason, error.acr_values, error.max_age_seconds) == ("max_age", ("a", "b"), 300)
    assert heard == [("insufficient_user_authentication", "max_age")]


def test_a_login_can_be_demanded_of_a_whole_app(app: Flask, issuer: LocalIssuer) -> None:
    app.add_url_rule("/plain", "plain", lambda: "seen")
    app.before_request(requires_acr("gold")(lambda: None))
    client: FlaskClient = app.test_client()
    refused = client.get("/plain", headers=bearer(issuer.token()))
    assert seen(refused) == needs_login(OTHER_KIND, 'acr_values="gold"')
    assert client.get("/plain", headers=bearer(issuer.token(acr="gold"))).status_code == 200
