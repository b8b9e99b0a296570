"""Mistakes that show in the form and the header: what was sent is another kind of token, or has come to harm."""

from __future__ import annotations

import re

from auth0_blueprint.cli.inspection.inspected_token import InspectedToken, Mistake
from auth0_blueprint.cli.inspection.values import shown
from auth0_blueprint.errors import UnknownKeyError

_REFRESH_TOKEN = "v1."  # noqa: S105 - how Auth0's begin
# What programs make of nothing, in any case; and how JSON, a web page and what a shell has not filled in begin.
_NOTHING = frozenset({"undefined", "null", "none", "[object object]"})
_NO_BEGINNING = ("$", "{", "<", "[")
_HOLDS_TOKEN = re.compile(r'\{.*"access_token"\s*:', re.DOTALL)
_MIN_RSA_BYTES = 256  # keys of less than 2048 bits are not used


def _whole_answer(case: InspectedToken) -> str | None:
    if not _HOLDS_TOKEN.match(case.content.token):
        return None
    return "This is the whole answer of Auth0, and the token is in it."


def _not_a_token(case: InspectedToken) -> str | None:
    text = case.content.token.lower()
    if (text not in _NOTHING and not text.startswith(_NO_BEGINNING)) or _whole_answer(case):
        return None
    return "This is not a token: nothing was filled in where one should be, or Auth0 has answered something else."


def _too_long(case: InspectedToken) -> str | None:
    limit = case.settings.max_token_bytes
    if len(case.content.token.encode("utf-8", "surrogatepass")) <= limit:
        return None
    return f"The token has more than {limit} bytes, the limit of this app; it was not read any further."


def _line_break(case: InspectedToken) -> str | None:
    if not any(character.isspace() for character in case.content.token):
        return None
    return "There is a line break or a space inside the token."


def _refresh_token(case: InspectedToken) -> str | None:
    if not case.content.token.startswith(_REFRESH_TOKEN):
        return None
    return "This is a refresh token, which is for Auth0 and for no API."


def _opaque(case: InspectedToken) -> str | None:
    content = case.content
    is_unreadable = content.segments in {1, 2} and content.header is None and not _refresh_token(case)
    if not is_unreadable and not _is_opaque_to_clients(case):
        return None
    return "The token is opaque: Auth0 gives such a one, for its /userinfo alone, when no audience was asked for."


def _encrypted(case: InspectedToken) -> str | None:
    if "enc" not in case.header or _is_opaque_to_clients(case):
        return None
    return "The token is encrypted (JWE)."


def _is_opaque_to_clients(case: InspectedToken) -> bool:
    # What Auth0 encrypts with a secret of its own is for itself; what it encrypts for an API has a key of that API.
    return "enc" in case.header and case.header.get("alg") == "dir"


def _cut_off(case: InspectedToken) -> str | None:
    content = case.content
    if content.header is None or content.segments > 3 or _line_break(case):
        return None
    min_bytes = _MIN_RSA_BYTES if str(content.header.get("alg")).startswith(("RS", "PS")) else 0
    is_signature_whole = content.signature_bytes is not None and content.signature_bytes >= min_bytes
    if content.segments == 3 and content.is_payload_whole and is_signature_whole:
        return None
    return "The token begins well and ends too soon, or has come to harm on its way."


def _hmac(case: InspectedToken) -> str | None:
    if not str(case.header.get("alg")).startswith("HS"):
        return None
    return "The token is signed with a secret (HS256 or its like), not with a key that the issuer publishes."


def _unknown_key(case: InspectedToken) -> str | None:
    if not isinstance(case.error, UnknownKeyError):
        return None
    key_id = shown(case.header.get("kid"))
    return f"The issuer publishes no key that fits kid {key_id}: it was rotated away, or is of another tenant."


#: These stand for themselves: what is no token has no other mistake.
NO_TOKEN: tuple[Mistake, ...] = (
    Mistake("whole answer", _whole_answer, "Send the value of access_token alone."),
    Mistake(
        "not a token", _not_a_token, "Look at what Auth0 has answered to the client, and at what that has kept of it."
    ),
)

MISTAKES: tuple[Mistake, ...] = (
    Mistake("too long", _too_long, "Put fewer claims into it, or raise AUTH0_MAX_TOKEN_BYTES and the server's limit."),
    Mistake("line break", _line_break, "Send it in one piece."),
    Mistake("refresh token", _refresh_token, "Send the access token that came with it."),
    Mistake("opaque", _opaque, "Name AUTH0_AUDIENCE as the audience when you ask Auth0 for the token."),
    Mistake("encrypted", _encrypted, "Turn off JSON Web Encryption for the API in Auth0."),
    Mistake("cut off", _cut_off, "Copy it again as a whole: three parts with two dots between them."),
    Mistake("HS256", _hmac, "Set the signing algorithm of the API, or of the application, to RS256 in Auth0."),
    Mistake("unknown key", _unknown_key, "Get a new token, and compare the keys with those of flask auth0 jwks."),
)
