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

from .servers import TLS, Deployment, deployed, raw

SITE = f"""
upstream api {{ server unix:/run/api/gunicorn.sock; }}
server {{
    {TLS}
    proxy_set_header Host $http_host;
    location /shown/ {{ proxy_pass http://api; }}
    location /cut/ {{ proxy_pass http://api/; }}
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
    location /forgotten/ {{ proxy_pass http://api/; proxy_set_header X-Other other; }}
}}
"""


@pytest.fixture(scope="module")
def deployment(directory: Path, server: Credential, session_issuer: LocalIssuer) -> Iterator[Deployment]:
    with deployed(directory, SITE, server, session_issuer, PROXY_FIX="1") as deployment:
        yield deployment


def shown(deployment: Deployment, target: str, host: str = "api.example.com") -> dict[str, Any]:
    with closing(deployment.nginx.connect()) as connection:
        status, _, body = raw(connection, target, (("Host", host),))
    assert status == 200, body
    seen: dict[str, Any] = json.loads(body)
    return seen


#: What clients write after ``/shown/``, and what WSGI makes of it, which is the same in each set-up.
SPELLINGS = {
    "a%20b": "a b", "a%2Bb": "a+b", "a+b": "a+b", "a%25b": "a%b", "a%3Bb": "a;b", "%7Ea": "~a",
    "caf%C3%A9": "caf\xc3\xa9",  # WSGI has bytes as latin-1
    "a:b@c!$&'()*,=": "a:b@c!$&'()*,=", "a%2Fb": "a/b", "a%2fb": "a/b",
}  # fmt: skip
#: The three that nginx spells as the client does, where it cuts the prefix off.
SPELLED_ALIKE = ("a%20b", "a%25b", "caf%C3%A9")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("is_cut", [False, True], ids=["left in place", "cut off"])
def test_the_path_arrives_decoded(deployment: Deployment, is_cut: bool, spelling: str) -> None:
    """``PATH_INFO`` does not tell ``%2F`` from ``/``.

    ``RAW_URI`` is the client's own spelling where nginx leaves the prefix; else only the query is.
    """
    seen = shown(deployment, f"{'/cut' if is_cut else ''}/shown/{spelling}?a=%2F%20b&c")
    spelled = SPELLINGS[spelling] if is_cut and spelling not in SPELLED_ALIKE else spelling
    assert seen["RAW_URI"] == f"/shown/{spelled}?a=%2F%20b&c"
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", f"/shown/{SPELLINGS[spelling]}")
    assert is_cut or seen["QUERY_STRING"] == "a=%2F%20b&c"


@pytest.mark.parametrize(("path", "resolved"), [("a//b", "a/b"), ("a/../b", "b"), ("a/./b", "a/b")])
@pytest.mark.parametrize("is_cut", [False, True], ids=["left in place", "cut off"])
def test_slashes_and_dots_are_resolved_only_where_the_prefix_is_cut_off(
    deployment: Deployment, is_cut: bool, path: str, resolved: str
) -> None:
    """By nginx; elsewhere they are left alone, by gunicorn and the app as well."""
    seen = shown(deployment, f"{'/cut' if is_cut else ''}/shown/{path}")
    left = f"/shown/{resolved if is_cut else path}"
    assert (seen["PATH_INFO"], seen["RAW_URI"]) == (left, left)


def test_where_it_is_cut_off_the_app_does_not_know_scheme_or_prefix(deployment: Deployment) -> None:
    """Unless it is told: that is what a public URL is for."""
    assert shown(deployment, "/cut/shown/a")["base_url"] == "http://api.example.com/shown/a"


def test_proxy_fix_puts_the_public_url_together(deployment: Deployment) -> None:
    """From the headers; ``RAW_URI`` lacks the prefix."""
    seen = shown(deployment, "/told/shown/a%20b?c")
    assert seen["base_url"] == "https://api.example.com/told/shown/a%20b"
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["RAW_URI"]) == ("/told", "/shown/a b", "/shown/a%20b?c")


def test_a_script_name_from_the_proxy_goes_with_the_whole_raw_uri(deployment: Deployment) -> None:
    """The header is gunicorn's (``forwarder_headers``); here ``RAW_URI`` has the prefix."""
    seen = shown(deployment, "/mounted/shown/a%2Fb?c")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/mounted", "/shown/a/b")
    assert seen["RAW_URI"] == "/mounted/shown/a%2Fb?c"


@pytest.mark.parametrize("host", ["api.example.com", "API.example.com", "api.example.com:443", "evil.example"])
def test_the_host_is_the_clients_choice(deployment: Deployment, host: str) -> None:
    """With ``$http_host`` it arrives as written: the app has to know which ones are its own."""
    assert shown(deployment, "/shown/a", host)["HTTP_HOST"] == host


def test_a_location_that_sets_another_header_loses_the_host(deployment: Deployment) -> None:
    """The headers of the level above are not inherited then, a certificate's no more than this one."""
    assert shown(deployment, "/forgotten/shown/a")["HTTP_HOST"] == "api"


def test_a_peer_on_a_unix_socket_has_no_address(deployment: Deployment) -> None:
    assert shown(deployment, "/shown/a")["REMOTE_ADDR"] == ""
