"""Who may send events is said in one setting for each kind; one that is wrong is named, with what would be right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import AppFactory

from auth0_blueprint import ConfigurationError

SENDER = {"issuer": "https://idp.example.com", "jwks_url": "https://idp.example.com/keys", "audience": "https://api"}
LISTS = ("AUTH0_EVENT_TRANSMITTERS", "AUTH0_GLOBAL_REVOCATION")
NO_LIST = "must be a list of senders, or JSON text of one"
SECRET = "a-secret-of-at-least-32-characters"


def sender(**changes: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in {**SENDER, **changes}.items() if value is not None}]


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize("form", [list, tuple, json.dumps, lambda senders: json.dumps(senders[0])])
def test_senders_are_a_list_or_the_same_in_json(make_app: AppFactory, key: str, form: Any) -> None:
    events = make_app(**{key: form([SENDER])}).extensions["auth0"].settings.events
    (found,) = events.transmitters or events.global_revocation
    assert (found.issuer, found.audience, dict(found.effects)) == (SENDER["issuer"], ("https://api",), {})


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((value, NO_LIST) for value in ("[{", "5", "null", '"a"', '["a"]', "https://idp.example.com", 5, ["a"], "{]")),
        ("[" * 100_000, NO_LIST),
        ('[{"issuer": "https://a", "issuer": "https://b"}]', NO_LIST),
        (sender(jwksurl="x"), "sender 1: has no member 'jwksurl': use issuer, jwks_url, audience, "),
        (sender(audience=None), "sender 1: audience is missing"),
        (sender(jwks_url=None, issuer=None), "sender 1: issuer is missing; jwks_url is missing"),
        (sender(audience=""), "sender 1: audience must be a list without empty entries"),
        (sender(jwks_url="http://idp.example.com/keys"), "sender 1: jwks_url may use http only for this machine"),
        ([SENDER, *sender(issuer="idp")], "sender 2: issuer must be an https URL"),
        ([SENDER, SENDER], "must not name an issuer twice: sender 2 has that of an earlier one"),
        (sender(email_claim=""), "sender 1: email_claim must not be empty"),
        *((sender(subject_template=one), "must contain {sub} once") for one in ("okta|acme", "{sub}{sub}", "{x}{sub}")),
    ],
)
def test_a_wrong_list_is_refused_with_what_is_wrong(make_app: AppFactory, key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(**{key: value})
    assert str(caught.value).startswith(f"{key}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("key", "effects", "said"),
    [
        (LISTS[0], ["session-revoked"], "effects must be a dictionary: event type to one of revoke, lift, ignore"),
        (LISTS[0], {"session-revoked": "end"}, "effects must give session-revoked one of revoke, lift, ignore"),
        (LISTS[0], {"session-revoked": ["revoke"]}, "effects must give session-revoked one of revoke, lift, ignore"),
        (LISTS[0], {"sesion-revoked": "ignore"}, "effects has an unknown event type, 'sesion-revoked': use a short"),
        (LISTS[0], {1: "ignore"}, "effects has an unknown event type, 1"),
        (LISTS[1], {"session-revoked": "ignore"}, "has no member 'effects'"),
    ],
)
def test_an_effect_that_would_never_happen_is_refused(make_app: AppFactory, key: str, effects: Any, said: str) -> None:
    """A misspelt type would silently keep its default; a global revocation always revokes."""
    with pytest.raises(ConfigurationError, match=f"sender 1: {said}"):
        make_app(**{key: sender(effects=effects)})


def test_a_type_of_any_family_has_an_effect_by_its_uri(make_app: AppFactory) -> None:
    effects = {"https://example.com/left": "revoke", "sessions-revoked": "revoke", "verification": "ignore"}
    (found,) = (
        make_app(AUTH0_EVENT_TRANSMITTERS=sender(effects=effects)).extensions["auth0"].settings.events.transmitters
    )
    assert found.effects == effects


@pytest.mark.parametrize("key", [*LISTS, "AUTH0_EVENT_SECRETS", "AUTH0_LOGOUT_CLIENT_IDS"])
def test_without_revocation_nobody_may_send_anything(make_app: AppFactory, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{key}: needs AUTH0_REVOCATION, which is false"):
        make_app(AUTH0_REVOCATION=False, **{key: [SENDER] if key in LISTS else SECRET})


@pytest.mark.parametrize("value", [SECRET, SECRET.encode(), [SECRET.encode()], f" {SECRET} "])
def test_a_secret_is_what_is_sent_in_whatever_form_it_is_given(make_app: AppFactory, value: Any) -> None:
    assert make_app(AUTH0_EVENT_SECRETS=value).extensions["auth0"].settings.events.secrets == (SECRET,)


@pytest.mark.parametrize("value", ["a" * 31, b"a" * 31, f"{SECRET},", [SECRET] * 3, 5, [SECRET, 5], b"\xe9" * 32])
def test_a_secret_that_could_be_guessed_is_refused(make_app: AppFactory, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"one secret or two, each of at least 32 .* \(got \*\*\*\)"):
        make_app(AUTH0_EVENT_SECRETS=value)
