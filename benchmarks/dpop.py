"""What a DPoP proof costs a request, beside the signature that has to be checked for it: ``python -m benchmarks.dpop``.

Each request has a proof of its own, as each proof is good once; the access token is the same one. The requests take
turns with plain ones, and the signature check alone runs between the same two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from flask import Flask
from jwt.algorithms import get_default_algorithms
from werkzeug.test import EnvironBuilder

from auth0_blueprint import Auth0Blueprint, requires_scope
from auth0_blueprint.testing import LocalIssuer
from benchmarks.reporting import print_machine, print_table

ROUNDS, BLOCK = 40, 50
ALGORITHMS = ("ES256", "RS256", "EdDSA")
URI = "https://api.example.com/messages"
COLUMNS = ("proof", "us: request", "over the plain one", "one check", "checks above the plain request")


class Holder:
    """Holds a key, and makes proofs with it."""

    def __init__(self, algorithm: str) -> None:
        with_key = LocalIssuer(algorithm=algorithm)
        self.algorithm = algorithm
        self.key = with_key.signing_key()
        self._implementation: Any = get_default_algorithms()[algorithm]
        jwk: dict[str, str] = self._implementation.to_jwk(self.key.public_key(), as_dict=True)
        self.jwk = {name: value for name, value in jwk.items() if name != "key_ops"}

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the key."""
        required = {name: self.jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in self.jwk}
        return _segment(hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest())

    def proof(self, access_token: str, number: int) -> str:
        """Return a proof for one request."""
        header = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk}
        claims = {
            "jti": f"{number:032x}",
            "htm": "GET",
            "htu": URI,
            "iat": int(time.time()),
            "ath": _segment(hashlib.sha256(access_token.encode()).digest()),
        }
        signing_input = ".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
        return f"{signing_input}.{_segment(self._implementation.sign(signing_input.encode(), self.key))}"

    def seconds_of_checks(self, proofs: Sequence[str]) -> float:
        """Return what checking the signatures of *proofs* takes, and nothing else."""
        public_key = self.key.public_key()
        parts = [proof.rpartition(".")[::2] for proof in proofs]
        signed = [(text.encode(), _bytes(signature)) for text, signature in parts]
        started = time.process_time()
        for signing_input, signature in signed:
            if not self._implementation.verify(signing_input, public_key, signature):
                raise RuntimeError("a proof is not good")
        return time.process_time() - started


def make_app(issuer: LocalIssuer) -> Flask:
    """Return an app with one guarded view."""
    app = Flask("measured", static_folder=None)
    app.config.update(issuer.settings, AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL="https://api.example.com")
    app.register_blueprint(Auth0Blueprint())

    @app.get("/messages")
    @requires_scope("read:messages")
    def messages() -> dict[str, int]:
        return {"messages": 1}

    return app


def seconds_of(app: Flask, headers: Sequence[dict[str, str]]) -> float:
    """Return what requests with these WSGI *headers* take."""
    environ = EnvironBuilder("/messages", base_url="https://api.example.com").get_environ()
    statuses: list[str] = []
    wsgi_app: Any = app.wsgi_app
    started = time.process_time()
    for header in headers:
        body = wsgi_app({**environ, **header}, lambda status, *_rest: statuses.append(status))
        b"".join(body)
        body.close()
    seconds = time.process_time() - started
    if set(statuses) != {"200 OK"}:
        raise RuntimeError(f"not every request was admitted: {set(statuses)}")
    return seconds


def measure(issuer: LocalIssuer, algorithm: str, rounds: int) -> list[str]:
    """Return the row for *algorithm*."""
    app, holder = make_app(issuer), Holder(algorithm)
    plain = issuer.token(scope="read:messages")
    bound = issuer.token(scope="read:messages", cnf={"jkt": holder.thumbprint})
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {plain}"}
    with_proof: list[float] = []
    without: list[float] = []
    checks: list[float] = []
    for number in range(rounds + 1):
        proofs = [holder.proof(bound, number * BLOCK + one) for one in range(BLOCK)]
        headers = [{"HTTP_AUTHORIZATION": f"DPoP {bound}", "HTTP_DPOP": proof} for proof in proofs]
        times = (seconds_of(app, headers), holder.seconds_of_checks(proofs), seconds_of(app, [bearer] * BLOCK))
        if number:  # the first one fills caches
            for row, seconds in zip((with_proof, checks, without), times, strict=True):
                row.append(seconds / BLOCK * 1e6)
    above = statistics.median((w - b) / c for w, b, c in zip(with_proof, without, checks, strict=True))
    request, open_, check = (statistics.median(row) for row in (with_proof, without, checks))
    return [algorithm, f"{request:.0f}", f"{request - open_:.0f}", f"{check:.0f}", f"{above:.2f}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dpop", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it works")
    rounds = 4 if parser.parse_args(arguments).quick else ROUNDS
    with LocalIssuer() as issuer:
        found = [measure(issuer, algorithm, rounds) for algorithm in ALGORITHMS]
    print_machine(f"A request with a DPoP proof: {rounds} rounds of {BLOCK}; medians")
    print_table(COLUMNS, found)
    return 0


def _segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "==")


if __name__ == "__main__":
    sys.exit(main())
