"""The published examples whose content is encrypted as here (RFC 7516 appendix A, RFC 7518 appendix B, RFC 7520 §5).

None of them encrypts the content key as here: the RFCs are older than RSA-OAEP with SHA-2. So their content keys are
used, which they publish; as tokens all of them are refused. Tokens made whole by others are in ``integration/``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, NamedTuple

import pytest
from conftest import AppFactory
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from refusals import UNDECRYPTABLE, answer_to, guarded, segment, unsegment

from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS
from auth0_blueprint.testing import EncryptionKey


class Vector(NamedTuple):
    enc: str
    key: bytes
    header: bytes
    iv: bytes
    ciphertext: bytes
    tag: bytes
    digest: str

    def decrypt(self) -> bytes | None:
        return CONTENT_ENCRYPTIONS[self.enc].decrypt(self.key, self.iv, self.ciphertext, self.tag, self.header)


def vector(enc: str, key: bytes, header: bytes, iv: str, ciphertext: str, tag: str, digest: str) -> Vector:
    return Vector(enc, key, header, unsegment(iv), unsegment(ciphertext), unsegment(tag), digest)


SECOND_PRINCIPLE = b"The second principle of Auguste Kerckhoffs"
IV_OF_7518 = "GvOMLcK5b_3YZpQJI0G8BA"
KEY_OF_A1 = bytes.fromhex("b1a1f480548fe1733fb403ff6b9ad4f68a076e5b702e22692f82cb2e7aea40fc")
KEY_OF_A2 = bytes.fromhex("04d31fc5549dfcfe0b649dfa3faa6ace6b7cd42d6f6b09dbc8b100f08f9c2ccf")
IV_OF_A2, CIPHERTEXT_OF_A2 = "AxY8DCtDaGlsbGljb3RoZQ", "KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY"
EPHEMERAL = {
    "kty": "EC",
    "crv": "P-384",
    "x": "uBo4kHPw6kbjx5l0xowrd_oYzBmaz-GKFZu4xAFFkbYiWgutEK6iuEDsQ6wNdNg3",
    "y": "sp3p5SGhZVC2faXumI-e9JU2Mo8KpoYrFDr5yPNVtW4PgEwZOyQTA-JdaY8tb7E0",
}


def header(**members: object) -> bytes:
    return segment(json.dumps(members, separators=(",", ":")).encode()).encode()


VECTORS = {
    "RFC 7516 A.1": vector(
        "A256GCM", KEY_OF_A1, header(alg="RSA-OAEP", enc="A256GCM"), "48V1_ALb6US04U3b",
        "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A",
        "XFBoMYUZodetZdvTiFvSkQ",
        "20e890cd07f2a02d44f91a7fa617de11",
    ),
    "RFC 7516 A.2": vector(
        "A128CBC-HS256", KEY_OF_A2, header(alg="RSA1_5", enc="A128CBC-HS256"), IV_OF_A2, CIPHERTEXT_OF_A2,
        "9hH0vgRfYgPnAHOd8stkvw", "db72b9416b642541db49327281f95910",
    ),
    "RFC 7516 A.3": vector(
        "A128CBC-HS256", KEY_OF_A2, header(alg="A128KW", enc="A128CBC-HS256"), IV_OF_A2, CIPHERTEXT_OF_A2,
        "U0m_YmjN04DJvceFICbCVQ", "db72b9416b642541db49327281f95910",
    ),
    "RFC 7518 B.3": vector(
        "A256CBC-HS512", bytes(range(64)), SECOND_PRINCIPLE, IV_OF_7518,
        segment(bytes.fromhex(
            "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2"
            "e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3"
            "a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6"
        )),
        segment(bytes.fromhex("4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5")),
        "44fad17a8e82571a64b234e94377d08a",
    ),
    "RFC 7520 5.2": vector(
        "A256GCM", unsegment("mYMfsggkTAm0TbvtlFh2hyoXnbEzJQjMxmgLN3d8xXA"),
        header(alg="RSA-OAEP", kid="samwise.gamgee@hobbiton.example", enc="A256GCM"), "-nBoKLH0YkLZPSI9",
        "o4k2cnGN8rSSw3IDo1YuySkqeS_t2m1GXklSgqBdpACm6UJuJowOHC5ytjqYgRL-I-soPlwqMUf4UgRWWeaOGNw6vGW-xyM01lTYxrXfVzII"
        "aRdhYtEMRBvBWbEwP7ua1DRfvaOjgZv6Ifa3brcAM64d8p5lhhNcizPersuhw5f-pGYzseva-TUaL8iWnctc-sSwy7SQmRkfhDjwbz0fz6kF"
        "ovEgj64X1I5s7E6GLp5fnbYGLa1QUiML7Cc2GxgvI7zqWo0YIEc7aCflLG1-8BboVWFdZKLK9vNoycrYHumwzKluLWEbSVmaPpOslY2n525D"
        "xDfWaVFUfKQxMF56vn4B9QMpWAbnypNimbM8zVOw",
        "UCGiqJxhBI3IFVdPalHHvA", "f5c3e318a8c09ba078afdf853fcbb871",
    ),
    "RFC 7520 5.4": vector(
        "A128GCM", unsegment("Nou2ueKlP70ZXDbq9UrRwg"),
        header(alg="ECDH-ES+A128KW", kid="peregrin.took@tuckborough.example", epk=EPHEMERAL, enc="A128GCM"),
        "mH-G2zVqgztUtnW_",
        "tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdX"
        "ta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdS"
        "DGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGSPj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jV"
        "ntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ",
        "WuGzxmcreYjpHGJoa17EBg", "f5c3e318a8c09ba078afdf853fcbb871",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_content_is_decrypted(name: str) -> None:
    """The digest is the beginning of the SHA-256 of the published plaintext."""
    found = VECTORS[name]
    assert hashlib.sha256(found.decrypt() or b"").hexdigest()[:32] == found.digest


@pytest.mark.parametrize("part", ["key", "header", "iv", "ciphertext", "tag"])
@pytest.mark.parametrize("name", VECTORS)
def test_with_any_bit_of_a_part_changed_it_is_not(name: str, part: str) -> None:
    found = VECTORS[name]
    data: Any = getattr(found, part)
    for number in range(len(data)):
        changed: Any = bytearray(data)
        changed[number] ^= 1 << number % 8
        other: Any = {part: bytes(changed)}
        assert found._replace(**other).decrypt() is None


@pytest.mark.parametrize("name", [name for name in VECTORS if "7518" not in name])  # that one has no header
def test_as_a_token_it_is_refused(make_app: AppFactory, name: str) -> None:
    found, key = VECTORS[name], EncryptionKey()
    parts = (bytes(256), found.iv, found.ciphertext, found.tag)
    token = ".".join([found.header.decode(), *map(segment, parts)])
    assert answer_to(guarded(make_app(**key.settings)), token) == UNDECRYPTABLE


def sealed(padded: bytes) -> Vector:
    """Return *padded* as it stands, encrypted by A256CBC-HS512 with a right tag."""
    key, iv = bytes(range(64)), bytes(16)
    encryptor = Cipher(AES(key[32:]), CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    tag = hmac.digest(key[:32], b"h" + iv + ciphertext + (8).to_bytes(8, "big"), "sha512")[:32]
    return Vector("A256CBC-HS512", key, b"h", iv, ciphertext, tag, "")


@pytest.mark.parametrize(
    ("padded", "plaintext"),
    [
        (b"x" * 15 + b"\1", b"x" * 15),
        (b"\x10" * 16, b""),
        (b"x" * 16 + b"\x10" * 16, b"x" * 16),
        *((padded, None) for padded in (b"x" * 15 + b"\0", b"\x11" * 32, b"x" * 14 + b"\1\2", b"x" * 15 + b"\x10")),
    ],
)
def test_the_padding_is_that_of_pkcs_7(padded: bytes, plaintext: bytes | None) -> None:
    """Whoever can write the tag can write the padding as well."""
    assert sealed(padded).decrypt() == plaintext
