"""Who may send events (settings ``AUTH0_LOGOUT_CLIENT_IDS``, ``AUTH0_EVENT_*`` and ``AUTH0_GLOBAL_REVOCATION``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, cast

from marshmallow import Schema, ValidationError, fields, post_load, validate

from auth0_blueprint.jose import strict_json
from auth0_blueprint.settings.event_sources import SETTINGS
from auth0_blueprint.settings.event_types import URIS
from auth0_blueprint.settings.fields import IssuerURL, KeySetURL, Text, TextList

#: What an event may do: end the subject's tokens; make an earlier event of the same sender undone; nothing.
EFFECTS = ("revoke", "lift", "ignore")
#: A shorter secret could be guessed by whoever may send requests.
MIN_SECRET_CHARACTERS = 32
MAX_SECRETS = 2
# It comes after ``Bearer``, where a space or a comma would end it.
_SECRET = re.compile(r"[!-+\--~]*")
_NO_LIST = "must be a list of senders, or JSON text of one"
_TEMPLATE = r"[^{}]*\{sub\}[^{}]*\Z"


class EventSender(NamedTuple):
    """Somebody whose signed events are believed.

    Attributes:
        issuer: its issuer identifier, exactly as in ``iss``.
        jwks_url: of its key set.
        audience: what its events must be for; one of these.
        effects: what its events do where that is not the default: event type, short or whole, to one of `EFFECTS`.
        email_claim: the claim of access tokens that holds the user's email address, for events that name users so.
        subject_template: the ``sub`` that access tokens have for users of this issuer, with ``{sub}`` for its own, such
            as ``okta|acme|{sub}``; without it only users of the issuers of access tokens can be named by ``sub``.
    """

    issuer: str
    jwks_url: str
    audience: tuple[str, ...]
    effects: Mapping[str, str] = MappingProxyType({})
    email_claim: str | None = None
    subject_template: str | None = None


class EventSettings(NamedTuple):
    """Who may send events, by route; a route exists only if somebody may.

    Attributes:
        session_claim: the claim of access tokens that holds the id of the session, if one was set.
    """

    logout_client_ids: tuple[str, ...] = ()
    transmitters: tuple[EventSender, ...] = ()
    secrets: tuple[str, ...] = ()
    global_revocation: tuple[EventSender, ...] = ()
    session_claim: str | None = None

    def __repr__(self) -> str:
        """Name the routes alone: representations get into error reports, and secrets must not."""
        return f"<EventSettings for {', '.join(self.sources) or 'nobody'}>"

    @property
    def sources(self) -> tuple[str, ...]:
        """Those whose routes exist."""
        senders = (self.logout_client_ids, self.transmitters, self.secrets, self.global_revocation)
        return tuple(source for source, named in zip(SETTINGS, senders, strict=True) if named)

    @property
    def email_claims(self) -> tuple[str, ...]:
        """The claims of access tokens that hold email addresses."""
        senders = (*self.transmitters, *self.global_revocation)
        return tuple(dict.fromkeys(sender.email_claim for sender in senders if sender.email_claim))


def event_settings(data: Mapping[str, Any]) -> EventSettings:
    """Return what the settings in *data* say."""
    return EventSettings(
        data["AUTH0_LOGOUT_CLIENT_IDS"],
        data["AUTH0_EVENT_TRANSMITTERS"],
        data["AUTH0_EVENT_SECRETS"],
        data["AUTH0_GLOBAL_REVOCATION"],
        data["AUTH0_SESSION_CLAIM"],
    )


def shown(value: Any) -> Any:
    """Return *value*, of a setting, as it is shown to operators and could be set."""
    if not isinstance(value, tuple) or not all(isinstance(item, EventSender) for item in value):
        return value
    members = ({**sender._asdict(), "effects": dict(sender.effects)} for sender in value)
    return [{name: member for name, member in one.items() if member} for one in members]


def has_senders(data: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings in *data* that name a sender."""
    return [name for name in SETTINGS.values() if data.get(name)]


class _Effects(fields.Field[Mapping[str, str]]):
    """Types of events, short or whole, to what they do."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValidationError(f"must be a dictionary: event type to one of {_listing(EFFECTS)}")
        for name, effect in value.items():
            if not isinstance(name, str) or (":" not in name and name not in URIS):
                raise ValidationError(
                    f"has an unknown event type, {name!r}: use a short name of CAEP or RISC, or the URI"
                )
            if effect not in EFFECTS:
                raise ValidationError(f"must give {name} one of {_listing(EFFECTS)}")
        return MappingProxyType(dict(value))


def _listing(words: Iterable[str]) -> str:
    return ", ".join(words)


_REQUIRED: dict[str, Any] = {"required": "is missing"}


class _ProviderSchema(Schema):
    issuer = IssuerURL(required=True, error_messages=_REQUIRED)
    jwks_url = KeySetURL(required=True, error_messages=_REQUIRED)
    audience = TextList(required=True, error_messages=_REQUIRED)
    email_claim = Text(load_default=None, validate=validate.Length(min=1, error="must not be empty"))
    # The braces of the message are doubled, because marshmallow formats it.
    subject_template = Text(
        load_default=None, validate=validate.Regexp(_TEMPLATE, error="must contain {{sub}} once, and no other braces")
    )

    @post_load
    def _sender(self, data: dict[str, Any], **_: object) -> EventSender:
        return EventSender(**data)


class _TransmitterSchema(_ProviderSchema):
    effects = _Effects(load_default=MappingProxyType({}))


class EventSenders(fields.Field[tuple[EventSender, ...]]):
    """Several senders: a list of dictionaries with the members of `EventSender`, or the same as JSON text."""

    _schema: ClassVar[type[Schema]] = _ProviderSchema

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[EventSender, ...]:
        if isinstance(value, str):
            try:
                value = strict_json.loads_records(value.encode("utf-8", "surrogatepass"))
            except strict_json.StrictJSONError as exc:
                raise ValidationError(_NO_LIST) from exc
        items = [value] if isinstance(value, dict) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, dict) for item in items):
            raise ValidationError(_NO_LIST)
        senders: list[EventSender] = []
        for number, item in enumerate(items, 1):
            try:
                senders.append(cast("EventSender", self._schema().load(item)))
            except ValidationError as exc:
                raise ValidationError(f"sender {number}: {_problems(self._schema(), exc)}") from exc
        issuers = [sender.issuer for sender in senders]
        for number, issuer in enumerate(issuers, 1):
            if issuer in issuers[: number - 1]:
                raise ValidationError(f"must not name an issuer twice: sender {number} has that of an earlier one")
        return tuple(senders)


class EventTransmitters(EventSenders):
    """The same, with what the events of each are to do."""

    _schema = _TransmitterSchema


def _problems(schema: Schema, exc: ValidationError) -> str:
    messages = exc.messages_dict
    known = [f"{name} {_first(found)}" for name, found in messages.items() if name in schema.fields]
    unknown = [ascii(name) for name in messages if name not in schema.fields]
    if unknown:
        known.append(f"has no member {_listing(unknown)}: use {_listing(schema.fields)}")
    return "; ".join(known)


def _first(messages: Any) -> str:
    return str(messages[0] if isinstance(messages, list) else messages)


class EventSecrets(fields.Field[tuple[str, ...]]):
    """One secret or two, of which both are accepted while one replaces the other."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        texts = [_secret(item) for item in _listed(value.split(",") if isinstance(value, str) else value)]
        if not 1 <= len(texts) <= MAX_SECRETS or not all(
            len(text) >= MIN_SECRET_CHARACTERS and _SECRET.fullmatch(text) for text in texts
        ):
            raise ValidationError(
                f"must be one secret or two, each of at least {MIN_SECRET_CHARACTERS} ASCII characters, "
                "without spaces and commas"
            )
        return tuple(texts)


def _secret(item: Any) -> str:
    """Return *item* as it is sent; bytes are the characters, not their hexadecimal digits. Empty if it is no text."""
    text = item.decode("latin-1") if isinstance(item, bytes) else item
    return text.strip() if isinstance(text, str) else ""


def _listed(items: Any) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else [items]
