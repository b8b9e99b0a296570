"""What encryption costs a request, beside the one private-key operation: ``python -m benchmarks.encrypted``.

Requests with encrypted tokens take turns with requests with signed ones whose view takes one private-key operation:
both in a request, where they slow each other down. The operation alone, in a loop, is faster than in any request, and
is printed beside them. Processor time, in one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from flask import Flask

from auth0_blueprint import Auth0Blueprint, requires_scope
from auth0_blueprint.jose.jwe import CONTENT_ENCRYPTIONS, KEY_ENCRYPTIONS
from auth0_blueprint.testing import EncryptionKey, LocalIssuer
from benchmarks.guard import repeated, requests_to
from benchmarks.guarded_apps import PATH, SCOPE
from benchmarks.reporting import Target, print_machine, print_table, verdict

ROUNDS, BLOCK = 40, 50
QUICK_ROUNDS = 4
ALGORITHM = "RSA-OAEP-256"
#: Over a signed token and one private-key operation, and over the signed token seen before.
NEVER_SEEN, SEEN_BEFORE = 1.15, 1.05
COLUMNS = (
    "enc",
    "us: operation alone",
    "signed",
    "signed, and it",
    "encrypted",
    "over both",
    "over the sum",
    "seen before",
)


class Row:
    """The seconds that the blocks of one ``enc`` took, in each round."""

    def __init__(self, encryption: str) -> None:
        self.encryption = encryption
        self.operation: list[float] = []
        self.signed: list[float] = []
        self.signed_and_operation: list[float] = []
        self.encrypted: list[float] = []
        self.signed_again: list[float] = []
        self.encrypted_again: list[float] = []

    @property
    def never_seen(self) -> float:
        """How much a token never seen costs, over the signed token and the operation in one request."""
        return _ratio(self.encrypted, self.signed_and_operation)

    @property
    def over_the_sum(self) -> float:
        """How much it costs over the sum of the signed token and the operation alone."""
        pairs = zip(self.encrypted, self.operation, self.signed, strict=True)
        return statistics.median(encrypted / (operation + signed) for encrypted, operation, signed in pairs)

    @property
    def seen_before(self) -> float:
        """How much a token seen before costs, over the signed token."""
        return _ratio(self.encrypted_again, self.signed_again)

    def cells(self) -> tuple[str, ...]:
        """Return what the table says."""
        times = (self.operation, self.signed, self.signed_and_operation, self.encrypted)
        microseconds = (f"{statistics.median(one) / BLOCK * 1e6:.0f}" for one in times)
        ratios = (f"{ratio:.2f}" for ratio in (self.never_seen, self.over_the_sum, self.seen_before))
        return self.encryption, *microseconds, *ratios


def _ratio(some: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


def make_app(issuer: LocalIssuer, key: EncryptionKey, step: Callable[[], object] = lambda: None) -> Flask:
    """Return an app with one guarded view, which decrypts; the view does *step*."""

    def view() -> dict[str, int]:
        step()
        return {"messages": 1}

    app = Flask("measured", static_folder=None)
    app.config.update(issuer.settings, AUTH0_TOKEN_CACHE_SIZE=4 * BLOCK, **key.settings)
    app.register_blueprint(Auth0Blueprint())
    app.add_url_rule(PATH, "view", requires_scope(SCOPE)(view))
    return app


def operation_on(private_key: RSAPrivateKey) -> Callable[[], object]:
    """Return what takes one private-key operation, and nothing else."""
    padding = KEY_ENCRYPTIONS[ALGORITHM]
    encrypted = private_key.public_key().encrypt(bytes(32), padding)
    return lambda: private_key.decrypt(encrypted, padding)


def measure(issuer: LocalIssuer, encryption: str, rounds: int) -> Row:
    """Return the row for *encryption*."""
    key = EncryptionKey(ALGORITHM, encryption)
    operation, row = operation_on(key.private_key), Row(encryption)
    work, work_with_operation = requests_to(make_app(issuer, key)), requests_to(make_app(issuer, key, operation))
    for number in range(rounds + 1):
        # Two sets of tokens, so that none inside an encrypted one has been seen.
        users = [f"auth0|{number}-{user}" for user in range(BLOCK)]
        signed = [issuer.token(sub=user, scope=SCOPE) for user in users]
        encrypted = [issuer.token(sub=f"{user}x", scope=SCOPE, encrypted_for=key) for user in users]
        again = [signed[-1]] * BLOCK, [encrypted[-1]] * BLOCK
        first = work(signed), work_with_operation(signed), repeated(operation)(signed)
        second = work(encrypted)
        seen = work(again[0]), work(again[1])
        if number:  # the first one fills caches
            row.signed.append(first[0])
            row.signed_and_operation.append(first[1])
            row.operation.append(first[2])
            row.encrypted.append(second)
            row.signed_again.append(seen[0])
            row.encrypted_again.append(seen[1])
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encrypted", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it works")
    rounds = QUICK_ROUNDS if parser.parse_args(arguments).quick else ROUNDS
    with LocalIssuer() as issuer:
        rows = [measure(issuer, encryption, rounds) for encryption in CONTENT_ENCRYPTIONS]
    print_machine(f"A request with an encrypted token, {ALGORITHM}, 2048 bits: {rounds} rounds of {BLOCK}; medians")
    print_table(COLUMNS, [row.cells() for row in rows])
    targets = [Target(f"{row.encryption}, never seen", row.never_seen, NEVER_SEEN) for row in rows]
    targets += [Target(f"{row.encryption}, seen before", row.seen_before, SEEN_BEFORE) for row in rows]
    return verdict(targets)


if __name__ == "__main__":
    sys.exit(main())
