"""What a new process costs until it has answered its first request, as functions in a cloud start again and again.

Each process imports a guard, makes the app, fetches the key set over loopback and answers one request by 200; the next
process is that of another row. Measured is the processor time of the process, user and system. Run it by ``make
bench``, or by ``python -m benchmarks.cold_start``; with ``--baseline PATH``, or ``BASELINE=PATH``, another checkout of
this package has a row. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import auth0_blueprint
from auth0_blueprint.testing import LocalIssuer
from benchmarks.guarded_apps import Minter, Tenant
from benchmarks.reporting import Target, print_machine, print_table, verdict

PROCESSES, QUICK_PROCESSES = 31, 2
#: Registrations in one process, after the first one, whose median counts.
REPEATED = 15
MIB = 2**20
FLASK, OURS, BASELINE, PEER = "Flask alone", "auth0_blueprint", "auth0_blueprint, baseline", "auth0-api-python"

COLUMNS = ("until the first 200", "CPU", "quartiles", "over Flask", "to the end of the process", "memory")
REGISTRATION_COLUMNS = ("registration", "in a new process", "quartiles", "again, on another app")

#: What every process does, around its own lines: those make ``guard``, a decorator.
PROCESS = f"""
import json, os, sys, time
from flask import Flask, g, request
tenant = json.loads(sys.argv[1])
issuer, key_set_url, audience, token = (tenant[name] for name in ("issuer", "key_set_url", "audience", "token"))
app = Flask("measured", static_folder=None)
registration, again = 0.0, lambda: 0.0
LINES
@app.get("/api/messages")
@guard
def messages():
    return {{"messages": ["Hello"]}}

environ = {{
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/api/messages", "QUERY_STRING": "",
    "SERVER_NAME": "api.example.com", "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "api.example.com", "HTTP_AUTHORIZATION": "Bearer " + token, "wsgi.url_scheme": "https",
    "wsgi.input": __import__("io").BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
    "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.version": (1, 0),
}}
statuses = []
body = app.wsgi_app(environ, lambda status, headers, exc_info=None: statuses.append(status))
b"".join(body), body.close()
seconds = time.process_time()
pages = int(open("/proc/self/statm").read().split()[1])
times = sorted(again() for _ in range({REPEATED})) if len(sys.argv) > 2 else [0.0]
print(json.dumps([statuses[0], seconds, registration, times[len(times) // 2], pages * os.sysconf("SC_PAGE_SIZE")]))
"""

DECORATOR = """
import functools
def guard(view):
    @functools.wraps(view)
    def guarded():
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return {"error": "no bearer token"}, 401
        try:
            g.claims = verify(sent)
        except refusal:
            return {"error": "the token is not acceptable"}, 401
        if "read:messages" not in g.claims.get("scope", "").split():
            return {"error": "the scope is missing"}, 403
        return view()
    return guarded
"""

OWN = """
from auth0_blueprint import Auth0Blueprint, requires_scope
def again():
    another = Flask("another", static_folder=None)
    another.config.update(AUTH0_ISSUER=issuer, AUTH0_JWKS_URL=key_set_url, AUTH0_AUDIENCE=audience)
    return register_on(another)
def register_on(app):
    started = time.process_time()
    app.register_blueprint(Auth0Blueprint())
    return time.process_time() - started
app.config.update(AUTH0_ISSUER=issuer, AUTH0_JWKS_URL=key_set_url, AUTH0_AUDIENCE=audience)
registration = register_on(app)
guard = requires_scope("read:messages")
"""

PY_JWK_CLIENT = """
import jwt
client, refusal = jwt.PyJWKClient(key_set_url), jwt.PyJWTError
def verify(sent):
    key = client.get_signing_key_from_jwt(sent)
    return jwt.decode(sent, key, algorithms=["RS256"], audience=audience, issuer=issuer)
"""

#: It has no key sets: the quickest way to one, and it asks for no scope.
FLASK_JWT_EXTENDED = """
import urllib.request
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask_jwt_extended import JWTManager, jwt_required
from jwt import PyJWK
with urllib.request.urlopen(key_set_url, timeout=10) as answer:
    key = PyJWK(json.load(answer)["keys"][0]).key
app.config.update(
    JWT_ALGORITHM="RS256", JWT_DECODE_ISSUER=issuer, JWT_DECODE_AUDIENCE=audience,
    JWT_PUBLIC_KEY=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
)
JWTManager(app)
guard = jwt_required()
"""

#: It would ask by https, which there is none of on loopback, and for a discovery document first.
AUTH0_API_PYTHON = """
import asyncio, warnings
import authlib.deprecate  # puts a filter before all others
warnings.simplefilter("ignore")  # it uses what Authlib has deprecated
from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import BaseAuthError as refusal
import httpx
async def fetch(url):
    if url.endswith("openid-configuration"):
        return {"issuer": issuer, "jwks_uri": key_set_url}
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(key_set_url)).json()
domain = issuer.removeprefix("https://").rstrip("/")
client = ApiClient(ApiClientOptions(domain=domain, audience=audience, custom_fetch=fetch))
def verify(sent):
    return asyncio.run(client.verify_access_token(sent))
"""


class Row(NamedTuple):
    """A way to guard the view, in a process of its own.

    Attributes:
        name: what it is called in the tables.
        lines: of Python, that make ``guard``.
        module: what has to be installed for it.
        checkout: where this package is imported from, if it is.
    """

    name: str
    lines: str
    module: str = "auth0_blueprint"
    checkout: Path = Path(auth0_blueprint.__file__).parents[1]


ROWS = (
    Row(FLASK, "guard = lambda view: view", "flask"),
    Row(OURS, OWN),
    Row("PyJWT, PyJWKClient", PY_JWK_CLIENT + DECORATOR, "jwt"),
    Row("flask-jwt-extended", FLASK_JWT_EXTENDED, "flask_jwt_extended"),
    Row(PEER, AUTH0_API_PYTHON + DECORATOR, "auth0_api_python"),
)


class Start(NamedTuple):
    """One process.

    Attributes:
        seconds: of processor time, user and system, from the start of the interpreter to the first answer.
        whole_seconds: the same to the end of the process, by the kernel.
        registration_seconds: of them, registering the blueprint.
        resident_bytes: the memory it held after the first answer.
    """

    seconds: float
    whole_seconds: float
    registration_seconds: float
    resident_bytes: int


def start(row: Row, tenant: Mapping[str, str], bytecode: str, *arguments: str) -> tuple[Start, float]:
    """Start a process of *row*, wait for its end, and see to it that its request was admitted.

    Returns:
        What it cost, and the seconds of a repeated registration if *arguments* ask for them, else 0.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(row.checkout),
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONDONTWRITEBYTECODE": "",
    }
    program = PROCESS.replace("LINES", row.lines)
    command = [sys.executable, "-P", "-c", program, json.dumps(dict(tenant)), *arguments]
    reading, writing = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    process = os.posix_spawn(sys.executable, command, environment, file_actions=actions)
    os.close(writing)
    with os.fdopen(reading) as output:
        printed = output.read()
    _pid, status, usage = os.wait4(process, 0)
    if status or not printed.startswith('["200 OK"'):
        raise RuntimeError(f"the process of {row.name} did not answer by 200")
    _status, seconds, registration, again, resident = json.loads(printed)
    return Start(seconds, usage.ru_utime + usage.ru_stime, registration, resident), again


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="of each row (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PROCESSES} of each, to see that it works")
    parser.add_argument(
        "--baseline", default=os.environ.get("BASELINE"), metavar="PATH", help="another checkout, to compare with"
    )
    options = parser.parse_args(arguments)
    processes = QUICK_PROCESSES if options.quick else options.processes
    rows = [row for row in ROWS if importlib.util.find_spec(row.module) is not None]
    if options.baseline:
        rows.append(Row(BASELINE, OWN, checkout=Path(options.baseline).resolve(strict=True)))
    starts: dict[str, list[Start]] = {row.name: [] for row in rows}
    repeated: dict[str, float] = {}
    with LocalIssuer() as issuer, tempfile.TemporaryDirectory() as bytecode:
        tenant = {**Tenant.of(issuer)._asdict(), "token": Minter(issuer).token()}
        folders = {row.name: str(Path(bytecode, str(number))) for number, row in enumerate(rows)}
        for row in rows:
            repeated[row.name] = start(row, tenant, folders[row.name], "again")[1]  # compiles, too
        for number in range(processes):
            shift = number % len(rows)
            for row in (*rows[shift:], *rows[:shift]):
                starts[row.name].append(start(row, tenant, folders[row.name])[0])
    print_machine(f"From nothing to the first 200, {processes} new processes of each row; medians")
    print_table(COLUMNS, [_row(name, those, starts[FLASK]) for name, those in starts.items()])
    own = [name for name in (OURS, BASELINE) if name in starts]
    print_table(REGISTRATION_COLUMNS, [_registration_row(name, starts[name], repeated[name]) for name in own])
    return verdict(_targets(starts), [row.name for row in ROWS if row not in rows])


def _ratios(starts: Sequence[Start], others: Sequence[Start]) -> list[float]:
    # Those of one round ran one after the other: a machine that is slower for a while is slower for both.
    return [one.seconds / other.seconds for one, other in zip(starts, others, strict=True)]


def _row(name: str, starts: Sequence[Start], flask: Sequence[Start]) -> tuple[str, ...]:
    low, median, high = statistics.quantiles((one.seconds * 1e3 for one in starts), n=4)
    memory = statistics.median(one.resident_bytes for one in starts) / MIB
    whole = statistics.median(one.whole_seconds * 1e3 for one in starts)
    ratio, quartiles = f"{statistics.median(_ratios(starts, flask)):.2f}", f"{low:.0f} to {high:.0f} ms"
    return name, f"{median:.0f} ms", quartiles, ratio, f"{whole:.0f} ms", f"{memory:.1f} MiB"


def _registration_row(name: str, starts: Sequence[Start], again: float) -> tuple[str, ...]:
    low, median, high = statistics.quantiles((one.registration_seconds * 1e3 for one in starts), n=4)
    return name, f"{median:.1f} ms", f"{low:.1f} to {high:.1f} ms", f"{again * 1e3:.1f} ms"


def _targets(starts: Mapping[str, Sequence[Start]]) -> list[Target]:
    ours, targets = starts[OURS], []
    if PEER in starts:
        ratio = statistics.median(_ratios(ours, starts[PEER]))
        targets.append(Target("CPU until the first 200, over auth0-api-python", ratio, 0.75))
    if BASELINE in starts:
        baseline = starts[BASELINE]
        targets += [
            Target("CPU until the first 200, over the baseline", statistics.median(_ratios(ours, baseline)), 0.75),
            Target("registration, over the baseline", _over(ours, baseline, "registration_seconds"), 0.33),
            Target("memory after the first 200, over the baseline", _over(ours, baseline, "resident_bytes"), 0.9),
        ]
    return targets


def _over(starts: Sequence[Start], others: Sequence[Start], name: str) -> float:
    one, other = (statistics.median(getattr(each, name) for each in those) for those in (starts, others))
    return float(one / other)


if __name__ == "__main__":
    sys.exit(main())
