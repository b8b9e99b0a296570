"""Real networks: dead addresses and name servers, proxies, CAs, firewalls. Who gets the key set, after how long?

``python -m benchmarks.networks`` needs Linux, ``ip``, ``unshare``, ``curl``, and, for jose, node and the packages of
``tests/integration/provider`` (``make provider``). Each client runs in a process of its own, with the defaults that its
users have; the time is that of the fetch alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.reporting import print_table

if TYPE_CHECKING:  # of the tests, which are on the path only in the namespace
    from network_lab import Issuer, Lab

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
PROVIDER = TESTS / "integration" / "provider"
URL = "https://issuer.test/jwks.json"
LOOPBACK_URL = "https://127.0.0.1/jwks.json"
#: Longer than each of them waits by itself, but for curl, which waits for ever.
LIMIT_SECONDS = 45

_JOSE = """
import { createRemoteJWKSet } from "jose";
const keys = createRemoteJWKSet(new URL(process.argv[1]));
const began = performance.now();
let error = "";
try { await keys.reload(); } catch (e) { error = String(e.cause?.code ?? e.code ?? e.name); }
console.log(JSON.stringify([(performance.now() - began) / 1000, keys.jwks()?.keys.length ?? 0, error]));
process.exit(0);
"""


def _ours() -> Callable[[str], int]:
    from auth0_blueprint.keysets.fetch import fetch
    from auth0_blueprint.keysets.key_set import parse_key_set

    def number(url: str) -> int:
        answer: Any = fetch(url, 5, 262_144)
        return len(parse_key_set(getattr(answer, "document", answer)).keys)

    return number


def _requests() -> Callable[[str], int]:
    import requests

    def number(url: str) -> int:
        answer = requests.get(url, timeout=5)
        answer.raise_for_status()
        return len(answer.json()["keys"])

    return number


def _pyjwt() -> Callable[[str], int]:
    import jwt

    return lambda url: len(jwt.PyJWKClient(url).get_jwk_set().keys)


#: Each imports what it needs, and returns what counts the keys at a URL.
PYTHON_CLIENTS = {"ours": _ours, "requests": _requests, "PyJWKClient": _pyjwt}
CLIENTS = (*PYTHON_CLIENTS, "jose", "curl")


@dataclass(frozen=True)
class Situation:
    """A network, and what the environment says about it.

    Attributes:
        name: as the table has it.
        issuer: the addresses of the issuer; empty if a name server has to be asked.
        name_servers: these, in their order.
        proxy: the scheme of the proxy, if there is one.
        proxy_addresses: those of its name.
        ca_variables: which variables name the CA.
        url: of the key set.
        environment: further variables.
        headers: further ones of the answer.
        encode: what becomes of its body.
        refused_agents: which User-Agents the firewall refuses.
    """

    name: str
    issuer: tuple[str, ...] = ("2001:db8:1::10", "192.0.2.10")
    name_servers: tuple[str, ...] = ()
    proxy: str = ""
    proxy_addresses: tuple[str, ...] = ("192.0.2.10",)
    ca_variables: tuple[str, ...] = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    url: str = URL
    environment: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    encode: Callable[[bytes], bytes] = bytes
    refused_agents: tuple[str, ...] = ()


DEAD_6, OTHER_DEAD_6, DEAD_4 = "2001:db8:1::66", "2001:db8:1::67", "192.0.2.66"
NOWHERE, SCHEMES = (DEAD_6, DEAD_4), ("http", "https", "socks5", "socks5h")
REFUSING, GOOD = "2001:db8:1::11", "192.0.2.10"
DEAD_PROXY = {"HTTPS_PROXY": "http://192.0.2.11:1"}
SCRIPTS = ("python-requests", "Python-urllib")

SITUATIONS = (
    Situation("nothing is wrong"),
    Situation("the first of two addresses swallows packets", (DEAD_6, GOOD)),
    Situation("three of four addresses swallow packets", (DEAD_6, OTHER_DEAD_6, DEAD_4, GOOD)),
    Situation("the first of two addresses refuses", (REFUSING, GOOD)),
    Situation("the first of two name servers is dead", (), (DEAD_4, GOOD)),
    # By the proxy alone: nothing of the issuer answers here.
    *(Situation(f"`HTTPS_PROXY={scheme}://…`", NOWHERE, proxy=scheme) for scheme in SCHEMES),
    Situation("the proxy's first address swallows packets", NOWHERE, proxy="http", proxy_addresses=(DEAD_6, GOOD)),
    Situation("the same with a SOCKS proxy", NOWHERE, proxy="socks5h", proxy_addresses=(DEAD_6, GOOD)),
    Situation("the CA is in `REQUESTS_CA_BUNDLE` alone", ca_variables=("REQUESTS_CA_BUNDLE",)),
    Situation("the CA is in `CURL_CA_BUNDLE` alone", ca_variables=("CURL_CA_BUNDLE",)),
    Situation("the CA is in `SSL_CERT_FILE` alone", ca_variables=("SSL_CERT_FILE",)),
    Situation("an https issuer on loopback; the proxy is dead", url=LOOPBACK_URL, environment=DEAD_PROXY),
    Situation("a firewall refuses the User-Agents of scripts", refused_agents=SCRIPTS),
    Situation("the answer begins with a UTF-8 byte order mark", encode=lambda body: b"\xef\xbb\xbf" + body),
    Situation("the answer says `Content-Encoding: Identity`", headers={"Content-Encoding": "Identity"}),
    Situation(
        "the answer is compressed, whatever was asked for",
        headers={"Content-Encoding": "gzip"},
        encode=gzip.compress,
    ),
)


def measure(names: list[str], part_of_name: str = "") -> Iterator[tuple[str, dict[str, tuple[float, int, str]]]]:
    """Yield each situation with what each client has got: seconds, number of keys, error. In a namespace."""
    from network_lab import lab, services
    from servers import document

    body = document("a", "b")
    with lab() as made, services(made, body) as issuers:
        for situation in SITUATIONS:
            if part_of_name not in situation.name:
                continue
            with _arranged(situation, made, issuers, body) as environment:
                yield situation.name, {name: _run(name, situation.url, environment) for name in names}


@contextmanager
def _arranged(situation: Situation, made: Lab, issuers: list[Issuer], body: bytes) -> Iterator[dict[str, str]]:
    from networks import Proxy

    made.names({"issuer.test": situation.issuer, "proxy.test": situation.proxy_addresses}, situation.name_servers)
    for issuer in issuers:
        issuer.headers, issuer.body = situation.headers, situation.encode(body)
        issuer.refused_agents = situation.refused_agents
    variables = dict.fromkeys(situation.ca_variables, str(made.ca))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}", **variables, **situation.environment}
    if not situation.proxy:
        yield environment
        return
    tls = made.tls if situation.proxy == "https" else None
    with Proxy(443, is_socks=situation.proxy.startswith("socks"), tls=tls, host="192.0.2.10") as proxy:
        yield {**environment, "HTTPS_PROXY": f"{situation.proxy}://proxy.test:{proxy.port}"}


def _run(client: str, url: str, environment: dict[str, str]) -> tuple[float, int, str]:
    curl = ["curl", "--silent", "--show-error", "--fail", "--compressed", "--write-out", "\n%{time_total}", url]
    commands = {"curl": curl, "jose": ["node", "--input-type=module", "--eval", _JOSE, url]}
    command = commands.get(client, [sys.executable, "-m", "benchmarks.networks", "--client", client, url])
    try:
        ended = subprocess.run(
            command, env=environment, cwd=PROVIDER if client == "jose" else ROOT, capture_output=True, text=True,
            timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return LIMIT_SECONDS, 0, "nothing"
    if client != "curl":
        seconds, keys, error = json.loads(ended.stdout.splitlines()[-1])
        return float(seconds), int(keys), str(error)
    said, _, seconds = ended.stdout.rpartition("\n")
    try:
        return float(seconds), len(json.loads(said.removeprefix("\ufeff"))["keys"]), ""
    except ValueError:
        return float(seconds), 0, f"exit status {ended.returncode}"


def _client(name: str, url: str) -> None:
    """Be one of the clients in Python, and print what it has got."""
    number_at = PYTHON_CLIENTS[name]()
    keys, error = 0, ""
    began = time.monotonic()
    try:
        keys = number_at(url)
    except Exception as exc:  # noqa: BLE001 - whatever its users get
        error = type(exc).__name__ if not hasattr(exc, "code") else str(exc)
    print(json.dumps([time.monotonic() - began, keys, error]))


def _print(results: Iterator[tuple[str, dict[str, tuple[float, int, str]]]], clients: list[str]) -> None:
    versions = [f"{name} {version(name)}" for name in ("requests", "urllib3", "PyJWT", "PySocks")]
    if "curl" in clients:
        versions.append(" ".join(_output(["curl", "--version"]).split()[:2]))
    if "jose" in clients:
        package = json.loads((PROVIDER / "node_modules" / "jose" / "package.json").read_text(encoding="utf-8"))
        versions.append(f"node {_output(['node', '--version']).strip()}, jose {package['version']}")
    print(f"Python {platform.python_version()}, {', '.join(versions)}\n")
    rows = [[name, *(_cell(got[client]) for client in clients)] for name, got in results]
    print_table(["", *clients], rows)


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cell(got: tuple[float, int, str]) -> str:
    seconds, keys, _ = got
    if seconds == LIMIT_SECONDS:
        return f"none within {seconds} s"
    return f"{seconds:.2f} s" if keys else f"none after {seconds:.1f} s"


def main() -> int:
    """Measure, in a namespace, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default=",".join(CLIENTS), help="which, separated by commas")
    parser.add_argument("--only", default="", help="situations whose names contain this text", metavar="TEXT")
    parser.add_argument(
        "--json", action="store_true", help="a JSON object: for each situation and client seconds, keys, error"
    )
    parser.add_argument("--client", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        _client(*given.client)
        return 0
    if not given.in_namespace:
        command = [sys.executable, "-m", "benchmarks.networks", "--in-namespace", *sys.argv[1:]]
        unshare = ["unshare", "--map-root-user", "--net", "--mount"]
        return subprocess.run(
            [*unshare, *command], cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}:{TESTS}"}, check=False
        ).returncode
    clients = given.clients.split(",")
    if given.json:
        print(json.dumps(dict(measure(clients, given.only))))
    else:
        _print(measure(clients, given.only), clients)
    return 0


if __name__ == "__main__":
    sys.exit(main())
