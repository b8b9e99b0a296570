"""Security event tokens: what CAEP, RISC and SSF events do here, wherever the token says whom they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.event import UNKNOWN_TYPE, Effect, Event
from auth0_blueprint.revocation.events.security_event import DEFAULT_EFFECTS, security_event
from auth0_blueprint.settings.event_senders import EFFECTS, EventSender

CAEP, RISC, SSF = (f"https://schemas.openid.net/secevent/{name}/event-type/" for name in ("caep", "risc", "ssf"))
OURS = "https://ours.example/"
SENDER = EventSender(OURS, "", ("api",), email_claim="email")
AT = 1_615_305_159
ANN = {"format": "iss_sub", "iss": OURS, "sub": "auth0|ann"}
REVOKED = (Effect("revoke", "subject", "auth0|ann"),)
LIFTED = (Effect("lift", "subject", "auth0|ann", "account-disabled"),)
OWN = "https://schemas.example.com/events/badge-returned"


def claims(events: Any, **more: Any) -> dict[str, Any]:
    return {"iss": OURS, "jti": "e-1", "iat": AT, "aud": "api", "txn": "t", "sub_id": ANN, "events": events, **more}


def read(events: Any, effects: Mapping[str, str] | None = None, **more: Any) -> Event:
    return security_event(claims(events, **more), SENDER._replace(effects=effects or {}), (OURS,))


def reason(told: dict[str, Any], effects: Mapping[str, str] | None = None) -> str:
    with pytest.raises(EventRefusedError) as caught:
        security_event(told, SENDER._replace(effects=effects or {}), (OURS,))
    return caught.value.reason


LEVEL = {"namespace": "NIST-AAL", "current_level": "nist-aal1"}
CHANGE = CAEP + "assurance-level-change"

#: What the specifications show, with values of our own: type, payload, and what it does.
EVENTS: list[tuple[str, dict[str, Any], tuple[Effect, ...]]] = [
    (CAEP + "session-revoked", {"initiating_entity": "policy", "reason_admin": {"en": "elsewhere"}}, REVOKED),
    (CAEP + "credential-change", {"credential_type": "fido2-roaming", "change_type": "create"}, REVOKED),
    (CAEP + "token-claims-change", {"claims": {"role": "reader"}}, REVOKED),
    (CHANGE, {**LEVEL, "change_direction": "decrease"}, REVOKED),
    (CHANGE, LEVEL, REVOKED),
    (CHANGE, {**LEVEL, "change_direction": ["increase"]}, REVOKED),
    (CHANGE, {**LEVEL, "change_direction": "increase"}, ()),
    (RISC + "account-disabled", {"reason": "hijacking"}, REVOKED),
    (RISC + "account-disabled", {"change_direction": "increase"}, REVOKED),
    (RISC + "account-purged", {}, REVOKED),
    (RISC + "account-enabled", {}, LIFTED),
    (SSF + "verification", {"state": "c3RhdGU"}, ()),
    (RISC + "verification", {"state": "c3RhdGU"}, ()),
    (SSF + "stream-updated", {"status": "paused", "reason": "licence"}, ()),
]


def test_each_default_is_one_that_a_setting_may_name() -> None:
    assert set(DEFAULT_EFFECTS.values()) == set(EFFECTS)


@pytest.mark.parametrize(("uri", "payload", "effects"), EVENTS)
def test_each_event_does_what_the_page_says(uri: str, payload: dict[str, Any], effects: Any) -> None:
    assert read({uri: payload}) == Event("security", OURS, "e-1", uri.rpartition("/")[2], AT, effects)


UNKNOWN = [
    *(CAEP + name for name in ("device-compliance-change", "session-established", "session-presented", "", "a/b")),
    *(RISC + name for name in ("account-credential-change-required", "identifier-changed", "Account-Disabled")),
    *("urn:ietf:params:event:SCIM:create", "http://schemas.openid.net/event/backchannel-logout", "", OWN),
    *(CAEP + "session-revoked/", CAEP + "session-revoked\n", "x" + CAEP + "session-revoked", "session-revoked"),
    *("https://schemas.openid.net.example/secevent/caep/event-type/session-revoked", CAEP.upper() + "session-revoked"),
]


@pytest.mark.parametrize("uri", UNKNOWN)
def test_an_unknown_event_is_acknowledged_and_does_nothing(uri: str) -> None:
    """Whatever it says: its subject is not read."""
    assert read({uri: {"subject": 7}}) == Event("security", OURS, "e-1", UNKNOWN_TYPE, AT)


@pytest.mark.parametrize(
    ("effects", "uri", "expected"),
    [
        ({"credential-change": "ignore"}, CAEP + "credential-change", ()),
        ({CAEP + "credential-change": "ignore"}, CAEP + "credential-change", ()),
        ({"credential-change": "revoke", CAEP + "credential-change": "ignore"}, CAEP + "credential-change", ()),
        ({"account-enabled": "ignore"}, RISC + "account-enabled", ()),
        ({"account-disabled": "lift"}, RISC + "account-disabled", LIFTED),
        ({"device-compliance-change": "revoke"}, CAEP + "device-compliance-change", REVOKED),
        ({OWN: "revoke"}, OWN, REVOKED),
        ({"verification": "revoke"}, SSF + "verification", REVOKED),
        # An own setting counts whatever the direction is.
        ({"assurance-level-change": "revoke"}, CHANGE, REVOKED),
        ({"session-revoked": "ignore"}, CAEP + "credential-change", REVOKED),
    ],
)
def test_a_setting_says_what_an_event_does(effects: dict[str, str], uri: str, expected: Any) -> None:
    event = read({uri: {"change_direction": "increase"}}, effects)
    assert (event.type, event.effects) == (uri.rpartition("/")[2], expected)


def test_a_type_of_its_own_is_known_by_its_whole_name_only() -> None:
    assert read({OWN: {}}, {"badge-returned": "revoke"}).type == UNKNOWN_TYPE
    assert read({"urn:x:gone/": {}}, {"urn:x:gone/": "revoke"}) == Event(
        "security", OURS, "e-1", "unknown", AT, REVOKED
    )


@pytest.mark.parametrize("place", ["sub_id", "subject", "both"])
def test_the_subject_is_in_either_place(place: str) -> None:
    """SSF 1.0 §3.1.1: ``subject`` inside the event is the older one."""
    told = claims({CAEP + "session-revoked": {} if place == "sub_id" else {"subject": ANN}})
    if place == "subject":
        del told["sub_id"]
    assert security_event(told, SENDER, (OURS,)).effects == REVOKED


def test_a_session_may_be_revoked_by_the_name_that_its_issuer_has_for_it() -> None:
    """CAEP 1.0 §3.1.2 has a plain ``opaque`` subject; other events do not speak of sessions."""
    subject = {"format": "opaque", "id": "s-1"}
    both = (Effect("revoke", "subject", "s-1"), Effect("revoke", "session", "s-1"))
    assert read({CAEP + "session-revoked": {}}, sub_id=subject).effects == both
    for name in ("credential-change", "token-claims-change"):
        assert read({CAEP + name: {}}, sub_id=subject).effects == both[:1]
    assert read({CAEP + "session-revoked": {}}, sub_id={"user": ANN}).effects == REVOKED
    behind = EventSender("https://idp.example", "", ("api",), subject_template="okta|acme|{sub}")
    told = claims({CAEP + "session-revoked": {}}, sub_id=subject)
    assert security_event(told, behind, (OURS,)).effects == (Effect("revoke", "subject", "okta|acme|s-1"),)


def test_several_members_tell_of_one_event() -> None:
    """RFC 8417 §2. The type is that of the first that does something; what is the same is done once."""
    first, second = OWN, CAEP + "credential-change"
    assert read({first: {}, second: {}}) == Event("security", OURS, "e-1", "credential-change", AT, REVOKED)
    event = read({second: {"subject": ANN}, RISC + "account-disabled": {}, SSF + "verification": {}})
    assert (event.type, event.effects) == ("credential-change", REVOKED)
    assert read({SSF + "verification": {}, second: {}}).type == "credential-change"
    for known in ("verification", "stream-updated"):
        assert read({OWN: {}, SSF + known: {}}).type == known
    assert reason(claims({RISC + "account-disabled": {}, RISC + "account-enabled": {}})) == "events"


@pytest.mark.parametrize(
    ("times", "occurred_at"),
    [
        *(({}, AT), ({"toe": AT - 9}, AT - 9), ({"event_timestamp": AT - 20}, AT - 20)),
        *(({"toe": AT - 9, "event_timestamp": AT - 20}, AT - 20), ({"event_timestamp": AT - 0.5}, AT - 0.5)),
        ({"iat": AT - 3}, AT - 3),
    ],
)
def test_an_event_happened_when_it_says(times: dict[str, float], occurred_at: float) -> None:
    payload = {name: times[name] for name in times if name == "event_timestamp"}
    rest: dict[str, Any] = {name: times[name] for name in times if name != "event_timestamp"}
    assert read({CAEP + "session-revoked": payload}, **rest).occurred_at == occurred_at


MILLISECONDS = 1_615_304_991_643
NO_EVENTS: list[Any] = [None, [], {}, "session-revoked", 7, {CAEP + "session-revoked": None}]
NO_PAYLOADS: list[Any] = [[], "x", True, [{}]]
NO_TIMES: list[Any] = [None, "1615304991", True, [AT], {"at": AT}, -1, MILLISECONDS]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        *((claims(events), "events") for events in NO_EVENTS),
        *((claims({CAEP + "session-revoked": payload}), "events") for payload in NO_PAYLOADS),
        (claims({OWN: {}, CAEP + "session-revoked": 1}), "events"),
        *((claims({CAEP + "session-revoked": {"event_timestamp": value}}), "time") for value in NO_TIMES),
        *((claims({CAEP + "session-revoked": {}}, toe=value), "time") for value in NO_TIMES),
        (claims({OWN: {"event_timestamp": "x"}}), "time"),
        (claims({CAEP + "session-revoked": {"subject": {**ANN, "sub": "auth0|ben"}}}), "subject"),
        (claims({CAEP + "session-revoked": {"subject": None}}), "subject"),
        (claims({CAEP + "session-revoked": {}}, sub_id=None), "subject"),
        (claims({CAEP + "session-revoked": {}}, sub_id={**ANN, "iss": "https://else.example/"}), "foreign_subject"),
        (claims({RISC + "account-enabled": {}}, sub_id={"format": "complex", "user": ANN, "device": ANN}), "subject"),
        # SSF 1.0 §4.1.3
        *((claims({CAEP + "session-revoked": {}}, **{name: 1}), "not_an_event") for name in ("sub", "exp")),
        (claims({CAEP + "device-compliance-change": {}}, sub="a"), "not_an_event"),
    ],
)
def test_what_is_no_acceptable_event_is_refused(told: dict[str, Any], expected: str) -> None:
    assert reason(told) == expected


def test_an_event_needs_a_subject_where_it_does_something() -> None:
    told = claims({CAEP + "session-revoked": {}})
    del told["sub_id"]
    assert reason(told) == "subject"
    assert security_event(told, SENDER._replace(effects={"session-revoked": "ignore"}), (OURS,)).effects == ()


def test_events_of_other_families_may_have_what_those_of_ssf_must_not() -> None:
    """RFC 8417 §2.2, as SCIM has it; unless a setting lets them do something."""
    assert read({OWN: {}}, sub="auth0|ann", exp=AT + 60).type == UNKNOWN_TYPE
    assert reason(claims({OWN: {}}, sub="auth0|ann"), {OWN: "revoke"}) == "not_an_event"
