"""Requests that are refused: tokens built byte by byte, and what the answer to them looks like on the wire."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from conftest import bearer
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import get_jwt_identity, jwt_required
from werkzeug.wrappers import Response

from auth0_blueprint import current_token, requires_auth
from auth0_blueprint.testing import LocalIssuer

#: In the place of a value: leave the member out.
ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a refused client gets to see. The ``code`` is in the body."""

    status: int
    challenges: tuple[str, ...]
    body: dict[str, Any]
    cache_control: str | None = "no-store"
    content_type: str = "application/json"


def seen(response: Response) -> Answer:
    """Return what a client sees of *response*."""
    return Answer(
        status=response.status_code,
        challenges=tuple(response.headers.getlist("WWW-Authenticate")),
        body=response.get_json(),
        cache_control=response.headers.get("Cache-Control"),
        content_type=response.headers["Content-Type"],
    )


def invalid_token(code: str, description: str) -> Answer:
    """Return the answer to a token that is refused (RFC 6750 §3.1)."""
    return Answer(
        401,
        (f'Bearer realm="api", error="invalid_token", error_description="{description}"',),
        {"error": "invalid_token", "error_description": description, "code": code},
    )


def forbidden(code: str, description: str, scope: str = "") -> Answer:
    """Return the answer to a caller who is known, and may not do this; *scope* is what the challenge names."""
    challenge = f'Bearer realm="api", error="insufficient_scope", error_description="{description}"'
    return Answer(
        403,
        (challenge + (f', scope="{scope}"' if scope else ""),),
        {"error": "insufficient_scope", "error_description": description, "code": code},
    )


def needs_login(description: str, parameters: str) -> Answer:
    """Return the answer to a user whose login is not enough; *parameters* end the challenge (RFC 9470 §3)."""
    code = "insufficient_user_authentication"
    return Answer(
        401,
        (f'Bearer realm="api", error="{code}", error_description="{description}", {parameters}',),
        {"error": code, "error_description": description, "code": code},
    )


def without_error(code: str, description: str) -> Answer:
    """Return the answer to a request without credentials of ours (RFC 6750 §3.1)."""
    return Answer(401, ('Bearer realm="api"',), {"error_description": description, "code": code})


NO_CREDENTIALS = without_error("authorization_header_missing", "The request has no Authorization header.")
OTHER_SCHEME = without_error("invalid_header", "The Authorization header must use the Bearer scheme.")
NO_TOKEN = without_error("invalid_header", "The Authorization header has no token after the scheme.")
ONE_TOKEN = "The Authorization header must be one scheme and one token, separated by one space."
SEVERAL_CREDENTIALS = Answer(
    400,
    (f'Bearer realm="api", error="invalid_request", error_description="{ONE_TOKEN}"',),
    {"error": "invalid_request", "error_description": ONE_TOKEN, "code": "invalid_header"},
)

malformed = partial(invalid_token, "token_malformed")
TOO_LONG = malformed("The access token is longer than this API accepts.")
ENCRYPTED = malformed("The access token is encrypted; this API accepts only signed access tokens.")
UNDECRYPTABLE = malformed("The access token cannot be decrypted, or is not encrypted in a form that this API accepts.")
NOT_ENCRYPTED = malformed("The access token is not encrypted; this API accepts only encrypted access tokens.")
OPAQUE = malformed("The access token is not a JWT; request it with this API's audience.")
NOT_BASE64URL = malformed("The access token does not consist of three base64url segments.")
BAD_HEADER = malformed("The header of the access token is not an acceptable JSON object.")
BAD_PAYLOAD = malformed("The payload of the access token is not an acceptable JSON object.")
BAD_KEY_ID = malformed("The key id of the access token is not a string, or is too long.")
CRITICAL_EXTENSION = malformed("The access token uses a header extension that this API does not understand.")
WRONG_TYPE = malformed("The token's type is not one that this API accepts for access tokens.")
UNSUPPORTED_ALGORITHM = invalid_token(
    "unsupported_algorithm", "The access token is signed with an algorithm this API does not accept."
)
UNKNOWN_KEY = invalid_token("unknown_key", "The access token is signed with a key that the issuer does not publish.")
NO_KEY_ID = invalid_token(
    "unknown_key", "The access token has no key id, and several keys of the issuer could have signed it."
)
INVALID_SIGNATURE = invalid_token("invalid_signature", "The signature of the access token is not valid.")
EXPIRED = invalid_token("token_expired", "The access token expired.")
NOT_BEFORE = invalid_token("token_not_yet_valid", "The access token is not valid yet.")
ISSUED_IN_FUTURE = invalid_token("token_not_yet_valid", "The access token was issued in the future; check the clocks.")

invalid_claims = partial(invalid_token, "invalid_claims")
OTHER_ISSUER = invalid_claims("The access token was issued by another issuer.")
OTHER_AUDIENCE = invalid_claims("The access token was issued for another audience.")
MISSING_CLAIM = invalid_claims("The access token lacks a claim that this API requires.")
BAD_SUBJECT = invalid_claims("The subject of the access token is missing or not a string.")
BAD_TIME = invalid_claims("A time in the access token is missing or not a valid number.")
BAD_NUMBER = invalid_claims("The access token contains a number that is out of range.")
TOO_LONG_LIVED = invalid_claims("The access token is valid for longer than this API accepts.")
BAD_SCOPE = invalid_claims("The scope of the access token is neither a string nor a list of strings.")
BAD_ACTOR = invalid_claims("An actor in the access token is not an object whose subject is a string.")
TOO_MANY_ACTORS = invalid_claims("The access token names more actors than this API accepts.")
BAD_DETAILS = invalid_claims("The authorization details of the access token are not a list of objects with a type.")
BAD_PERMISSIONS = invalid_claims("The permissions of the access token are not a list of strings.")
BAD_IDENTIFIER = invalid_claims("An identifier in the access token is not a string.")
OTHER_ORGANIZATION = invalid_claims("The access token is not for an organization that this API accepts.")
REFUSED_BY_APP = invalid_claims("The access token was rejected by a rule of this API.")
REVOKED = invalid_token("token_revoked", "The access token was revoked.")

mismatch = partial(invalid_token, "binding_mismatch")
BOUND = mismatch(
    "The access token is sender-constrained, and the request does not prove possession of its key or certificate."
)
NO_CERTIFICATE = mismatch("The access token is bound to a client certificate, but the request presents none.")
OTHER_CERTIFICATE = mismatch("The access token is bound to another client certificate.")
UNREADABLE_CERTIFICATE = mismatch("The client certificate of the request cannot be read.")
UNTRUSTED_PROXY = mismatch("The client certificate was not forwarded by a proxy that this API trusts.")
USER_NOT_FOUND = invalid_token("user_not_found", "This API does not know the user of the access token.")
KEY_SET_UNAVAILABLE = Answer(
    503,
    (),
    {
        "error": "temporarily_unavailable",
        "error_description": "The keys for verifying access tokens are not available right now.",
        "code": "key_set_unavailable",
    },
)


def guarded(app: Flask) -> FlaskClient:
    """Give *app* a view behind a guard of ours and one behind flask-jwt-extended's, and return its client."""
    app.add_url_rule("/ours", "ours", requires_auth(lambda: {"subject": current_token.subject}))
    app.add_url_rule("/theirs", "theirs", jwt_required()(lambda: {"subject": get_jwt_identity()}))
    return app.test_client()


def answer_to(client: FlaskClient, token: str) -> Answer:
    """Present *token* to both views of `guarded`, which have to answer alike, and return that answer."""
    ours, theirs = (seen(client.get(path, headers=bearer(token))) for path in ("/ours", "/theirs"))
    if ours != theirs:
        raise AssertionError(f"the guards disagree: {ours} and {theirs}")
    return ours


def answer_unread(client: FlaskClient, issuer: LocalIssuer, token: str) -> Answer:
    """Return the answer to *token*, for which no key may be fetched."""
    answer = answer_to(client, token)
    if issuer.fetch_count:
        raise AssertionError("a key was fetched for a token that is refused without one")
    return answer


def passes(client: FlaskClient, token: str) -> bool:
    """Tell whether both views of `guarded` let *token* through."""
    return answer_to(client, token).status == 200


def segment(content: Any) -> str:
    """Return *content* as base64url: bytes as they are, anything else as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsegment(text: str) -> bytes:
    """Return the bytes of one segment of a token."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token: str) -> dict[str, Any]:
    """Return the JOSE header of *token*."""
    header: dict[str, Any] = json.loads(unsegment(token.split(".")[0]))
    return header


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of *token*."""
    claims: dict[str, Any] = json.loads(unsegment(token.split(".")[1]))
    return claims


def by_hand(issuer: LocalIssuer, header: Any = None, claims: Any = None, key: RSAPrivateKey | None = None) -> str:
    """Return a token with an RS256 signature over whatever is given: bytes as they are, the rest as JSON.

    What is not given is that of a good token, and so the signature is genuine without *key*.
    """
    good = issuer.token()
    header = header_of(good) if header is None else header
    claims = claims_of(good) if claims is None else claims
    signing_input = f"{segment(header)}.{segment(claims)}"
    signature = (key or issuer.signing_key()).sign(signing_input.encode(), PKCS1v15(), SHA256())
    return f"{signing_input}.{segment(signature)}"


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return *members* with *changes*, of which `ABSENT` leaves a member out."""
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def with_header(issuer: LocalIssuer, **changes: Any) -> str:
    """Return a good token but for *changes* in its header, with a genuine signature."""
    return by_hand(issuer, changed(header_of(issuer.token()), changes))


def with_claims(issuer: LocalIssuer, **changes: Any) -> str:
    """Return a good token but for *changes* in its claims, with a genuine signature."""
    return by_hand(issuer, claims=changed(claims_of(issuer.token()), changes))


def with_text(issuer: LocalIssuer, name: str, text: str) -> str:
    """Return a good token but for *text*, as it is, for the value of the claim *name*."""
    return by_hand(issuer, claims=with_member(claims_of(issuer.token()), name, text))


def with_signature(token: str, signature: bytes) -> str:
    """Return *token* with *signature* in place of its own."""
    return f"{token.rpartition('.')[0]}.{segment(signature)}"


def with_member(members: dict[str, Any], name: str, text: str) -> bytes:
    """Return *members* as JSON, with *text* as it is for the value of *name*: also what is no JSON value."""
    others = json.dumps({key: value for key, value in members.items() if key != name})
    return f'{others[:-1]}, "{name}": {text}}}'.encode()


def chain_of(count: int, innermost: Any = ABSENT) -> Any:
    """Return an ``act`` claim with *count* actors, and *innermost* inside the last of them."""
    act = innermost
    for number in reversed(range(count)):
        act = {"sub": f"actor-{number}"} | ({} if act is ABSENT else {"act": act})
    return act
