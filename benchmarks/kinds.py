"""What each kind of signature costs: a token never seen, beside its bare signature check.

Measured is `verify_token`, in processor time, in turn with the check of the same signatures by the libraries alone. Run
it by ``python -m benchmarks.kinds``. Encrypted and DPoP-bound tokens have programs of their own, `benchmarks.encrypted`
and `benchmarks.dpop`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from flask import Flask

from auth0_blueprint import Auth0Blueprint, verify_token
from auth0_blueprint.jose import base64url
from auth0_blueprint.jose.algorithms import ALGORITHMS, HS256, SharedSecrets
from auth0_blueprint.testing import LocalIssuer
from benchmarks.reporting import print_machine, print_table

KINDS = ("RS256", "PS256", "ES256", "EdDSA", "HS256")
ROUNDS, QUICK_ROUNDS = 15, 2
BLOCK, RUN_IN = 100, 20
COLUMNS = ("algorithm", "signature alone, us", "verify_token(), us", "over the signature", "beyond it, us")

#: Does its work for one token.
Work = Callable[[str], object]


class Kind(NamedTuple):
    """One algorithm.

    Attributes:
        issuer: signs with it.
        app: accepts it.
        check_signature: checks the signature of a token, and nothing else.
        bare, whole: the seconds of each block.
    """

    issuer: LocalIssuer
    app: Flask
    check_signature: Work
    bare: list[float]
    whole: list[float]

    def measure(self, number: int) -> None:
        """Measure a block of tokens that were never seen, and of the same signatures alone."""
        first = number * (BLOCK + RUN_IN)
        tokens = [self.issuer.token(sub=f"auth0|{user:024x}") for user in range(first, first + BLOCK + RUN_IN)]
        with self.app.app_context():
            self.bare.append(_seconds(self.check_signature, tokens))
            self.whole.append(_seconds(verify_token, tokens))


def kind_of(issuer: LocalIssuer) -> Kind:
    """Return what measures the algorithm of *issuer*."""
    app = Flask("measured", static_folder=None)
    app.config.update(issuer.settings)
    app.register_blueprint(Auth0Blueprint())
    private_key, is_secret = issuer.signing_key(), issuer.algorithm == HS256.name
    key = SharedSecrets((private_key,)) if is_secret else private_key.public_key()
    verify = HS256.verify if is_secret else ALGORITHMS[issuer.algorithm].verify

    def check_signature(token: str) -> None:
        signing_input, _, signature = token.rpartition(".")
        if not verify(signing_input.encode(), key, base64url.decode(signature.encode())):
            raise RuntimeError("a signature was refused")

    return Kind(issuer, app, check_signature, [], [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, to see that it works")
    options = parser.parse_args(arguments)
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    with ExitStack() as stack:
        kinds = [kind_of(stack.enter_context(LocalIssuer(algorithm=name))) for name in KINDS]
        for number in range(rounds):
            for kind in kinds:
                kind.measure(number)
    print_machine(f"Kinds of signatures: {rounds} rounds of {BLOCK} tokens; medians")
    print_table(COLUMNS, map(_row, kinds))
    return 0


def _row(kind: Kind) -> tuple[str, ...]:
    bare, whole = (statistics.median(seconds) * 1e6 for seconds in (kind.bare, kind.whole))
    ratio = statistics.median(whole / bare for bare, whole in zip(kind.bare, kind.whole, strict=True))
    return kind.issuer.algorithm, f"{bare:.1f}", f"{whole:.1f}", f"{ratio:.2f}", f"{whole - bare:.1f}"


def _seconds(work: Work, tokens: Sequence[str]) -> float:
    gc.collect()
    for token in tokens[:RUN_IN]:
        work(token)
    started = time.process_time()
    for token in tokens[RUN_IN:]:
        work(token)
    return (time.process_time() - started) / BLOCK


if __name__ == "__main__":
    sys.exit(main())
