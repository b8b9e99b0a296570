"""A key of an API, for which tokens can be encrypted (RFC 7516), generated on demand."""

from __future__ import annotations

import hmac
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from auth0_blueprint.jose import base64url
from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS


class EncryptionKey:
    """A key pair of an API: the public key encrypts, as an Auth0 tenant does; the private one is for the app.

    Args:
        algorithm: RSA-OAEP-256, -384 or -512.
        encryption: A128GCM, A256GCM, A128CBC-HS256 or A256CBC-HS512.
        key_id: the ``kid`` of its tokens; by default they have none.
        private_key: an RSA key of ``cryptography``; by default a new one of 2048 bits.

    Example::

        key = EncryptionKey()
        app = create_app({**issuer.settings, **key.settings})
        token = issuer.token(encrypted_for=key)
    """

    def __init__(
        self,
        algorithm: str = "RSA-OAEP-256",
        encryption: str = "A256GCM",
        *,
        key_id: str | None = None,
        private_key: rsa.RSAPrivateKey | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.encryption = encryption
        self.key_id = key_id
        self.private_key: rsa.RSAPrivateKey = private_key or rsa.generate_private_key(65537, 2048)

    @property
    def pem(self) -> str:
        """The private key as PEM text, for ``AUTH0_DECRYPTION_KEYS``."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        """The public key as PEM text: what is uploaded to Auth0."""
        spki = PublicFormat.SubjectPublicKeyInfo
        return self.private_key.public_key().public_bytes(Encoding.PEM, spki).decode()

    @property
    def settings(self) -> dict[str, Any]:
        """The setting that makes an app decrypt its tokens."""
        return {"AUTH0_DECRYPTION_KEYS": self.pem if self.key_id is None else {self.key_id: self.pem}}

    def encrypt(self, token: str, headers: dict[str, Any] | None = None) -> str:
        """Return *token* encrypted for this key.

        Args:
            token: a signed token, or any text.
            headers: members to add to, or replace in, the header of the JWE; ``None`` leaves one out.
        """
        header = {"alg": self.algorithm, "enc": self.encryption, "cty": "JWT", "kid": self.key_id, **(headers or {})}
        members = {name: value for name, value in header.items() if value is not None}
        return self.encrypt_under(json.dumps(members).encode(), token)

    def encrypt_under(self, header: bytes, token: str) -> str:
        """Return *token* encrypted under exactly this *header*, whatever it says."""
        content_key = os.urandom(CONTENT_ENCRYPTIONS[self.encryption].key_bytes)
        first = base64url.encode(header)
        iv, ciphertext, tag = _encrypted(self.encryption, content_key, token.encode(), first.encode())
        encrypted_key = self.private_key.public_key().encrypt(content_key, KEY_ENCRYPTIONS[self.algorithm])
        return ".".join([first, *map(base64url.encode, (encrypted_key, iv, ciphertext, tag))])


def _encrypted(encryption: str, key: bytes, plaintext: bytes, header: bytes) -> tuple[bytes, bytes, bytes]:
    """Return initialization vector, ciphertext and tag (RFC 7518 §5.2.2.1 and §5.3)."""
    kind = CONTENT_ENCRYPTIONS[encryption]
    iv = os.urandom(kind.iv_bytes)
    if not kind.is_in_blocks:
        sealed = AESGCM(key).encrypt(iv, plaintext, header)
        return iv, sealed[: -kind.tag_bytes], sealed[-kind.tag_bytes :]
    half = len(key) // 2
    padder, encryptor = PKCS7(128).padder(), Cipher(AES(key[half:]), CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()
    authenticated = header + iv + ciphertext + (8 * len(header)).to_bytes(8, "big")
    return iv, ciphertext, hmac.digest(key[:half], authenticated, f"sha{kind.tag_bytes * 16}")[:half]
