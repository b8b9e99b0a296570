"""DPoP behind nginx: proofs name the URL that the client knows, and each is good once in all worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Credential
from dpop_client import DPoPClient
from fleet.redis_server import empty_redis
from processes import eventually
from refusals import Answer

from auth0_blueprint.testing import LocalIssuer

from .servers import TLS, Address, Headers, deployed, get

ORIGIN = "https://api.example.com"
FILES = f"{ORIGIN}/v1/files/"
ALGS = 'algs="ES256 RS256 PS256 EdDSA Ed25519"'
WORKERS = 2

#: nginx takes the prefix off, or leaves it there and tells gunicorn about it.
SITE = f"""
upstream api {{{{ server unix:/run/api/gunicorn.sock; }}}}
server {{{{
    {TLS}
    proxy_set_header Host $http_host;
    location /v1/ {{{{ {{}} }}}}
}}}}
"""
CUT = "proxy_pass http://api/;"
MOUNTED = "proxy_pass http://api; proxy_set_header Host $http_host; proxy_set_header SCRIPT_NAME /v1;"

HOLDER = DPoPClient("ES256")


@dataclass(frozen=True)
class Client:
    """Has a token that is bound to the key of `HOLDER`, and asks at nginx."""

    nginx: Address
    token: str

    def proof(self, uri: str) -> str:
        return HOLDER.sign(HOLDER.header(), HOLDER.claims("GET", uri, self.token, time.time()))

    def ask_for(self, target: str, *proofs: str, headers: Headers = ()) -> tuple[Answer, str]:
        """Ask for *target* by the DPoP scheme, and return what is answered, and the worker process that has."""
        host = () if any(name == "Host" for name, _ in headers) else (("Host", "api.example.com"),)
        credentials = (("Authorization", f"DPoP {self.token}"), *(("DPoP", proof) for proof in proofs))
        return get(self.nginx.connect(), target, (*host, *credentials, *headers))

    def answer(self, written: str, proven_for: str, headers: Headers = ()) -> Answer:
        """Return the answer to a request for one of the files, with a proof for a URI."""
        return self.ask_for(f"/v1/files/{written}", self.proof(proven_for), headers=headers)[0]


@pytest.fixture(scope="module")
def cut(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Client]:
    """Two workers on one Redis. nginx takes the prefix off: the public URL has it."""
    settings = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": f"{ORIGIN}/v1", "AUTH0_CACHE_SECRET": "s" * 32}
    arguments, token = ("--workers", str(WORKERS)), session_issuer.token(cnf=HOLDER.confirmation)
    with empty_redis(directory) as redis:
        settings |= redis.settings
        with deployed(directory, SITE.format(CUT), server, session_issuer, *arguments, **settings) as deployment:
            yield Client(deployment.nginx, token)


@pytest.fixture
def mounted(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Client]:
    """The app knows the prefix: the public URL has none."""
    settings = {"AUTH0_DPOP": "allowed", "AUTH0_PUBLIC_URL": ORIGIN}
    own = directory / "mounted"  # the other deployment may be running still
    own.mkdir(exist_ok=True)
    with deployed(own, SITE.format(MOUNTED), server, session_issuer, **settings) as deployment:
        yield Client(deployment.nginx, session_issuer.token(cnf=HOLDER.confirmation))


def passed(name: str) -> Answer:
    return Answer(200, (), {"name": name}, cache_control=None)


def refused(description: str) -> Answer:
    code = "invalid_dpop_proof"
    challenge = f'DPoP realm="api", error="{code}", error_description="{description}", {ALGS}'
    body = {"error": code, "error_description": description, "code": code}
    return Answer(401, (challenge, 'Bearer realm="api"'), body)


OTHER_URI = refused("The DPoP proof was made for another URI.")
REPLAYED = refused("The DPoP proof was already used; make a new one for each request.")
SEVERAL_PROOFS = refused("The request must have exactly one DPoP proof.")

#: What a client writes after ``/v1/files/`` in the request, what in the proof, and the name that the view gets.
SPELLINGS = [
    ("a", "a", "a"), ("a%20b", "a%20b", "a b"), ("a%2Bb", "a+b", "a+b"), ("a%25b", "a%25b", "a%b"),
    ("a%252Fb", "a%252Fb", "a%2Fb"), ("%7Ea", "~a", "~a"), ("me%40example.com", "me%40example.com", "me@example.com"),
    ("me%40example.com", "me@example.com", "me@example.com"), ("me@example.com", "me%40example.com", "me@example.com"),
    ("gr%C3%BC%C3%9Fe", "gr%C3%BC%C3%9Fe", "grüße"), ("gr%c3%bc%C3%9fe", "gr%C3%BC%c3%9Fe", "grüße"),
    ("a:b!$&'()*,=", "a:b!$&'()*,=", "a:b!$&'()*,="), ("a/b", "a/b", "a/b"), ("a/", "a/", "a/"),
    ("a?page=2&of=%2F", "a", "a"), ("a?page=2&of=%2F", "a?page=2&of=%2F", "a"),
]  # fmt: skip
#: Only where nginx leaves the path alone a slash and an encoded one are two things.
ENCODED_SLASHES = [("a%2Fb", "a%2Fb", "a/b"), ("a%2fb", "a%2Fb", "a/b")]
OTHER_URIS = [
    *(f"{ORIGIN}{path}" for path in ("/files/a", "/v1/files/b", "/v1/files/a/", "/v1/files/A", "/v1/v1/files/a")),
    *("http://api.example.com/v1/files/a", "http://api/files/a", f"{ORIGIN}:8443/v1/files/a", "/v1/files/a"),
    *("https://api.example.com.evil.example/v1/files/a", "https://evil.example/v1/files/a"),
]
#: Whatever would make this API look like another one.
FORGERIES: list[Headers] = [
    (("Host", "evil.example"),),
    (("X-Forwarded-Host", "evil.example"),),
    (("Forwarded", "host=evil.example;proto=https"),),
    (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")),
    (("SCRIPT-NAME", "/v1"), ("X-Forwarded-Prefix", "/v1"), ("Host", "evil.example")),
]


class TestPrefixTakenOff:
    @pytest.mark.parametrize(("written", "proven", "name"), SPELLINGS)
    def test_a_proof_names_the_url_that_the_client_knows(
        self, cut: Client, written: str, proven: str, name: str
    ) -> None:
        """Scheme, host and prefix are of the public URL; percent-encoding may differ, and the query does not count."""
        assert cut.answer(written, f"{FILES}{proven}") == passed(name)

    @pytest.mark.parametrize(("written", "proven", "name"), ENCODED_SLASHES)
    def test_an_encoded_slash_is_lost_in_nginx(self, cut: Client, written: str, proven: str, name: str) -> None:
        """The app sees a request for another URL, in which it is a plain one; and so the proof is for another one."""
        assert cut.answer(written, f"{FILES}{proven}") == OTHER_URI
        assert cut.answer(written, f"{FILES}{name}") == passed(name)

    @pytest.mark.parametrize("uri", OTHER_URIS)
    def test_a_proof_for_another_url_is_refused(self, cut: Client, uri: str) -> None:
        """Also for what gunicorn sees of this one."""
        assert cut.answer("a", uri) == OTHER_URI

    @pytest.mark.parametrize("headers", FORGERIES)
    def test_nothing_that_a_client_says_makes_another_host_ours(self, cut: Client, headers: Headers) -> None:
        """A proof that was made for another API is refused; and it does no harm: the public URL is the same."""
        assert cut.answer("a", "https://evil.example/v1/files/a", headers) == OTHER_URI
        assert cut.answer("a", f"{FILES}a", headers) == passed("a")

    def test_two_proofs_are_refused(self, cut: Client) -> None:
        """Both get through nginx and gunicorn."""
        assert cut.ask_for("/v1/files/a", *(cut.proof(f"{FILES}a") for _ in range(2)))[0] == SEVERAL_PROOFS

    def test_a_proof_is_good_once_in_all_processes(self, cut: Client) -> None:
        """The other worker has not seen it, and knows of it by Redis."""
        once = cut.proof(f"{FILES}a")
        answer, used_in = cut.ask_for("/v1/files/a", once)
        assert answer == passed("a")
        replayed_in: set[str] = set()

        def has_every_worker_refused() -> bool:
            answer, worker = cut.ask_for("/v1/files/a", once)
            assert answer == REPLAYED
            replayed_in.add(worker)
            return len(replayed_in) == WORKERS

        eventually(has_every_worker_refused)
        assert used_in in replayed_in


class TestPrefixLeftInPlace:
    def test_a_proof_names_the_url_that_the_client_knows(self, mounted: Client) -> None:
        """Here an encoded slash in it is one, and a plain one another thing."""
        for written, proven, name in SPELLINGS + ENCODED_SLASHES:
            assert mounted.answer(written, f"{FILES}{proven}") == passed(name)
        for written, proven in (("a%2Fb", "a/b"), ("a/b", "a%2Fb")):
            assert mounted.answer(written, f"{FILES}{proven}") == OTHER_URI

    def test_a_proof_for_where_dots_lead_opens_nothing(self, mounted: Client) -> None:
        """Nothing resolves them here: the view for files is asked for one with an odd name."""
        assert mounted.answer("../messages", f"{ORIGIN}/v1/messages") == OTHER_URI
