"""What the contract's section 6 lets be used of a key set document, told without the package's parser."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from properties.issuing import published_keys
from properties.oracle import NotStrictJSONError, decode_base64url, read_object

Numbers = tuple[object, ...]

MAX_KEYS = 64
_SECRET = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_RSA = frozenset(f"{family}{size}" for family in ("RS", "PS") for size in (256, 384, 512))
_EDDSA = frozenset({"EdDSA", "Ed25519"})
_SERVED = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): _EDDSA,
}


@dataclass(frozen=True)
class MemberVerdict:
    """One member of a key set that may be used.

    Attributes:
        numbers: the public numbers, which tell keys apart.
        algorithms: those that it may verify.
        is_exemplary: whether there is no excuse for not using it.
    """

    key_id: object
    numbers: Numbers
    algorithms: frozenset[str]
    is_exemplary: bool


@dataclass(frozen=True)
class KeySetVerdict:
    """What may be used of one document; ``is_readable`` is ``None`` where the contract leaves that open."""

    is_readable: bool | None
    members: tuple[MemberVerdict, ...] = ()

    @property
    def may_fail(self) -> bool:
        """Whether the document may be taken for a failure of the fetch."""
        return self.is_readable is not True or not any(map(self._is_sure, self.members))

    @property
    def may_work(self) -> bool:
        return self.is_readable is not False and bool(self.members)

    def fitting(self, key_id: object, algorithm: str) -> list[MemberVerdict]:
        """Return the members that may be chosen for *key_id*, or for ``None`` those that fit *algorithm* at all."""
        return [
            member
            for member in self.members
            if algorithm in member.algorithms and (key_id is None or member.key_id == key_id)
        ]

    def may_choose(self, key_id: object, algorithm: str, numbers: Numbers) -> bool:
        """Tell whether the key with *numbers* may be chosen: it is listed, and no other surely stands beside it."""
        fitting = self.fitting(key_id, algorithm)
        surely = {member.numbers for member in fitting if self._is_sure(member)}
        named = {one.numbers for one in self.members if one.is_exemplary and one.key_id == key_id is not None}
        is_listed = any(member.numbers == numbers for member in fitting)
        return is_listed and (self._is_long or surely | named <= {numbers})

    def may_choose_none(self, key_id: object, algorithm: str) -> bool:
        fitting = self.fitting(key_id, algorithm)
        is_plain = any(map(self._is_sure, fitting))
        return self.may_fail or self._is_long or not is_plain or len({member.numbers for member in fitting}) > 1

    @property
    def _is_long(self) -> bool:
        return len(self.members) > MAX_KEYS  # which of them are left out, the contract does not say

    def _is_sure(self, member: MemberVerdict) -> bool:
        """Tell whether it has to be used: no other key has the same key id, which would disable the key id."""
        namesakes = {other.numbers for other in self.members if other.key_id == member.key_id is not None}
        return member.is_exemplary and namesakes <= {member.numbers}


def judge_key_set(document: bytes) -> KeySetVerdict:
    try:
        content = read_object(document.removeprefix(b"\xef\xbb\xbf"))  # RFC 8259 §8.1
    except NotStrictJSONError:
        return KeySetVerdict(False)
    members = content.members.get("keys")
    if not isinstance(members, list):
        return KeySetVerdict(False)
    verdicts = tuple(verdict for member in members if (verdict := _judge_member(member)) is not None)
    return KeySetVerdict(None if content.has_odd_number else True, verdicts)


def _judge_member(jwk: Any) -> MemberVerdict | None:
    if not isinstance(jwk, dict) or _SECRET & jwk.keys() or jwk.get("use", "sig") != "sig":
        return None
    operations, key_id, read = jwk.get("key_ops", ["verify"]), jwk.get("kid"), _read(jwk)
    if read is None or not isinstance(operations, list) or "verify" not in operations:
        return None
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= 256):
        return None
    numbers, algorithms = read
    if "alg" in jwk:
        name = jwk["alg"]
        algorithms = algorithms & (_EDDSA if name in ("EdDSA", "Ed25519") else {name if isinstance(name, str) else ""})
    if not algorithms:
        return None
    is_exemplary = numbers in _known_numbers() and not ("kid" in jwk and key_id is None)
    return MemberVerdict(key_id, numbers, algorithms, is_exemplary)


def _read(jwk: dict[str, Any]) -> tuple[Numbers, frozenset[str]] | None:
    """Return the public numbers, and the algorithms of the key type (RFC 7518 §6, RFC 8037 §2)."""
    if jwk.get("kty") == "RSA":
        n, e = _unsigned(jwk.get("n")), _unsigned(jwk.get("e"))
        is_usable = n is not None and e is not None and n.bit_length() >= 2048
        return (("RSA", n, e), _RSA) if is_usable else None
    kind = (str(jwk.get("kty")), jwk.get("crv") if isinstance(jwk.get("crv"), str) else "")
    if kind not in _SERVED:
        return None
    names = ("x",) if kind[0] == "OKP" else ("x", "y")
    coordinates = [_unsigned(jwk.get(name)) for name in names]
    return None if None in coordinates else ((*kind, *coordinates), _SERVED[kind])


def _unsigned(text: object) -> int | None:
    data = decode_base64url(text) if isinstance(text, str) else None
    return None if data is None else int.from_bytes(data)


@functools.cache
def _known_numbers() -> frozenset[Numbers]:
    return frozenset(read[0] for key in published_keys() if (read := _read(key.jwk)) is not None)


def numbers_of(public_key: Any) -> Numbers:
    """Return the public numbers of an object of ``cryptography``, as a `MemberVerdict` has them."""
    if hasattr(public_key, "public_bytes_raw"):
        return ("OKP", "Ed25519", int.from_bytes(public_key.public_bytes_raw()))
    numbers = public_key.public_numbers()
    if hasattr(numbers, "n"):
        return ("RSA", numbers.n, numbers.e)
    return ("EC", f"P-{public_key.curve.key_size}", numbers.x, numbers.y)


def algorithm_names() -> Iterable[str]:
    return sorted(_RSA | frozenset().union(*_SERVED.values()))
