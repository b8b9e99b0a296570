"""What is inside an encrypted token, by the keys of the app; and for its operator, what is wrong with one."""

from __future__ import annotations

from typing import Any, NamedTuple

from auth0_blueprint.cli.inspection.unverified import Unverified, take_apart
from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS, JWEError
from auth0_blueprint.settings import Settings
from auth0_blueprint.verification.encryption import REPEATED_CLAIMS, decrypted

_CAUSES = {
    "form": "Its parts are not base64url, its header is not acceptable JSON, or its kid is not.",
    "algorithm": f"alg must be one of {', '.join(KEY_ENCRYPTIONS)}, and enc one of {', '.join(CONTENT_ENCRYPTIONS)}.",
    "extension": "Its header has zip, crit or b64: compression and extensions are not accepted.",
    "type": "typ and cty of its header must be those of a JWT or an access token.",
    "sizes": "Its parts do not have the lengths that enc requires: the token is truncated or damaged.",
    "unknown_key": "No key in AUTH0_DECRYPTION_KEYS has its kid and the length of its encrypted key.",
    "key": "It is encrypted for another key, or with another algorithm than its header says.",
    "content": "It is encrypted for a key of this app, but its header or content was changed.",
    "nested": "There is no signed token in it.",
}
_REPEATED = f"{', '.join(REPEATED_CLAIMS)} in its header must be those of the token inside."


class Content(NamedTuple):
    """A token taken apart.

    Attributes:
        signed: the signed token, which may have been inside an encrypted one; or what can be read of the other.
        encryption: the header of the encrypted token, if it could be decrypted.
    """

    signed: Unverified
    encryption: dict[str, Any] | None


def open_and_take_apart(token: str, settings: Settings) -> Content:
    """Decode *token*, and if it is encrypted the one inside, as far as a key of the app decrypts it."""
    outer = take_apart(token, settings.max_token_bytes)
    if outer.segments != 5 or not settings.encryption.keys:
        return Content(outer, None)
    try:
        opened = decrypted(token.encode("utf-8", "surrogatepass"), settings.encryption)
    except JWEError:
        return Content(outer, None)
    return Content(take_apart(opened.inner.decode("utf-8", "replace"), settings.max_token_bytes), opened.header)


def cause_of(error: Auth0Error | None) -> str | None:
    """Return the sentence that says why a token cannot be decrypted, if *error* is about that."""
    if error is None or error.reason != "undecryptable":
        return None
    cause = error.__cause__
    return _CAUSES[cause.reason] if isinstance(cause, JWEError) else _REPEATED
