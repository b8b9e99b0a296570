"""Guards for how and when a user has logged in, and the challenge to log in again (RFC 9470)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
OWN = "https://api.example.com/login"
TOO_LONG_AGO = "This route requires a more recent login than the one behind the access token."
NO_SCOPE = "The access token lacks a scope that this route requires."


def answer(app: Flask, issuer: LocalIssuer, guards: Sequence[Decorator], **claims: Any) -> Answer:
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


GOLD_OR_SILVER = needs_login(OTHER_KIND, 'acr_values="gold silver"')
WITHIN_300_SECONDS = needs_login(TOO_LONG_AGO, 'max_age="300"')


class TestACR:
    @pytest.mark.parametrize("acr", ["gold", "silver"])
    def test_each_of_the_named_kinds_of_login_is_admitted(self, app: Flask, issuer: LocalIssuer, acr: str) -> None:
        assert answer(app, issuer, [requires_acr("gold", "silver")], acr=acr).status == 200

    @pytest.mark.parametrize(
        "claims",
        [
            *({"acr": value} for value in ("bronze", "", "Gold", "gold silver", "golden", ["gold"], {"gold": True})),
            *({}, {"acr": None}, {"acr": 1}, {"amr": ["gold"], "scope": "gold"}),
        ],
    )
    def test_any_other_login_gets_a_challenge_with_all_that_would_do(
        self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]
    ) -> None:
        """In the order of the guard, which is that of preference; the claim has to be one text."""
        assert answer(app, issuer, [requires_acr("gold", "silver")], **claims) == GOLD_OR_SILVER

    def test_the_value_that_auth0_knows_can_be_demanded(self, app: Flask, issuer: LocalIssuer) -> None:
        expected = needs_login(OTHER_KIND, f'acr_values="{MULTI_FACTOR}"')
        assert answer(app, issuer, [requires_acr(MULTI_FACTOR)]) == expected


@pytest.mark.parametrize(
    ("guard", "name", "value_now", "refusal"),
    [
        (requires_acr("gold", "silver", claim=OWN), "acr", lambda: "gold", GOLD_OR_SILVER),
        (requires_recent_login(300, claim=OWN), "auth_time", lambda: ago(10), WITHIN_300_SECONDS),
    ],
)
def test_another_claim_may_hold_it(
    app: Flask, issuer: LocalIssuer, guard: Decorator, name: str, value_now: Callable[[], Any], refusal: Answer
) -> None:
    """One that an Action has set; the registered one does not count then."""
    app.add_url_rule("/other", "other", guard(lambda: "seen"))
    client, value = app.test_client(), value_now()
    assert client.get("/other", headers=bearer(issuer.token(**{OWN: value}))).status_code == 200
    assert seen(client.get("/other", headers=bearer(issuer.token(**{name: value})))) == refusal


#: Too long ago, in milliseconds, or no JSON number at all.
BAD_TIMES: list[Any] = [0, -1, 1e12, 253_402_300_800, True, False, None, "now", [], {}]


class TestRecentLogin:
    @pytest.mark.parametrize("seconds", [0, 1, 290])
    def test_a_recent_login_is_admitted(self, app: Flask, issuer: LocalIssuer, seconds: float) -> None:
        """Its time may have fractions."""
        assert answer(app, issuer, [requires_recent_login(300)], auth_time=ago(seconds)).status == 200

    @pytest.mark.parametrize(
        "claims_now",
        [
            *(lambda value=value: {"auth_time": value} for value in BAD_TIMES),
            # Made when the test runs: one made when it was collected may have grown too old by then to prove anything.
            *(lambda: {"auth_time": ago(310)}, lambda: {"auth_time": str(int(ago(1)))}),
            lambda: {"auth_time": [ago(1)]},
            # A login in the future would stay recent for as long as it likes.
            lambda: {"auth_time": ago(-60)},
            # A machine's token, or one from an issuer that does not say.
            dict,
        ],
    )
    def test_any_other_time_of_login_gets_a_challenge_with_the_age(
        self, app: Flask, issuer: LocalIssuer, claims_now: Callable[[], dict[str, Any]]
    ) -> None:
        assert answer(app, issuer, [requires_recent_login(300)], **claims_now()) == WITHIN_300_SECONDS

    def test_a_login_ages_with_the_clock(self, clock: MovableClock) -> None:
        requirement = recent_login_requirement(300, claim="auth_time")
        token = AccessToken({"auth_time": clock.now, "iat": clock.now}, {})
        clock.move(300)
        assert requirement.is_met_by(token, clock)
        clock.move(0.001)
        assert not requirement.is_met_by(token, clock)

    @pytest.mark.parametrize(
        ("auth_time", "issued_at", "is_met"),
        [
            # ``true`` is no number to JSON, and time begins in 1970, also where the age alone would let it pass.
            *((1, 100, True), (0.5, 100, True), (0, 100, True), (True, 100, False), (-1, 100, False)),
            # It may be as far ahead as the issuer's clock, which the token's own time of issue shows.
            *((100, 104, True), (104, 104, True), (104.001, 104, False), (160, 104, False)),
            # Issuers round their times: a token from before the last moment may still tell of it.
            (100, 99, True),
        ],
    )
    def test_a_time_is_what_the_verifier_takes_for_one_and_not_ahead_of_the_token(
        self, clock: MovableClock, auth_time: Any, issued_at: float, is_met: bool
    ) -> None:
        clock.now = 100
        token = AccessToken({"auth_time": auth_time, "iat": issued_at}, {})
        assert recent_login_requirement(300, claim="auth_time").is_met_by(token, clock) is is_met


GOLD_RECENT_AND_SCOPED = [requires_acr("gold"), requires_recent_login(300), requires_scope("pay")]


class TestSeveralRequirements:
    """One challenge tells a client all that the route needs, so that the user logs in once."""

    @pytest.mark.parametrize("claims", [{}, {"acr": "gold"}, {"acr": "gold", "auth_time": 1}])
    def test_a_refusal_names_kind_age_and_scopes(self, app: Flask, issuer: LocalIssuer, claims: dict[str, Any]) -> None:
        description = TOO_LONG_AGO if "acr" in claims else OTHER_KIND
        expected = needs_login(description, 'scope="pay", acr_values="gold", max_age="300"')
        assert answer(app, issuer, GOLD_RECENT_AND_SCOPED, **claims) == expected

    def test_whoever_lacks_only_the_scope_is_not_sent_to_log_in(self, app: Flask, issuer: LocalIssuer) -> None:
        """What a login has to be like belongs to the one error that a login heals."""
        answered = answer(app, issuer, GOLD_RECENT_AND_SCOPED, acr="gold", auth_time=ago(10))
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
    ("error", "make", "arguments", "options"),
    [
        *((TypeError, requires_acr, arguments, {}) for arguments in ((), (["gold"],), (lambda: None,))),
        *((ValueError, requires_acr, (text,), {}) for text in ("gold silver", 'go"ld', "go\\ld", "gold\r\nX: y")),
        *((ValueError, requires_acr, (text,), {}) for text in ("gölden", "")),
        *((TypeError, requires_acr, ("gold",), {"claim": claim}) for claim in ("", 1)),
        *((ValueError, requires_recent_login, (age,), {}) for age in (0, -1)),
        *((TypeError, requires_recent_login, (age,), {}) for age in (True, 300.0, "300", lambda: None)),
        *((TypeError, requires_recent_login, (), {}), (TypeError, requires_recent_login, (300,), {"claim": ""})),
    ],
)
def test_a_wrong_argument_is_refused_when_the_guard_is_applied(
    error: type[Exception], make: Callable[..., object], arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """Values go into the challenge, separated by spaces; an age of 0 no token could meet."""
    with pytest.raises(error):
        make(*arguments, **options)


@pytest.mark.parametrize("guard", [requires_acr("gold"), requires_recent_login(300)])
def test_who_is_calling_comes_before_how_they_have_logged_in(app: Flask, guard: Decorator) -> None:
    """Nobody learns what the route demands without a valid token (RFC 9470 §9)."""
    app.add_url_rule("/guarded", "guarded", guard(lambda: "seen"))
    assert seen(app.test_client().get("/guarded")) == NO_CREDENTIALS


def test_a_coroutine_view_is_guarded(app: Flask, issuer: LocalIssuer) -> None:
    async def slow() -> str:
        return "seen"

    app.add_url_rule("/slow", "slow", requires_acr("gold", "silver")(slow))
    client = app.test_client()
    assert client.get("/slow", headers=bearer(issuer.token(acr="gold"))).status_code == 200
    assert seen(client.get("/slow", headers=bearer(issuer.token()))) == GOLD_OR_SILVER


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
    app.before_request(requires_acr("gold", "silver")(lambda: None))
    client: FlaskClient = app.test_client()
    assert seen(client.get("/plain", headers=bearer(issuer.token()))) == GOLD_OR_SILVER
    assert client.get("/plain", headers=bearer(issuer.token(acr="gold"))).status_code == 200
