"""A client's key, and the DPoP proofs signed with it (RFC 9449 §4)."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from auth0_blueprint.jose import base64url
from auth0_blueprint.jose.jwk import parse_jwk
from auth0_blueprint.testing.signing_key import SigningKey


class DPoPKey:
    """Holds one key, to which tokens can be bound, and signs a proof for each request.

    Args:
        algorithm: RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519.

    Example::

        key = DPoPKey()
        token = issuer.token(cnf=key.confirmation)
        client.get("/api/messages", headers=key.headers("GET", "https://api.example.com/api/messages", token))
    """

    def __init__(self, algorithm: str = "ES256") -> None:
        self._key = SigningKey.make(algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, as included in each proof."""
        return self._key.jwk

    @property
    def confirmation(self) -> dict[str, str]:
        """The ``cnf`` claim of a token that is bound to the key (§6.1)."""
        return {"jkt": parse_jwk(self.jwk).thumbprint}

    def headers(self, method: str, url: str, token: str) -> dict[str, str]:
        """Return the headers of one request to *url* with *token*. A proof works once: call this per request."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, url, token)}

    def proof(
        self,
        method: str,
        url: str,
        token: str,
        *,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Return a proof for one request, or a faulty one.

        Args:
            method: of the request.
            url: of the request, as the client sees it; query and fragment are left out of the proof (§4.2).
            token: the access token that goes with it.
            headers: members to add to, or replace in, the JOSE header.
            without: claims to leave out.
            claims: to add to, or replace in, those of a valid proof.
        """
        payload = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": urlsplit(url)._replace(query="", fragment="").geturl(),
            "iat": int(time.time()),
            "ath": base64url.encode(hashlib.sha256(token.encode()).digest()),
            **claims,
        }
        for name in without:
            payload.pop(name, None)
        return self._key.sign(payload, {"typ": "dpop+jwt", "jwk": self.jwk, **(headers or {})})
