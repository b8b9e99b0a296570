"""Subject identifiers: whom an event is about, in the words of RFC 9493 and of the Shared Signals Framework."""

from __future__ import annotations

from typing import Any

import pytest

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.subjects import subject_effects
from auth0_blueprint.settings.event_senders import EventSender

OURS, OTHER_OF_OURS, IDP, NOBODY = "https://ours.example/", "https://login.ours.example/", "https://idp.example", "x"
ISSUERS = (OURS, OTHER_OF_OURS)

#: An issuer of access tokens; an identity provider behind it; a service that knows nobody's subjects; and one that
#: knows addresses.
TENANT = EventSender(OURS, "", ("api",))
BEHIND = EventSender(IDP, "", ("api",), subject_template="okta|acme|{sub}")
SERVICE = EventSender("https://soc.example", "", ("api",))
MAILER = SERVICE._replace(email_claim="email")


def iss_sub(iss: Any, sub: Any) -> dict[str, Any]:
    return {"format": "iss_sub", "iss": iss, "sub": sub}


def opaque(value: Any) -> dict[str, Any]:
    return {"format": "opaque", "id": value}


def email(value: Any) -> dict[str, Any]:
    return {"format": "email", "email": value}


def aliases(*identifiers: Any) -> dict[str, Any]:
    return {"format": "aliases", "identifiers": list(identifiers)}


def of(**members: Any) -> dict[str, Any]:
    return {"format": "complex", **members}


JWT_ID = {"format": "jwt_id", "iss": OURS, "jti": "t-1"}
PHONE = {"format": "phone_number", "phone_number": "+12065550100"}
ANN, BEN = iss_sub(OURS, "auth0|ann"), iss_sub(OTHER_OF_OURS, "auth0|ben")
FOREIGN = iss_sub("https://other.example/", "auth0|ann")
SUBJECT = ("subject", "auth0|ann")
TABLET = iss_sub(OURS, "tablet-7")

UNDERSTOOD = [
    # RFC 9493 §3.2.2 to §3.2.4, and SSF 1.0 §3.5.1
    (TENANT, ANN, [SUBJECT]),
    (TENANT, BEN, [("subject", "auth0|ben")]),
    (SERVICE, ANN, [SUBJECT]),
    (BEHIND, iss_sub(IDP, "00u1"), [("subject", "okta|acme|00u1")]),
    (BEHIND, iss_sub(IDP, "{sub}"), [("subject", "okta|acme|{sub}")]),
    (TENANT, opaque("auth0|ann"), [SUBJECT]),
    (BEHIND, opaque("00u1"), [("subject", "okta|acme|00u1")]),
    (MAILER, email("Ann@Example.COM"), [("email", "ann@example.com")]),
    (MAILER, email("\N{KELVIN SIGN}Im@Ä"), [("email", "\N{KELVIN SIGN}im@ä")]),
    (SERVICE, JWT_ID, [("jti", "t-1")]),
    (TENANT, iss_sub(OURS, "x" * 1024), [("subject", "x" * 1024)]),
    (TENANT, {**ANN, "extension": {"a": 1}, "user": BEN}, [SUBJECT]),
    # §3.2.8
    (MAILER, aliases(ANN, email("ann@example.com"), PHONE), [SUBJECT, ("email", "ann@example.com")]),
    (TENANT, aliases(FOREIGN, ANN, ANN, email("a@b")), [SUBJECT]),
    (TENANT, aliases(iss_sub(OURS, 7), ANN), [SUBJECT]),
    (TENANT, aliases({"format": "account", "uri": "acct:a@b"}, ANN), [SUBJECT]),
    # SSF 1.0 §3.3
    (TENANT, of(user=ANN), [SUBJECT]),
    (TENANT, {"user": ANN, "device": TABLET}, [SUBJECT]),
    (TENANT, {"tenant": opaque("org_a")}, [("organization", "org_a")]),
    (MAILER, of(user=aliases(email("a@b"), ANN)), [("email", "a@b"), SUBJECT]),
    (TENANT, of(session=opaque("s-1")), [("session", "s-1")]),
    (TENANT, {"session": opaque("s-1")}, [("session", "s-1")]),
    (SERVICE, of(session=iss_sub(OURS, "s-1")), [("session", "s-1")]),
    (TENANT, of(session=opaque("s-1"), user=FOREIGN, tenant=opaque("org_a")), [("session", "s-1")]),
    (BEHIND, of(session=opaque("of the idp"), user=iss_sub(IDP, "00u1")), [("subject", "okta|acme|00u1")]),
    (BEHIND, of(session=iss_sub(OURS, "s-1"), user=iss_sub(IDP, "00u1")), [("subject", "okta|acme|00u1")]),
    (TENANT._replace(subject_template="x|{sub}"), ANN, [SUBJECT]),
    (TENANT._replace(subject_template="x|{sub}"), of(session=iss_sub(OURS, "s-1")), [("session", "s-1")]),
    (TENANT, of(user=ANN, device=TABLET, tenant=opaque("org_a"), unknown=1), [SUBJECT]),
    (TENANT, of(tenant=opaque("org_a")), [("organization", "org_a")]),
    (SERVICE, of(tenant=iss_sub(OURS, "org_a")), [("organization", "org_a")]),
]


@pytest.mark.parametrize(("sender", "subject", "pairs"), UNDERSTOOD)
def test_a_subject_is_what_tokens_name(sender: EventSender, subject: Any, pairs: list[Any]) -> None:
    assert subject_effects(subject, sender, ISSUERS) == tuple(pairs)


MALFORMED: list[Any] = [
    *(
        None,
        7,
        "auth0|ann",
        [],
        [ANN],
        {},
        {"iss": OURS, "sub": "a"},
        {"user": 7},
        {"format": ["iss_sub"]},
        {"format": None},
    ),
    *({**ANN, "format": "ISS_SUB"}, {"format": "iss_sub", "iss": OURS}, {"format": "iss_sub", "sub": "a"}),
    *(iss_sub(OURS, value) for value in (None, "", 7, True, ["a"], {"a": 1}, "x" * 1025)),
    *(opaque(value) for value in (None, "", 7, ["a"], "x" * 1025)),
    *(iss_sub(7, "a"), iss_sub("", "a"), iss_sub(None, "a"), {**JWT_ID, "jti": ""}, {**JWT_ID, "iss": 7}),
    # Formats that are unknown here
    *(PHONE, {"format": "account", "uri": "acct:a@b"}, {"format": "did", "url": "did:example:1"}, {"format": ""}),
    *({"format": "ip-addresses", "ip-addresses": ["192.0.2.1"]}, {"format": "uri", "uri": "urn:a"}),
    *({"format": "saml_assertion_id", "issuer": OURS, "assertion_id": "a"}, email("ann@example.com")),
    *(aliases(), aliases(PHONE), aliases(aliases(ANN)), aliases(ANN, aliases(ANN)), aliases(7), aliases(ANN, {})),
    *({"format": "aliases"}, {"format": "aliases", "identifiers": {"0": ANN}}),
    # Members of one format do not make another of that name.
    *({**aliases(ANN), "format": "account"}, of(session={**iss_sub(OURS, "s"), "format": "email"})),
    *(of(session={**opaque("s"), "format": name}) for name in ("email", "uri")),
    # What no token can name, or more than one user would have to log in anew
    *(
        of(),
        of(device=TABLET),
        of(device=TABLET, tenant=opaque("org_a")),
        of(group=opaque("g"), tenant=opaque("org_a")),
    ),
    *(of(application=opaque("app")), of(org_unit=opaque("o"), tenant=opaque("org_a")), of(tenant=opaque("a"), x=1)),
    *(of(user=of(user=ANN)), of(user="auth0|ann"), of(user=None), of(user=PHONE), of(session=opaque(7))),
    *(of(session=of(session=opaque("s"))), of(session=email("a@b")), of(tenant=email("a@b")), of(tenant=None)),
    *(of(user=PHONE, tenant=opaque("org_a")), of(session=7, user=7), of(session=opaque("x" * 1025))),
]


@pytest.mark.parametrize("subject", MALFORMED, ids=repr)
def test_what_is_malformed_or_unknown_is_refused(subject: Any) -> None:
    assert reason(subject, TENANT) == "subject"


@pytest.mark.parametrize(
    ("sender", "subject", "expected"),
    [
        (TENANT, FOREIGN, "foreign_subject"),
        (TENANT, iss_sub(OURS.rstrip("/"), "auth0|ann"), "foreign_subject"),
        (TENANT, iss_sub(IDP, "00u1"), "foreign_subject"),
        (BEHIND, FOREIGN, "foreign_subject"),
        (BEHIND, iss_sub("https://a.example", "00u1"), "foreign_subject"),
        (BEHIND, ANN, "foreign_subject"),
        (SERVICE, iss_sub(SERVICE.issuer, "a"), "foreign_subject"),
        (TENANT, {**JWT_ID, "iss": IDP}, "foreign_subject"),
        (BEHIND, {**JWT_ID, "iss": IDP}, "foreign_subject"),
        # Whoever has a template speaks of no session, organization or token of the rest.
        (BEHIND, JWT_ID, "foreign_subject"),
        (BEHIND, of(session=iss_sub(OURS, "s-1")), "foreign_subject"),
        (BEHIND, of(tenant=iss_sub(OURS, "org_a")), "foreign_subject"),
        (TENANT, aliases(PHONE, FOREIGN), "foreign_subject"),
        (TENANT, of(user=FOREIGN), "foreign_subject"),
        (TENANT, of(session=iss_sub(IDP, "s")), "foreign_subject"),
        (TENANT, of(tenant=iss_sub(IDP, "org_a")), "foreign_subject"),
        # What is opaque means nothing but to its sender, which names no user, session or organization of ours.
        (SERVICE, opaque("auth0|ann"), "subject"),
        (BEHIND, of(session=opaque("s")), "subject"),
        (BEHIND, of(tenant=opaque("org_a")), "subject"),
        (MAILER, email(""), "subject"),
        (MAILER, email(7), "subject"),
    ],
)
def test_a_user_of_another_issuer_is_refused(sender: EventSender, subject: Any, expected: str) -> None:
    """And nobody may speak of ours in names that are not ours."""
    assert reason(subject, sender) == expected


@pytest.mark.parametrize(
    ("subject", "is_allowed"),
    [
        *((ANN, True), (of(user=ANN), True), (of(tenant=opaque("org_a")), True), (of(session=opaque("s")), True)),
        *((of(session=opaque("s"), user=ANN), True), (of(user=ANN, device=TABLET), False)),
        *((of(user=ANN, tenant=opaque("org_a")), False), (of(user=ANN, session=email("a@b")), False)),
    ],
)
def test_what_lifts_leaves_no_member_out(subject: Any, is_allowed: bool) -> None:
    """A user who may come in again on one device, or to one tenant, does not come in everywhere."""
    if is_allowed:
        assert subject_effects(subject, TENANT, ISSUERS, is_exact=True) == subject_effects(subject, TENANT, ISSUERS)
    else:
        assert reason(subject, TENANT, is_exact=True) == "subject"


def reason(subject: Any, sender: EventSender, **how: Any) -> str:
    with pytest.raises(EventRefusedError) as caught:
        subject_effects(subject, sender, ISSUERS, **how)
    return caught.value.reason
