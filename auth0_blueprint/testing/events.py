"""The events that apps hear of, as their senders write them: signed by a local issuer, or in Auth0's own JSON."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt

from auth0_blueprint.settings.event_types import URIS
from auth0_blueprint.testing.signing_key import SigningKey, strangers_key

#: Of the users and the application whose tokens a local issuer mints.
LOCAL_USER = "auth0|local-user"
LOCAL_CLIENT = "local-client"
#: As long as npm's oidc-provider lets its own live.
LOGOUT_TOKEN_SECONDS = 120

_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class EventIssuer(ABC):
    """What signs events: a local issuer, in the roles of an OpenID provider, a transmitter and an identity provider.

    Attributes:
        audience: of its security events, unless another is given.
        event_secret: the secret for Auth0's own events, in `event_settings`.
    """

    audience: str
    event_secret: str

    def __init__(self) -> None:
        self.event_secret = secrets.token_urlsafe(32)

    @property
    @abstractmethod
    def issuer(self) -> str:
        """The ``iss`` of what it signs."""

    @abstractmethod
    def _key(self, key_id: str | None) -> SigningKey:
        """Return the key *key_id*; without it the newest."""

    @property
    @abstractmethod
    def key_ids(self) -> list[str]:
        """The published key ids, oldest first. The last one signs."""

    @property
    def event_settings(self) -> dict[str, str]:
        """The settings that make an app accept all its events, besides those that make it accept its tokens."""
        sender = {
            "issuer": self.issuer,
            "jwks_url": f"{self.issuer}.well-known/jwks.json",
            "audience": self.audience,
        }
        return {
            "AUTH0_LOGOUT_CLIENT_IDS": LOCAL_CLIENT,
            "AUTH0_EVENT_TRANSMITTERS": json.dumps([sender]),
            "AUTH0_EVENT_SECRETS": self.event_secret,
            "AUTH0_GLOBAL_REVOCATION": json.dumps([sender]),
        }

    def subject_id(self, sub: str = LOCAL_USER) -> dict[str, str]:
        """Return the subject identifier of its user *sub*, in the format ``iss_sub`` (RFC 9493 §3.2.3)."""
        return {"format": "iss_sub", "iss": self.issuer, "sub": sub}

    def logout_token(
        self,
        *,
        client_id: str = LOCAL_CLIENT,
        sub: str | None = None,
        sid: str | None = None,
        key_id: str | None = None,
        expires_in: float = LOGOUT_TOKEN_SECONDS,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Mint a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).

        Args:
            client_id: the application that the user has logged out of: the audience.
            sub: the user; by default that of `token`, unless there is a *sid*.
            sid: the session.
            key_id: the signing key; by default the newest.
            expires_in: seconds from now; negative for an expired token.
            headers: members to add to, or replace in, the JOSE header.
            without: claims to leave out.
            claims: to add or replace.
        """
        now = int(time.time())
        subject = {"sub": LOCAL_USER if sub is None and sid is None else sub, "sid": sid}
        payload = {
            "aud": client_id,
            **{name: value for name, value in subject.items() if value is not None},
            "iat": now if expires_in > 0 else int(now + expires_in) - 60,
            "exp": int(now + expires_in),
            "events": {_LOGOUT: {}},
        }
        return self._signed("logout+jwt", {**payload, **claims}, key_id, headers, without)

    def security_event(
        self,
        event_type: str = "session-revoked",
        *,
        subject: Mapping[str, Any] | str = LOCAL_USER,
        audience: str | list[str] | None = None,
        event: Mapping[str, Any] | None = None,
        key_id: str | None = None,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Mint a security event token (RFC 8417) as a transmitter of the Shared Signals Framework 1.0 does.

        Args:
            event_type: the short name of an event of CAEP, RISC or the framework, or the whole URI of any.
            subject: the ``sub_id``, in any format of RFC 9493; a string is the ``sub`` of a user of this issuer.
            audience: by default that of the issuer.
            event: members of the event, such as ``event_timestamp``.
            key_id: as in `logout_token`.
            headers: likewise.
            without: likewise.
            claims: likewise.

        Raises:
            ValueError: *event_type* is neither a known short name nor a URI.
        """
        payload = {
            "aud": self.audience if audience is None else audience,
            "iat": int(time.time()),
            "sub_id": self.subject_id(subject) if isinstance(subject, str) else dict(subject),
            "events": {_uri_of(event_type): dict(event or {})},
        }
        return self._signed("secevent+jwt", {**payload, **claims}, key_id, headers, without)

    def global_revocation_jwt(
        self,
        *,
        audience: str | list[str] | None = None,
        key_id: str | None = None,
        expires_in: float = 300,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Mint the JWT by which an identity provider authorizes a Global Token Revocation, as Okta does.

        Takes the arguments of `logout_token`; *audience* is by default that of the issuer.
        """
        now = int(time.time())
        payload = {
            "sub": self.issuer,
            "aud": self.audience if audience is None else audience,
            "iat": now if expires_in > 0 else int(now + expires_in) - 60,
            "exp": int(now + expires_in),
        }
        return self._signed("global-token-revocation+jwt", {**payload, **claims}, key_id, headers, without)

    def forge(self, token: str) -> str:
        """Return *token*, of any kind, with the same header and claims but signed with a stranger's key."""
        return strangers_key(jwt.get_unverified_header(token)["alg"]).sign_again(token)

    def _signed(
        self,
        token_type: str,
        claims: dict[str, Any],
        key_id: str | None,
        headers: dict[str, Any] | None,
        without: tuple[str, ...],
    ) -> str:
        payload = {"iss": self.issuer, "jti": str(uuid.uuid4()), **claims}
        for name in without:
            payload.pop(name, None)
        key_id = key_id or self.key_ids[-1]
        return self._key(key_id).sign(payload, {"typ": token_type, "kid": key_id, **(headers or {})})


def cloud_event(
    event_type: str = "user.deleted",
    content: Mapping[str, Any] | None = None,
    *,
    is_test: bool = False,
    **members: Any,
) -> dict[str, Any]:
    """Return an event as Auth0's event streams post it: a CloudEvent in JSON.

    Args:
        event_type: such as ``user.deleted``, ``user.updated`` or ``organization.member.deleted``.
        content: what the event is about, its ``data.object``; by default the user of `LocalIssuer.token`.
        is_test: mark it as one that was sent by hand, for a test: with ``a0purpose``.
        members: to add or replace: ``id``, ``time``, ``data``, ...
    """
    return {
        "id": f"evt_{secrets.token_hex(8)}",
        "source": "urn:auth0:local-tenant.auth0.com",
        "specversion": "1.0",
        "type": event_type,
        "time": _now(),
        "data": {"object": {"user_id": LOCAL_USER} if content is None else dict(content)},
        "a0tenant": "local-tenant",
        "a0stream": "est_local",
        **({"a0purpose": "test"} if is_test else {}),
        **members,
    }


def log_record(record_type: str = "sdu", *, user_id: str = LOCAL_USER, **data: Any) -> dict[str, Any]:
    """Return a record as Auth0's custom log streams post it, alone or in an array.

    Args:
        record_type: Auth0's code, such as ``sdu`` for a deleted user.
        user_id: the user that the record is about.
        data: to add to its ``data``, or replace there: ``date``, ``log_id``, ``details``, ...
    """
    log_id = f"900{secrets.randbelow(10**45):045}"
    return {
        "log_id": data.get("log_id", log_id),
        "data": {
            "date": _now(),
            "type": record_type,
            "description": "",
            "client_id": LOCAL_CLIENT,
            "client_name": "",
            "ip": "127.0.0.1",
            "user_id": user_id,
            "log_id": log_id,
            "tenant_name": "local-tenant",
            **data,
        },
    }


def _uri_of(event_type: str) -> str:
    if ":" in event_type:
        return event_type
    if event_type not in URIS:
        raise ValueError(f"There is no event {event_type!r}. To solve this, give the whole URI of its type.")
    return URIS[event_type]


def _now() -> str:
    """Return the time as Auth0 writes it, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
