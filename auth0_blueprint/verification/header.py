"""Checks the JOSE header of a signed token: the same for access tokens and for events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from auth0_blueprint.errors import MalformedTokenError, UnsupportedAlgorithmError
from auth0_blueprint.jose.algorithms import ALGORITHMS, HS256, Algorithm
from auth0_blueprint.jose.jwk import is_key_id

_TWINS = {"EdDSA", "Ed25519"}
_KNOWN = {**ALGORITHMS, HS256.name: HS256}


def algorithms_named(names: Iterable[str]) -> dict[str, Algorithm]:
    """Return the algorithms with these *names*, under each name that they have."""
    found = set(names)
    return {name: _KNOWN[name] for name in (found | _TWINS if _TWINS & found else found)}


def check_header(
    header: dict[str, Any], algorithms: Mapping[str, Algorithm], types: frozenset[str | None]
) -> Algorithm:
    """Return the algorithm that *header* names.

    Args:
        header: decoded, not verified.
        algorithms: those that are accepted, by name.
        types: the acceptable values of ``typ``, in lower case; ``None`` where it may be absent.

    Raises:
        UnsupportedAlgorithmError: the algorithm is not accepted.
        MalformedTokenError: the type is not acceptable, the key id cannot be one, or there is an extension.
    """
    name = header.get("alg")
    algorithm = algorithms.get(name) if isinstance(name, str) else None
    if algorithm is None:
        raise UnsupportedAlgorithmError
    if "kid" in header and not is_key_id(header["kid"]):
        raise MalformedTokenError("key_id")
    # RFC 7515 §4.1.11: no extension is understood here, so none may be critical. RFC 7797: b64 is one of them.
    if "crit" in header or "b64" in header:
        raise MalformedTokenError("critical_extension")
    token_type = header.get("typ")
    if isinstance(token_type, str):
        token_type = token_type.lower()  # RFC 7515 §4.1.9: media types are case-insensitive
    elif "typ" in header:
        raise MalformedTokenError("type")
    if token_type not in types:
        raise MalformedTokenError("type")
    return algorithm
