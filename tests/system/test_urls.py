"""What is left of a client's URL behind nginx, in each of the ways in which a prefix is set up.

Whatever compares URLs, as a DPoP proof is (RFC 9449 §4.3), can rely on this, and on no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from certificates import Credential

from auth0_blueprint.testing import LocalIssuer

from .servers import Deployment, deployed, raw

_COMMON = """
    listen 443 ssl;
    ssl_certificate     /etc/ssl/api.crt;
    ssl_certificate_key /etc/ssl/api.key;
"""

SITE = f"""
upstream api {{ server unix:/run/api/gunicorn.sock; }}
server {{
    {_COMMON}
    proxy_set_header Host $http_host;

    location /shown/ {{
        proxy_pass http://api;
    }}
    location /cut/ {{
        proxy_pass http://api/;
    }}
    location /told/ {{
        proxy_pass http://api/;
        proxy_set_header Host internal.example;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $host;
        proxy_set_header X-Forwarded-Prefix /told;
    }}
    location /mounted/ {{
        proxy_pass http://api;
        proxy_set_header Host $http_host;
        proxy_set_header SCRIPT_NAME /mounted;
    }}
    location /forgotten/ {{
        proxy_pass http://api/;
        proxy_set_header X-Other other;
    }}
}}
"""


@pytest.fixture(scope="module")
def deployment(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Deployment]:
    with deployed(directory, SITE, server, session_issuer, PROXY_FIX="1") as deployment:
        yield deployment


def shown(deployment: Deployment, target: str, host: str = "api.example.com") -> dict[str, Any]:
    """Return what the app sees of *target*."""
    with closing(deployment.nginx.connect()) as connection:
        status, _, body = raw(connection, target, (("Host", host),))
    assert status == 200, body
    seen: dict[str, Any] = json.loads(body)
    return seen


#: What clients write after ``/shown/``, and what WSGI makes of it, which is the same in each set-up.
SPELLINGS = {
    "a%20b": "a b",
    "a%2Bb": "a+b",
    "a+b": "a+b",
    "a%25b": "a%b",
    "a%3Bb": "a;b",
    "%7Ea": "~a",
    "caf%C3%A9": "caf\xc3\xa9",  # WSGI has bytes as latin-1
    "a:b@c!$&'()*,=": "a:b@c!$&'()*,=",
    "a%2Fb": "a/b",
    "a%2fb": "a/b",
}


class TestPrefixLeftInPlace:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_the_path_arrives_as_written_and_decoded(self, deployment: Deployment, spelling: str) -> None:
        """``RAW_URI`` is the client's own spelling; ``PATH_INFO`` does not tell ``%2F`` from ``/``."""
        seen = shown(deployment, f"/shown/{spelling}?a=%2F%20b&c")
        assert seen["RAW_URI"] == f"/shown/{spelling}?a=%2F%20b&c"
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", f"/shown/{SPELLINGS[spelling]}")
        assert seen["QUERY_STRING"] == "a=%2F%20b&c"

    @pytest.mark.parametrize("path", ["a//b", "a/../b", "a/./b"])
    def test_slashes_and_dots_are_left_alone(self, deployment: Deployment, path: str) -> None:
        """By nginx, gunicorn and the app."""
        seen = shown(deployment, f"/shown/{path}")
        assert (seen["PATH_INFO"], seen["RAW_URI"]) == (f"/shown/{path}", f"/shown/{path}")


class TestPrefixCutOff:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_the_path_arrives_decoded_and_spelled_anew(self, deployment: Deployment, spelling: str) -> None:
        """By nginx: ``RAW_URI`` is not the client's spelling any more. The query is."""
        seen = shown(deployment, f"/cut/shown/{spelling}?a=%2F%20b&c")
        respelled = {"a%20b": "a%20b", "a%25b": "a%25b", "caf%C3%A9": "caf%C3%A9"}.get(spelling, SPELLINGS[spelling])
        assert seen["RAW_URI"] == f"/shown/{respelled}?a=%2F%20b&c"
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", f"/shown/{SPELLINGS[spelling]}")

    @pytest.mark.parametrize(("path", "left"), [("a//b", "a/b"), ("a/../b", "b"), ("a/./b", "a/b")])
    def test_slashes_and_dots_are_resolved(self, deployment: Deployment, path: str, left: str) -> None:
        """Also by nginx."""
        seen = shown(deployment, f"/cut/shown/{path}")
        assert (seen["PATH_INFO"], seen["RAW_URI"]) == (f"/shown/{left}", f"/shown/{left}")

    def test_the_app_does_not_know_scheme_or_prefix(self, deployment: Deployment) -> None:
        """Unless it is told: that is what a public URL is for."""
        assert shown(deployment, "/cut/shown/a")["base_url"] == "http://api.example.com/shown/a"


class TestPrefixTold:
    def test_proxy_fix_puts_the_public_url_together(self, deployment: Deployment) -> None:
        """From the headers; ``RAW_URI`` lacks the prefix."""
        seen = shown(deployment, "/told/shown/a%20b?c")
        assert seen["base_url"] == "https://api.example.com/told/shown/a%20b"
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["RAW_URI"]) == ("/told", "/shown/a b", "/shown/a%20b?c")

    def test_a_script_name_from_the_proxy_goes_with_the_whole_raw_uri(self, deployment: Deployment) -> None:
        """The header is gunicorn's (``forwarder_headers``); here ``RAW_URI`` has the prefix."""
        seen = shown(deployment, "/mounted/shown/a%2Fb?c")
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/mounted", "/shown/a/b")
        assert seen["RAW_URI"] == "/mounted/shown/a%2Fb?c"


class TestHost:
    @pytest.mark.parametrize("host", ["api.example.com", "API.example.com", "api.example.com:443", "evil.example"])
    def test_the_host_is_the_clients_choice(self, deployment: Deployment, host: str) -> None:
        """With ``$http_host`` it arrives as written: the app has to know which ones are its own."""
        assert shown(deployment, "/shown/a", host)["HTTP_HOST"] == host

    def test_a_location_that_sets_another_header_loses_the_host(self, deployment: Deployment) -> None:
        """The headers of the level above are not inherited then, a certificate's no more than this one."""
        assert shown(deployment, "/forgotten/shown/a")["HTTP_HOST"] == "api"

    def test_a_peer_on_a_unix_socket_has_no_address(self, deployment: Deployment) -> None:
        """That is how it is known."""
        assert shown(deployment, "/shown/a")["REMOTE_ADDR"] == ""
