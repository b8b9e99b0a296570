"""What a guard costs: whole requests through ``app.wsgi_app``, one after the other, in one thread.

Measured is the processor time of this process, so that what else the machine does is not counted. Run it by
``make bench``, or by ``python -m benchmarks.guard``. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from auth0_blueprint.testing import LocalIssuer
from benchmarks.guarded_apps import (
    GUARDS,
    OURS,
    OURS_BY_JWT_REQUIRED,
    PATH,
    Guard,
    Minter,
    Tenant,
    bare,
    bearer,
    missing_peers,
    open_with,
)
from benchmarks.reporting import Target, print_machine, print_table, verdict

ROUNDS, QUICK_ROUNDS = 60, 5
BLOCK = 100
#: Requests before each block that do not count: collecting garbage has emptied the processor's caches.
RUN_IN = 10

TARGETS = {(OURS.name, "warm"): 1.15, (OURS.name, "fresh"): 2.0, (OURS_BY_JWT_REQUIRED.name, "warm"): 2.5}

COLUMNS = ("guard", "token", "us", "over the open view", "quartiles")

#: Does its work once with each token, and returns the seconds that it took.
Work = Callable[[Sequence[str]], float]


@dataclass(slots=True)
class Variant:
    """A row of the table.

    Attributes:
        name: what is measured.
        tokens: ``warm``, the same one again and again; ``fresh``, each one for the first time.
        work: what is done with them.
        seconds: what a block of it took, in each round.
        open_seconds: what the block of the open view beside it took.
    """

    name: str
    tokens: str
    work: Work
    seconds: list[float] = field(default_factory=list)
    open_seconds: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How much longer it took than the open view, in each round."""
        return [own / other for own, other in zip(self.seconds, self.open_seconds, strict=True)]


def requests_to(app: Flask) -> Work:
    """Return what sends *app* one request for each token, and sees to it that each is answered by 200."""
    environ = EnvironBuilder(PATH, base_url="https://api.example.com").get_environ()
    wsgi_app: Any = app.wsgi_app

    def work(tokens: Sequence[str]) -> float:
        headers = [f"Bearer {token}" for token in tokens]
        statuses: list[str] = []

        def start_response(status: str, _headers: Any, _exc_info: Any = None) -> None:
            statuses.append(status)

        started = time.process_time()
        for header in headers:
            body = wsgi_app({**environ, "HTTP_AUTHORIZATION": header}, start_response)
            b"".join(body)
            body.close()
        seconds = time.process_time() - started
        if statuses != ["200 OK"] * len(tokens):
            raise RuntimeError(f"not every request was admitted: {set(statuses)}")
        return seconds

    return work


def repeated(step: Callable[[], object]) -> Work:
    """Return what takes one *step* for each token."""

    def work(tokens: Sequence[str]) -> float:
        started = time.process_time()
        for _token in tokens:
            step()
        return time.process_time() - started

    return work


def floor(token: str, public_key: Any) -> list[Variant]:
    """Return what nobody can do without, by itself: outside of a request, where it is faster than inside."""
    signing_input, _, signature = token.rpartition(".")
    payload = urlsafe_b64decode(signing_input.partition(".")[2] + "==")
    signed, signature_bytes, padding, digest = signing_input.encode(), _decoded(signature), PKCS1v15(), SHA256()
    return [
        Variant("SHA-256 of the token, alone", "warm", repeated(lambda: hashlib.sha256(token.encode()).digest())),
        Variant("json.loads of the payload, alone", "warm", repeated(lambda: json.loads(payload))),
        Variant(
            "RSA-2048 verification, alone",
            "warm",
            repeated(lambda: public_key.verify(signature_bytes, signed, padding, digest)),
        ),
    ]


def floor_in_view(public_key: Any) -> list[Variant]:
    """Return what nobody can do without, in the open view: it and the rest of a request slow each other down there."""
    padding, digest = PKCS1v15(), SHA256()
    remembered: dict[bytes, str] = {}

    def look_up(token: str) -> None:
        remembered.get(hashlib.blake2b(token.encode()).digest())

    def verify(token: str) -> None:
        signing_input, _, signature = token.rpartition(".")
        public_key.verify(_decoded(signature), signing_input.encode(), padding, digest)

    def verify_and_read(token: str) -> None:
        verify(token)
        json.loads(_decoded(token.split(".")[1]))

    return [
        Variant("a digest of the token and a look by it, in the open view", "warm", requests_to(open_with(look_up))),
        Variant("RSA-2048 verification, in the open view", "fresh", requests_to(open_with(verify))),
        Variant("that and json.loads, in the open view", "fresh", requests_to(open_with(verify_and_read))),
    ]


def variants_of(guard: Guard, tenant: Tenant, minter: Minter) -> list[Variant]:
    """Return *guard* with warm and with fresh tokens, in an app each, when it has shown that it guards."""
    variants = []
    for tokens in ("warm", "fresh"):
        app = guard.make(tenant)
        guard.check(partial(_status_of, app.test_client()), minter)
        variants.append(Variant(guard.name, tokens, requests_to(app)))
    return variants


def measure(variants: Sequence[Variant], open_view: Work, warm: str, fresh: Sequence[str]) -> None:
    """Let the *variants* take turns, each one beside the *open_view*, until the *fresh* tokens are used up.

    The open view is measured anew for each of them, now before and now after: a machine that is slower for a while is
    slower for both.
    """
    blocks = {"warm": [warm] * BLOCK, "fresh": [warm] * BLOCK}

    def seconds_of(work: Work, tokens: str) -> float:
        gc.collect()  # each block pays for its own garbage only; the collector stays on
        work([warm] * RUN_IN)
        return work(blocks[tokens])

    for number, start in enumerate(range(0, len(fresh), BLOCK)):
        blocks["fresh"] = list(fresh[start : start + BLOCK])
        shift = number % len(variants)
        for variant in (*variants[shift:], *variants[:shift]):
            if number % 2:
                variant.seconds.append(seconds_of(variant.work, variant.tokens))
            variant.open_seconds.append(seconds_of(open_view, "warm"))
            if not number % 2:
                variant.seconds.append(seconds_of(variant.work, variant.tokens))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, to see that it works")
    options = parser.parse_args(arguments)
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    with LocalIssuer() as issuer:
        tenant, minter = Tenant.of(issuer), Minter(issuer)
        warm = minter.token()
        open_view = requests_to(bare(tenant))
        public_key = issuer.signing_key().public_key()
        variants = [*floor(warm, public_key), *floor_in_view(public_key)]
        for guard in GUARDS:
            if guard.is_installed:
                variants += variants_of(guard, tenant, minter)
        fresh = [minter.token(user) for user in range(1, 1 + rounds * BLOCK)]
        gc.freeze()  # no collection has to look through all those apps
        measure(variants, open_view, warm, fresh)
    print_machine(f"A request: {rounds} rounds of {BLOCK}; medians")
    print_table(COLUMNS, [_open_row(variants), *map(_row, variants)])
    return verdict(_targets(variants), missing_peers())


def _row(variant: Variant) -> tuple[str, ...]:
    low, median, high = statistics.quantiles(variant.ratios, n=4)
    ratio, quartiles = f"{median:.2f}", f"{low:.2f} to {high:.2f}"
    return variant.name, variant.tokens, _microseconds(variant.seconds), ratio, quartiles


def _open_row(variants: Sequence[Variant]) -> tuple[str, ...]:
    seconds = [seconds for variant in variants for seconds in variant.open_seconds]
    return "none: the open view", "", _microseconds(seconds), "1", ""


def _microseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) / BLOCK * 1e6:.1f}"


def _targets(variants: Sequence[Variant]) -> list[Target]:
    known = {(variant.name, variant.tokens): variant for variant in variants}
    return [
        Target(f"{name}, {tokens}, over the open view", statistics.median(known[name, tokens].ratios), limit)
        for (name, tokens), limit in TARGETS.items()
    ]


def _status_of(client: FlaskClient, token: str | None) -> int:
    return client.get(PATH, headers=bearer(token)).status_code


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "==")


if __name__ == "__main__":
    sys.exit(main())
