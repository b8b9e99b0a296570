"""Mistakes visible in the form and the header: another kind of token, or a damaged one."""

from __future__ import annotations

import re

from auth0_blueprint.cli.inspection.decryption import cause_of
from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import shown
from auth0_blueprint.errors import UnknownKeyError

_REFRESH_TOKEN = "v1."  # noqa: S105 - how Auth0's begin
# What programs print for an absent value; and how JSON, a web page and an unexpanded shell variable begin.
_NOTHING = frozenset({"undefined", "null", "none", "[object object]"})
_NO_BEGINNING = ("$", "{", "<", "[")
_HOLDS_TOKEN = re.compile(r'\{.*"access_token"\s*:', re.DOTALL)
_MIN_RSA_BYTES = 256  # keys of less than 2048 bits are not used


def _whole_answer(inspected: InspectedToken) -> str | None:
    if not _HOLDS_TOKEN.match(inspected.content.token):
        return None
    return "This is Auth0's whole JSON response, which contains the token."


def _not_a_token(inspected: InspectedToken) -> str | None:
    text = inspected.content.token.lower()
    if (text not in _NOTHING and not text.startswith(_NO_BEGINNING)) or _whole_answer(inspected):
        return None
    return "This is not a token: the client had none to fill in, or Auth0 returned something else."


def _too_long(inspected: InspectedToken) -> str | None:
    limit = inspected.settings.max_token_bytes
    if len(inspected.content.token.encode("utf-8", "surrogatepass")) <= limit:
        return None
    return f"The token is longer than {limit} bytes, the limit of this app, so it was not decoded."


def _line_break(inspected: InspectedToken) -> str | None:
    if not any(character.isspace() for character in inspected.content.token):
        return None
    return "The token contains a line break or a space."


def _refresh_token(inspected: InspectedToken) -> str | None:
    if not inspected.content.token.startswith(_REFRESH_TOKEN):
        return None
    return "This is a refresh token, which is for Auth0, not for an API."


def _opaque(inspected: InspectedToken) -> str | None:
    content = inspected.content
    is_unreadable = content.segments in {1, 2} and content.header is None and not _refresh_token(inspected)
    if not is_unreadable and not _is_opaque_to_clients(inspected):
        return None
    return "The token is opaque: Auth0 issues these, for its /userinfo only, when the client requests no audience."


def _encrypted(inspected: InspectedToken) -> str | None:
    if "enc" not in inspected.header or _is_opaque_to_clients(inspected) or inspected.settings.encryption.keys:
        return None
    return "The token is encrypted (JWE), and this app has no key for it."


def _undecryptable(inspected: InspectedToken) -> str | None:
    if _is_opaque_to_clients(inspected):
        return None
    return cause_of(inspected.error)


def _not_encrypted(inspected: InspectedToken) -> str | None:
    if inspected.error is None or inspected.error.reason != "not_encrypted":
        return None
    return "The token is signed only, and AUTH0_ENCRYPTION is required."


def _is_opaque_to_clients(inspected: InspectedToken) -> bool:
    # Auth0 encrypts its own opaque tokens with a secret (dir); those for an API, with a key of that API.
    return "enc" in inspected.header and inspected.header.get("alg") == "dir"


def _cut_off(inspected: InspectedToken) -> str | None:
    content = inspected.content
    if content.header is None or content.segments > 3 or _line_break(inspected):
        return None
    min_bytes = _MIN_RSA_BYTES if str(content.header.get("alg")).startswith(("RS", "PS")) else 0
    is_signature_whole = content.signature_bytes is not None and content.signature_bytes >= min_bytes
    if content.segments == 3 and content.is_payload_whole and is_signature_whole:
        return None
    return "The token is truncated, or was damaged in transit."


def _hmac(inspected: InspectedToken) -> str | None:
    if not str(inspected.header.get("alg")).startswith("HS") or inspected.settings.signing_secrets:
        return None
    return "The token is signed with a shared secret (HS256 or similar), not with a key that the issuer publishes."


def _unknown_key(inspected: InspectedToken) -> str | None:
    if not isinstance(inspected.error, UnknownKeyError) or inspected.error.reason != "unknown_key":
        return None
    if "kid" not in inspected.header:
        return f"The token has no kid, and the issuer publishes no key for {shown(inspected.header.get('alg'))}."
    key_id = shown(inspected.header.get("kid"))
    return f"The issuer publishes no key that fits kid {key_id}: it was rotated out, or belongs to another tenant."


def _no_key_id(inspected: InspectedToken) -> str | None:
    if not isinstance(inspected.error, UnknownKeyError) or inspected.error.reason != "no_key_id":
        return None
    algorithm = shown(inspected.header.get("alg"))
    return f"The token has no kid, and the issuer publishes several keys for {algorithm}: none is tried at random."


#: Looked for first, and alone: what is not a token has no other mistake.
NO_TOKEN: tuple[Mistake, ...] = (
    Mistake("whole answer", _whole_answer, "Send only the value of access_token."),
    Mistake("not a token", _not_a_token, "Check what Auth0 returned to the client, and what the client stored."),
)

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "too long", _too_long, "Put fewer claims into it, or raise AUTH0_MAX_TOKEN_BYTES and the server's header limit."
    ),
    Mistake("line break", _line_break, "Send it in one piece."),
    Mistake("refresh token", _refresh_token, "Send the access token that came with it."),
    Mistake("opaque", _opaque, "Request the token with AUTH0_AUDIENCE as the audience."),
    Mistake(
        "encrypted", _encrypted, "Set AUTH0_DECRYPTION_KEYS, or turn off JSON Web Encryption for the API in Auth0."
    ),
    Mistake(
        "undecryptable", _undecryptable, "Compare key and algorithm of the API in Auth0 with AUTH0_DECRYPTION_KEYS."
    ),
    Mistake("not encrypted", _not_encrypted, "Turn on JSON Web Encryption for the API in Auth0, or get a new token."),
    Mistake("cut off", _cut_off, "Copy the whole token again: three parts separated by two dots."),
    Mistake("HS256", _hmac, "Set the signing algorithm of the API to RS256 in Auth0, or set AUTH0_SIGNING_SECRET."),
    Mistake("unknown key", _unknown_key, "Get a new token, and compare its kid with those in flask auth0 jwks."),
    Mistake("no key id", _no_key_id, "Have the issuer put the kid of its key into the header, as Auth0 does."),
)
