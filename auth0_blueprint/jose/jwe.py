"""Reads and decrypts a JWE in compact serialization, strictly (RFC 7516 §7.1, RFC 7518 §4.3 and §5).

Only RSA-OAEP with SHA-2, and AES in its two authenticated forms. No compression, no ``dir``, no extension.

A private-key operation is expensive, and anyone can ask for one: whatever can be checked without it is checked first.
After that nothing shows how far a forged token got (RFC 7516 §11.5): if the key cannot be decrypted, decryption goes on
with a random one and fails at the content, like a token whose content was changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.hmac import HMAC

from auth0_blueprint.jose import base64url, strict_json
from auth0_blueprint.jose.jwk import is_key_id

_AES_BLOCK_BYTES = 16
#: By the length of the key, in bytes, of HMAC with it in AES-CBC (RFC 7518 §5.2.3 and §5.2.5).
_HASHES = {16: SHA256(), 32: SHA512()}


class JWEError(ValueError):
    """A JWE that cannot be decrypted. For operators: senders learn no reason.

    Attributes:
        reason: ``form``, ``algorithm``, ``extension``, ``type``, ``sizes``, ``unknown_key``, ``key``, ``content``, or
            ``nested``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DecryptionKey:
    """A private key of this API. Its repr shows nothing of it.

    Attributes:
        key_id: the ``kid`` of tokens that are encrypted for it; ``None`` for any.
        private_key: an object of ``cryptography``.
    """

    key_id: str | None
    private_key: RSAPrivateKey


class ContentEncryption(NamedTuple):
    """An ``enc`` (RFC 7518 §5.1).

    Attributes:
        key_bytes, iv_bytes, tag_bytes: the lengths that it requires.
        is_in_blocks: whether the ciphertext must consist of whole AES blocks.
        decrypt: takes key, initialization vector, ciphertext, tag and the authenticated header; returns the plaintext,
            or ``None`` if it is not authentic.
    """

    key_bytes: int
    iv_bytes: int
    tag_bytes: int
    is_in_blocks: bool
    decrypt: Callable[[bytes, bytes, bytes, bytes, bytes], bytes | None]


def _decrypt_gcm(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, header: bytes) -> bytes | None:
    try:
        return AESGCM(key).decrypt(iv, ciphertext + tag, header)
    except InvalidTag:
        return None


def _decrypt_cbc(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, header: bytes) -> bytes | None:
    """Decrypt AES-CBC with HMAC (RFC 7518 §5.2.2.2): the tag first, in constant time, and only then the padding."""
    half = len(key) // 2
    digest = HMAC(key[:half], _HASHES[half])  # half as fast by name, as Python's own takes it
    digest.update(header + iv + ciphertext + (8 * len(header)).to_bytes(8, "big"))
    if not compare_digest(digest.finalize()[:half], tag):
        return None
    decryptor = Cipher(AES(key[half:]), CBC(iv)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    # PKCS #7 (RFC 5652 §6.3). Not in constant time: the tag has shown that whoever encrypted it wrote the padding.
    length = padded[-1]
    is_padding = 1 <= length <= _AES_BLOCK_BYTES and padded.endswith(bytes([length]) * length)
    return padded[:-length] if is_padding else None


#: From the ``enc`` of a header to what it means.
CONTENT_ENCRYPTIONS = {
    "A128GCM": ContentEncryption(16, 12, 16, False, _decrypt_gcm),
    "A256GCM": ContentEncryption(32, 12, 16, False, _decrypt_gcm),
    "A128CBC-HS256": ContentEncryption(32, 16, 16, True, _decrypt_cbc),
    "A256CBC-HS512": ContentEncryption(64, 16, 32, True, _decrypt_cbc),
}

#: From the ``alg`` of a header to its padding (RFC 7518 §4.3; -384 and -512: the JOSE registry of IANA).
KEY_ENCRYPTIONS = {
    f"RSA-OAEP-{8 * digest.digest_size}": OAEP(MGF1(digest), digest, label=None)
    for digest in (SHA256(), SHA384(), SHA512())
}


class EncryptedToken(NamedTuple):
    """A well-formed JWE of which nothing is decrypted. Its header is not authenticated before that."""

    header: dict[str, Any]
    encrypted_key: bytes
    iv: bytes
    ciphertext: bytes
    tag: bytes
    authenticated: bytes

    def decrypt(self, keys: Sequence[DecryptionKey]) -> bytes:
        """Return the plaintext, by whichever of *keys* the token is encrypted for.

        Raises:
            JWEError: it is encrypted for none of them, or its content was changed.
        """
        candidates = [key for key in keys_named(keys, self.header.get("kid")) if self._may_be_for(key)]
        if not candidates:
            raise JWEError("unknown_key")
        is_for_us = False
        for key in candidates:
            is_key_decrypted, plaintext = self._opened_by(key)
            if plaintext is not None:
                return plaintext
            is_for_us = is_for_us or is_key_decrypted
        raise JWEError("content" if is_for_us else "key")

    def _may_be_for(self, key: DecryptionKey) -> bool:
        # RFC 8017 §7.1.2: a ciphertext is as long as the modulus.
        return len(self.encrypted_key) == (key.private_key.key_size + 7) // 8

    def _opened_by(self, key: DecryptionKey) -> tuple[bool, bytes | None]:
        """Return whether *key* decrypts the content key, and the plaintext. The same work is done in either case."""
        encryption = CONTENT_ENCRYPTIONS[self.header["enc"]]
        random_key = os.urandom(encryption.key_bytes)
        try:
            content_key = key.private_key.decrypt(self.encrypted_key, KEY_ENCRYPTIONS[self.header["alg"]])
        except ValueError:
            content_key = b""
        is_key_decrypted = len(content_key) == encryption.key_bytes
        if not is_key_decrypted:
            content_key = random_key
        plaintext = encryption.decrypt(content_key, self.iv, self.ciphertext, self.tag, self.authenticated)
        return is_key_decrypted, plaintext


def keys_named(keys: Sequence[DecryptionKey], key_id: str | None) -> Sequence[DecryptionKey]:
    """Return those of *keys* for which a token with this ``kid`` may be encrypted; without ``kid`` all of them."""
    if key_id is None:
        return keys
    named = [key for key in keys if key.key_id == key_id]
    return named or [key for key in keys if key.key_id is None]


def parse(token: bytes) -> EncryptedToken:
    """Decode *token*, and check all that needs no key.

    Raises:
        JWEError: it is not five canonical base64url segments of which the first is a strict JSON object, names an
            algorithm that is not accepted here or an extension, or has parts of the wrong length.
    """
    try:
        first, *others = token.split(b".")
        encrypted_key, iv, ciphertext, tag = map(base64url.decode, others)
        header = strict_json.loads_object(base64url.decode(first))
    except ValueError as exc:
        raise JWEError("form") from exc
    encryption = _checked_encryption(header)
    if (len(iv), len(tag)) != (encryption.iv_bytes, encryption.tag_bytes) or not ciphertext:
        raise JWEError("sizes")
    if encryption.is_in_blocks and len(ciphertext) % _AES_BLOCK_BYTES:
        raise JWEError("sizes")
    return EncryptedToken(header, encrypted_key, iv, ciphertext, tag, first)


def _checked_encryption(header: dict[str, Any]) -> ContentEncryption:
    algorithm, encryption = header.get("alg"), header.get("enc")
    if not isinstance(algorithm, str) or not isinstance(encryption, str):
        raise JWEError("algorithm")
    if algorithm not in KEY_ENCRYPTIONS or encryption not in CONTENT_ENCRYPTIONS:
        raise JWEError("algorithm")
    # RFC 7516 §4.1.3: compressed tokens can grow without limit (RFC 8725 §3.6). §4.1.13: no extension is known here.
    if not {"zip", "crit", "b64"}.isdisjoint(header):
        raise JWEError("extension")
    if "kid" in header and not is_key_id(header["kid"]):
        raise JWEError("form")
    return CONTENT_ENCRYPTIONS[encryption]
