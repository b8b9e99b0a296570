"""A client certificate, to which tokens can be bound (RFC 8705 §3), generated on demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from auth0_blueprint.jose import base64url


class ClientCertificate:
    """A self-signed certificate. Tests use no TLS: they pass it to the app as a proxy would.

    Args:
        name: its common name.

    Example::

        certificate = ClientCertificate()
        token = issuer.token(cnf=certificate.confirmation)
        client.get("/api/messages", environ_overrides={"SSL_CLIENT_CERT": certificate.pem}, headers=...)
    """

    def __init__(self, name: str = "local-machine") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, SHA256())
        )

    @property
    def pem(self) -> str:
        """The PEM text, for ``AUTH0_MTLS_CERT = "environ:..."``."""
        return self._certificate.public_bytes(Encoding.PEM).decode()

    @property
    def escaped_pem(self) -> str:
        """The PEM text percent-encoded, as nginx puts it into a header, for ``AUTH0_MTLS_CERT = "header:..."``."""
        return quote(self.pem, safe="")

    @property
    def confirmation(self) -> dict[str, str]:
        """The ``cnf`` claim of a token that is bound to it (RFC 8705 §3.1)."""
        return {"x5t#S256": base64url.encode(self._certificate.fingerprint(SHA256()))}
