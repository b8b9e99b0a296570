"""The client certificate of a request, and tokens bound to it (RFC 8705 §3).

The TLS handshake proves possession of the certificate's key, to the server or proxy that terminates TLS. The API only
compares the certificate's thumbprint with the one in the token. Issuer and dates of the certificate do not matter here.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.jose import base64url
from auth0_blueprint.sender_constraining.confirmation import CERTIFICATE_THUMBPRINT
from auth0_blueprint.settings.certificate_source import CertificateSource

#: Servers limit a header to about 8 KiB; certificates take 1 to 3.
MAX_CHARACTERS = 16_384

# Exactly one certificate: of several, it is unclear which one the handshake proved. Proxies vary in white space.
_PEM = r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*"


def refuse_other_certificates(confirmation: Any, environ: Mapping[str, Any], source: CertificateSource) -> None:
    """Refuse unless the client presented the certificate that *confirmation*, a token's ``cnf``, names.

    Raises:
        BindingMismatchError: it presented none, another one, one that cannot be read, or one through an untrusted
            proxy; or *confirmation* has other members as well.
    """
    shown = thumbprint(environ, source)
    if shown is None:
        raise BindingMismatchError("no_certificate")
    if not matches(confirmation, shown):
        raise BindingMismatchError("other_certificate")


def thumbprint(environ: Mapping[str, Any], source: CertificateSource) -> str | None:
    """Return the ``x5t#S256`` of the certificate in *environ*, or ``None`` if there is none.

    Call it only for certificate-bound tokens: other requests may carry anything there.

    Raises:
        BindingMismatchError: it comes from an untrusted peer, or cannot be read.
    """
    text = environ.get(source.key)
    if not text:
        return None
    if not source.is_trusted(environ):
        raise BindingMismatchError("untrusted_proxy")
    return base64url.encode(_certificate(text).fingerprint(SHA256()))


def matches(confirmation: Any, shown: str) -> bool:
    """Return whether *confirmation* names the certificate with the thumbprint *shown*, and nothing else."""
    # RFC 7800 §3.1: a confirmation stands for one key. Nobody would check what another member requires.
    if not isinstance(confirmation, dict) or confirmation.keys() != {CERTIFICATE_THUMBPRINT}:
        return False
    bound = confirmation[CERTIFICATE_THUMBPRINT]
    return isinstance(bound, str) and bound.isascii() and hmac.compare_digest(bound, shown)


def _certificate(text: Any) -> x509.Certificate:
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise BindingMismatchError("unreadable_certificate")
    try:
        return x509.load_der_x509_certificate(_der(text))
    # cryptography warns about a serial number that is not positive, and apps can turn warnings into errors.
    except (ValueError, x509.InvalidVersion, Warning) as exc:
        raise BindingMismatchError("unreadable_certificate") from exc


def _der(text: str) -> bytes:
    """Return the bytes in *text*: PEM, plain or percent-encoded as nginx does it, or RFC 9440's ``:base64:``."""
    if text[0] == text[-1] == ":":
        encoded = text[1:-1]
    elif pem := re.fullmatch(_PEM, unquote(text), re.ASCII):
        encoded = "".join(pem[1].split())
    else:
        raise ValueError("not one certificate")
    return base64.b64decode(encoded, validate=True)
