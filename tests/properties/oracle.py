"""What the contract says about a header, a token and a JSON text: written from its sections 4 and 5, knowing no code.

Where the contract leaves a choice, a `Verdict` allows both ways.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from properties.issuing import ALGORITHMS, AUDIENCE, ISSUER, NOW, PublishedKey, is_signature

Refusal = tuple[int, str]

MALFORMED: Refusal = (401, "token_malformed")
CLAIMS: Refusal = (401, "invalid_claims")
MANY_CREDENTIALS: Refusal = (400, "invalid_header")
NO_CREDENTIALS: Refusal = (401, "invalid_header")

LEEWAY_SECONDS = 5
MAX_LIFETIME_SECONDS = 30 * 86_400
MAX_TOKEN_BYTES = 16_384
LAST_SECOND = 253_402_300_799  # of the year 9999

_ACCEPTED_ALGORITHMS = {*ALGORITHMS, "Ed25519"}  # two names, one algorithm
_TYPES = {"jwt", "application/jwt", "at+jwt", "application/at+jwt"}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SIX_BITS = {character: f"{value:06b}" for value, character in enumerate(_ALPHABET)}


@dataclass(frozen=True)
class Verdict:
    """Whether the contract allows to accept, and by which ``(status, code)`` it allows to refuse."""

    may_pass: bool
    refusals: frozenset[Refusal] = frozenset()


def refused(*refusals: Refusal) -> Verdict:
    return Verdict(False, frozenset(refusals))


class NotStrictJSONError(ValueError):
    """The text is not what section 4, step 2 asks for."""


@dataclass(frozen=True)
class ReadObject:
    """A JSON object, and whether it holds a number beyond a double's range: the contract speaks of times only."""

    members: dict[str, Any]
    has_odd_number: bool


def read_object(data: bytes) -> ReadObject:
    """Read a JSON object as step 2 wants it, with numbers beyond a double's range as infinities."""
    odd: list[str] = []

    def number(text: str) -> float | int:
        value = float(text)
        if math.isinf(value):
            odd.append(text)
            return value
        return int(text) if text.lstrip("-").isdigit() else value

    hooks: dict[str, Any] = {"parse_constant": _no_constant, "parse_int": number, "parse_float": number}
    try:
        members = json.loads(data.decode("utf-8"), object_pairs_hook=_named_once, **hooks)
        if not isinstance(members, dict) or _depth(members) > 32:
            raise NotStrictJSONError
        json.dumps(members, ensure_ascii=False).encode("utf-8")  # a lone surrogate is no Unicode text
    except (ValueError, RecursionError) as exc:
        raise NotStrictJSONError from exc
    return ReadObject(members, bool(odd))


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise NotStrictJSONError
    return dict(pairs)


def _no_constant(_name: str) -> NoReturn:
    raise NotStrictJSONError


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def decode_base64url(text: str) -> bytes | None:
    """Return what *text* spells, or ``None`` if a strict encoder would not have spelled it so (RFC 4648 §3.5)."""
    if len(text) % 4 == 1 or not _SIX_BITS.keys() >= set(text):
        return None
    bits = "".join(_SIX_BITS[character] for character in text)
    size = len(bits) // 8
    if "1" in bits[size * 8 :]:
        return None
    return int(bits[: size * 8] or "0", 2).to_bytes(size)


def judge_authorization(value: str, keys: Iterable[PublishedKey]) -> Verdict:
    words = [word for word in re.split(r"[ \t,]+", value) if word]
    if not words:
        return refused(NO_CREDENTIALS, (401, "authorization_header_missing"))
    scheme, _, rest = value.strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        is_twice = "bearer" in rest.lower()  # servers join two headers by a comma
        return refused(NO_CREDENTIALS, *([MANY_CREDENTIALS] if is_twice else []))
    token = rest.strip(" \t")
    if not token:
        return refused(NO_CREDENTIALS)
    if " " in token or "," in token:
        return refused(MANY_CREDENTIALS)
    verdict = judge_token(token, keys)
    if "\t" in token or rest != token:  # whether that is one space and one token, the contract does not say
        return Verdict(verdict.may_pass, verdict.refusals | {MANY_CREDENTIALS})
    return verdict


def judge_token(token: str, keys: Iterable[PublishedKey]) -> Verdict:
    """Judge the text of a token at `NOW`."""
    segments = token.split(".")
    decoded = [decode_base64url(text) for text in segments]
    if len(token) > MAX_TOKEN_BYTES or len(decoded) != 3:
        return refused(MALFORMED)
    header_json, claims_json, signature = decoded
    if header_json is None or claims_json is None or signature is None:
        return refused(MALFORMED)
    try:
        header, claims = read_object(header_json), read_object(claims_json)
    except NotStrictJSONError:
        # A payload that has such a number as well may be told about that first.
        return refused(MALFORMED, *([CLAIMS] if re.search(rb"\d[eE]|\d{300}", claims_json) else []))
    signing_input = ".".join(segments[:2]).encode()
    verdict = _judge_parts(header.members, claims.members, signing_input, signature, keys)
    if header.has_odd_number or claims.has_odd_number:
        return Verdict(verdict.may_pass, verdict.refusals | {MALFORMED, CLAIMS})
    return verdict


def _judge_parts(
    header: dict[str, Any], claims: dict[str, Any], signing_input: bytes, signature: bytes, keys: Iterable[PublishedKey]
) -> Verdict:
    if step_3 := _header_refusals(header, claims):
        return refused(*step_3)
    algorithm = header["alg"]
    fitting = [key for key in keys if algorithm in key.serves and header.get("kid", key.key_id) == key.key_id]
    if len(fitting) != 1:
        return refused((401, "unknown_key"))
    if not is_signature(fitting[0].private_key, algorithm, signature, signing_input):
        return refused((401, "invalid_signature"))
    if step_6 := _claims_refusals(claims):
        return refused(*step_6)
    return refused((401, "binding_mismatch")) if "cnf" in claims else Verdict(True)


class UndecidedError(Exception):
    """The contract leaves both ways open."""


@dataclass(frozen=True)
class EventRules:
    """What one kind of token that tells of an event must be, beyond what all must be (section 13).

    Attributes:
        types: acceptable values of ``typ``; ``None`` if it may be absent.
        audience: whom it must be for.
        requires_expiry: whether ``exp`` must be there.
    """

    types: frozenset[str | None]
    audience: str
    requires_expiry: bool


def event_claims(token: str, keys: Iterable[PublishedKey], rules: EventRules) -> dict[str, Any] | None:
    """Return the claims of *token* if it is a genuine event of that kind at `NOW`, whatever it tells of.

    Raises:
        UndecidedError: it holds a number beyond a double's range, of which the contract does not speak.
    """
    segments = token.split(".")
    decoded = [decode_base64url(text) for text in segments]
    if len(token) > MAX_TOKEN_BYTES or len(decoded) != 3 or None in decoded:
        return None
    header_json, claims_json, signature = (part or b"" for part in decoded)
    try:
        read_header, read_claims = read_object(header_json), read_object(claims_json)
    except NotStrictJSONError:
        return None
    if read_header.has_odd_number or read_claims.has_odd_number:
        raise UndecidedError
    header, claims = read_header.members, read_claims.members
    typed = header.get("typ")
    type_name = typed.lower() if isinstance(typed, str) else None if "typ" not in header else ""
    is_extended = "crit" in header or "b64" in header
    fitting = [
        key
        for key in keys
        if str(header.get("alg")) in key.serves and header.get("kid", key.key_id) == key.key_id and not is_extended
    ]
    if claims.get("iss") != ISSUER or type_name not in rules.types or len(fitting) != 1:
        return None
    signing_input = ".".join(segments[:2]).encode()
    if not is_signature(fitting[0].private_key, header["alg"], signature, signing_input):
        return None
    return claims if _is_sound_event(claims, rules) else None


def _is_sound_event(claims: dict[str, Any], rules: EventRules) -> bool:
    audience, event_id = claims.get("aud"), claims.get("jti")
    is_ours = audience == rules.audience or (
        isinstance(audience, list) and _is_texts(audience) and rules.audience in audience
    )
    required = {"iat", "exp"} if rules.requires_expiry else {"iat"}
    times = {name: claims.get(name) for name in required | claims.keys() & {"exp", "nbf"}}
    return (
        is_ours
        and isinstance(event_id, str)
        and 1 <= len(event_id) <= 256
        and not claims.keys() & {"nonce", "scope", "permissions"}
        and all(map(_is_time, times.values()))
        and NOW - 7 * 86_400 <= claims["iat"] <= NOW + LEEWAY_SECONDS
        and claims.get("nbf", NOW) <= NOW + LEEWAY_SECONDS
        and claims.get("exp", NOW) > NOW - LEEWAY_SECONDS
    )


def _header_refusals(header: dict[str, Any], claims: dict[str, Any]) -> set[Refusal]:
    refusals: set[Refusal] = set()
    if not isinstance(header.get("alg"), str) or header["alg"] not in _ACCEPTED_ALGORITHMS:
        refusals.add((401, "unsupported_algorithm"))
    key_id, is_typed = header.get("kid", ""), str(header.get("typ", "jwt")).lower() in _TYPES
    if not (isinstance(key_id, str) and len(key_id) <= 256) or {"crit", "b64"} & header.keys() or not is_typed:
        refusals.add(MALFORMED)
    if claims.get("iss") != ISSUER:
        refusals.add(CLAIMS)
    return refusals


def _claims_refusals(claims: dict[str, Any]) -> set[Refusal]:
    refusals: set[Refusal] = set()
    audience = claims.get("aud")
    is_ours = audience == AUDIENCE or (isinstance(audience, list) and _is_texts(audience) and AUDIENCE in audience)
    scope = claims.get("scope", "")
    texts = [claims.get("sub"), *(claims[name] for name in ("jti", "client_id", "azp", "org_id") if name in claims)]
    is_typed = (
        all(isinstance(text, str) for text in texts)
        and claims.get("sub") != ""  # names nobody
        and (isinstance(scope, str) or _is_texts(scope))
        and _is_texts(claims.get("permissions", []))
    )
    times = {name: claims.get(name) for name in ("exp", "iat", "nbf") if name in {"exp", "iat"} or name in claims}
    if not is_ours or not is_typed or not all(_is_time(time) for time in times.values()):
        refusals.add(CLAIMS)
    sound: dict[str, float] = {name: time for name, time in times.items() if time is not None and _is_time(time)}
    if "exp" in sound and not sound["exp"] > NOW - LEEWAY_SECONDS:
        refusals.add((401, "token_expired"))
    if any(sound.get(name, 0) > NOW + LEEWAY_SECONDS for name in ("nbf", "iat")):
        refusals.add((401, "token_not_yet_valid"))
    if {"exp", "iat"} <= sound.keys() and sound["exp"] - sound["iat"] > MAX_LIFETIME_SECONDS:
        refusals.add(CLAIMS)
    return refusals


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= LAST_SECOND
