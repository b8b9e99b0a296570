"""DPoP behind nginx: proofs name the URL that the client knows, and each is good once in all worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from certificates import Credential
from dpop_client import DPoPClient
from fleet.redis_server import RedisServer, empty_redis
from processes import eventually
from refusals import Answer

from auth0_blueprint.testing import LocalIssuer

from .servers import Deployment, Headers, deployed, get

ORIGIN = "https://api.example.com"
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'
WORKERS = 2

#: nginx takes the prefix off, or leaves it there and tells gunicorn about it.
SITE = """
upstream api { server unix:/run/api/gunicorn.sock; }
server {
    listen 443 ssl;
    ssl_certificate     /etc/ssl/api.crt;
    ssl_certificate_key /etc/ssl/api.key;
    proxy_set_header Host $http_host;

    location /v1/ {
        %s
    }
}
"""
CUT = "proxy_pass http://api/;"
MOUNTED = """
        proxy_pass http://api;
        proxy_set_header Host $http_host;
        proxy_set_header SCRIPT_NAME /v1;
"""


@pytest.fixture(scope="module")
def redis(directory: Path) -> Iterator[RedisServer]:
    with empty_redis(directory) as server:
        yield server


@pytest.fixture(scope="module")
def cut(directory: Path, server: Credential, session_issuer: LocalIssuer, redis: RedisServer) -> Iterator[Deployment]:
    """Two workers on one Redis. nginx takes the prefix off: the public URL has it."""
    settings = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": f"{ORIGIN}/v1", "AUTH0_CACHE_SECRET": "s" * 32}
    with deployed(
        directory, SITE % CUT, server, session_issuer, "--workers", str(WORKERS), **settings, **redis.settings
    ) as deployment:
        yield deployment


@pytest.fixture
def mounted(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Deployment]:
    """The app knows the prefix: the public URL has none."""
    settings = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": ORIGIN}
    own = directory / "mounted"  # the other deployment may be running still
    own.mkdir(exist_ok=True)
    with deployed(own, SITE % MOUNTED, server, session_issuer, **settings) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def holder() -> DPoPClient:
    return DPoPClient("ES256")


@pytest.fixture(scope="module")
def token(session_issuer: LocalIssuer, holder: DPoPClient) -> str:
    return session_issuer.token(cnf=holder.confirmation)


def proof(holder: DPoPClient, token: str, uri: str, **changes: Any) -> str:
    """Return a proof for a GET of *uri*."""
    return holder.sign(holder.header(), holder.claims("GET", uri, token, time.time(), **changes))


def ask(deployment: Deployment, target: str, token: str, *proofs: str, headers: Headers = ()) -> tuple[Answer, str]:
    """Ask for *target* by the DPoP scheme, and return what is answered, and the worker process that has."""
    host = () if any(name == "Host" for name, _ in headers) else (("Host", "api.example.com"),)
    credentials = (("Authorization", f"DPoP {token}"), *(("DPoP", proof) for proof in proofs))
    with closing(deployment.nginx.connect()) as connection:
        return get(connection, target, (*host, *credentials, *headers))


def passed(name: str) -> Answer:
    """Return the answer of the view for files."""
    return Answer(200, (), {"name": name}, cache_control=None)


def refused(description: str) -> Answer:
    """Return the answer to a proof that is not good."""
    code = "invalid_dpop_proof"
    return Answer(
        401,
        (f'DPoP realm="api", error="{code}", error_description="{description}", {ALGS}', 'Bearer realm="api"'),
        {"error": code, "error_description": description, "code": code},
    )


OTHER_URI = refused("The DPoP proof was made for another URI.")
REPLAYED = refused("The DPoP proof was already used; make a new one for each request.")
SEVERAL_PROOFS = refused("The request must have exactly one DPoP proof.")

#: What a client writes after ``/v1/files/`` in the request, what in the proof, and the name that the view gets.
SPELLINGS = [
    ("a", "a", "a"),
    ("a%20b", "a%20b", "a b"),
    ("a%2Bb", "a+b", "a+b"),
    ("a%25b", "a%25b", "a%b"),
    ("a%252Fb", "a%252Fb", "a%2Fb"),
    ("%7Ea", "~a", "~a"),
    ("me%40example.com", "me%40example.com", "me@example.com"),
    ("me%40example.com", "me@example.com", "me@example.com"),
    ("me@example.com", "me%40example.com", "me@example.com"),
    ("gr%C3%BC%C3%9Fe", "gr%C3%BC%C3%9Fe", "grüße"),
    ("gr%c3%bc%C3%9fe", "gr%C3%BC%c3%9Fe", "grüße"),
    ("a:b!$&'()*,=", "a:b!$&'()*,=", "a:b!$&'()*,="),
    ("a/b", "a/b", "a/b"),
    ("a/", "a/", "a/"),
    ("a?page=2&of=%2F", "a", "a"),
    ("a?page=2&of=%2F", "a?page=2&of=%2F", "a"),
]
#: Only where nginx leaves the path alone a slash and an encoded one are two things.
ENCODED_SLASHES = [("a%2Fb", "a%2Fb", "a/b"), ("a%2fb", "a%2Fb", "a/b")]


class TestPrefixTakenOff:
    @pytest.mark.parametrize(("written", "proven", "name"), SPELLINGS)
    def test_a_proof_names_the_url_that_the_client_knows(
        self, cut: Deployment, holder: DPoPClient, token: str, written: str, proven: str, name: str
    ) -> None:
        """Scheme, host and prefix are of the public URL; percent-encoding may differ, and the query does not count."""
        good = proof(holder, token, f"{ORIGIN}/v1/files/{proven}")
        assert ask(cut, f"/v1/files/{written}", token, good)[0] == passed(name)

    @pytest.mark.parametrize(("written", "proven", "name"), ENCODED_SLASHES)
    def test_an_encoded_slash_is_lost_in_nginx(
        self, cut: Deployment, holder: DPoPClient, token: str, written: str, proven: str, name: str
    ) -> None:
        """The app sees a request for another URL, in which it is a plain one; and so the proof is for another one."""
        strict = proof(holder, token, f"{ORIGIN}/v1/files/{proven}")
        assert ask(cut, f"/v1/files/{written}", token, strict)[0] == OTHER_URI
        as_seen = proof(holder, token, f"{ORIGIN}/v1/files/{name}")
        assert ask(cut, f"/v1/files/{written}", token, as_seen)[0] == passed(name)

    @pytest.mark.parametrize(
        "uri",
        [
            f"{ORIGIN}/files/a",
            f"{ORIGIN}/v1/files/b",
            f"{ORIGIN}/v1/files/a/",
            f"{ORIGIN}/v1/files/A",
            f"{ORIGIN}/v1/v1/files/a",
            "http://api.example.com/v1/files/a",
            "http://api/files/a",
            f"{ORIGIN}:8443/v1/files/a",
            "https://api.example.com.evil.example/v1/files/a",
            "https://evil.example/v1/files/a",
            "/v1/files/a",
        ],
    )
    def test_a_proof_for_another_url_is_refused(
        self, cut: Deployment, holder: DPoPClient, token: str, uri: str
    ) -> None:
        """Also for what gunicorn sees of this one."""
        assert ask(cut, "/v1/files/a", token, proof(holder, token, uri))[0] == OTHER_URI

    def test_nothing_that_a_client_says_makes_another_host_ours(
        self, cut: Deployment, holder: DPoPClient, token: str
    ) -> None:
        """A proof that was made for another API, and whatever would make this one look like it."""
        forgeries: list[Headers] = [
            (("Host", "evil.example"),),
            (("X-Forwarded-Host", "evil.example"),),
            (("Forwarded", "host=evil.example;proto=https"),),
            (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")),
            (("SCRIPT-NAME", "/v1"), ("X-Forwarded-Prefix", "/v1"), ("Host", "evil.example")),
        ]
        for headers in forgeries:
            stolen = proof(holder, token, "https://evil.example/v1/files/a")
            assert ask(cut, "/v1/files/a", token, stolen, headers=headers)[0] == OTHER_URI
            # And it does no harm: the public URL is the same.
            good = proof(holder, token, f"{ORIGIN}/v1/files/a")
            assert ask(cut, "/v1/files/a", token, good, headers=headers)[0] == passed("a")

    def test_two_proofs_are_refused(self, cut: Deployment, holder: DPoPClient, token: str) -> None:
        """Both get through nginx and gunicorn."""
        proofs = [proof(holder, token, f"{ORIGIN}/v1/files/a") for _ in range(2)]
        assert ask(cut, "/v1/files/a", token, *proofs)[0] == SEVERAL_PROOFS

    def test_a_proof_is_good_once_in_all_processes(self, cut: Deployment, holder: DPoPClient, token: str) -> None:
        """The other worker has not seen it, and knows of it by Redis."""
        once = proof(holder, token, f"{ORIGIN}/v1/files/a")
        answer, used_in = ask(cut, "/v1/files/a", token, once)
        assert answer == passed("a")
        replayed_in: set[str] = set()

        def has_every_worker_refused() -> bool:
            answer, worker = ask(cut, "/v1/files/a", token, once)
            assert answer == REPLAYED
            replayed_in.add(worker)
            return len(replayed_in) == WORKERS

        eventually(has_every_worker_refused)
        assert used_in in replayed_in


class TestPrefixLeftInPlace:
    def test_a_proof_names_the_url_that_the_client_knows(
        self, mounted: Deployment, holder: DPoPClient, token: str
    ) -> None:
        """Here an encoded slash in it is one, and a plain one another thing."""
        for written, proven, name in SPELLINGS + ENCODED_SLASHES:
            good = proof(holder, token, f"{ORIGIN}/v1/files/{proven}")
            assert ask(mounted, f"/v1/files/{written}", token, good)[0] == passed(name)
        for written, proven in (("a%2Fb", "a/b"), ("a/b", "a%2Fb")):
            other = proof(holder, token, f"{ORIGIN}/v1/files/{proven}")
            assert ask(mounted, f"/v1/files/{written}", token, other)[0] == OTHER_URI

    def test_a_proof_for_where_dots_lead_opens_nothing(
        self, mounted: Deployment, holder: DPoPClient, token: str
    ) -> None:
        """Nothing resolves them here: the view for files is asked for one with an odd name."""
        messages = proof(holder, token, f"{ORIGIN}/v1/messages")
        assert ask(mounted, "/v1/files/../messages", token, messages)[0] == OTHER_URI
