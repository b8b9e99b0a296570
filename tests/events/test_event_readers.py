"""What the routes cannot show of the readers of event tokens: bounds to the moment, and whose settings count."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import AppFactory
from refusals import ABSENT
from sent_tokens import CLIENT, LOGOUT, event_token, receiver

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import Effect
from auth0_blueprint.revocation.events.event_token import EventToken, EventTokenVerifier, Issuer
from auth0_blueprint.revocation.events.global_revocation import global_revocation_event
from auth0_blueprint.revocation.events.logout import logout_event
from auth0_blueprint.settings.event_senders import EventSender
from auth0_blueprint.testing import LocalIssuer

NOW, WEEK = 1_800_000_000, 7 * 86_400


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        *(
            ({"iat": NOW + 5}, None),
            ({"iat": NOW + 5.5}, "time"),
            ({"iat": NOW - WEEK}, None),
            ({"iat": ABSENT}, "time"),
        ),
        *(({"nbf": NOW + 5}, None), ({"nbf": NOW + 5.5}, "time"), ({"iat": NOW - WEEK - 0.5}, "too_old")),
        *(({"exp": NOW - 5}, "expired"), ({"exp": NOW - 4.5}, None), ({"exp": ABSENT}, None), ({"exp": "x"}, "time")),
    ],
)
def test_times_count_to_the_moment(make_app: AppFactory, issuer: LocalIssuer, claims: Any, reason: str | None) -> None:
    app = receiver(make_app, issuer)
    key_for = app.extensions["auth0"].key_sources[issuer.issuer].key_for
    verifier = EventTokenVerifier(
        {issuer.issuer: Issuer(key_for, frozenset({CLIENT}), ("RS256",))},
        types=frozenset({None}),
        max_bytes=16_384,
        leeway_seconds=5,
        clock=Clock(time=lambda: NOW),
    )
    usual = {"aud": CLIENT, "iat": NOW, "exp": NOW + 9}
    assert refusal(verifier, event_token(issuer, {}, {**usual, **claims})) == reason
    assert refusal(verifier, "\ud800.a.b") == "malformed"
    issuer.rotate()
    assert refusal(verifier, event_token(issuer, {}, usual)) is None  # which has the new key fetched
    assert refusal(verifier, event_token(issuer, {"kid": ABSENT}, usual)) == "unknown_key"


def refusal(verifier: EventTokenVerifier, text: str) -> str | None:
    try:
        verifier.verify(text)
    except EventRefusedError as exc:
        return exc.reason
    return None


def test_of_several_providers_the_template_of_the_sender_counts() -> None:
    a, b, c = (EventSender(f"https://{name}", "", (), subject_template=f"{name}|{{sub}}") for name in "abc")
    token = EventToken(b.issuer, {"jti": "j", "iat": NOW})
    subject = {"format": "iss_sub", "iss": b.issuer, "sub": "u"}
    assert global_revocation_event(token, subject, [a, c, b], ()).effects == (Effect("revoke", "subject", "b|u"),)


def test_a_logout_names_the_user_and_the_session_unless_the_settings_say_more() -> None:
    token = EventToken("i", {"jti": "j", "iat": NOW, "sub": "u", "sid": "s", "events": {LOGOUT: {}}})
    both = (Effect("revoke", "subject", "u"), Effect("revoke", "session", "s"))
    assert (logout_event(token).effects, logout_event(token, session_only=True).effects) == (both, both[1:])
