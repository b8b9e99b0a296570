"""A refused upload through a real nginx: 401 and not 502, whether nginx buffers the body or hands it on as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from uploads import SIZES, serving, upload

from auth0_blueprint.testing import LocalIssuer

from .servers import nginx

#: Each ``location`` is one way to the same app.
SITE = """
server {{
    listen 443;
    client_max_body_size 100m;
    location /buffered/ {{ proxy_pass http://127.0.0.1:{port}/; }}
    location /unbuffered/ {{
        proxy_pass http://127.0.0.1:{port}/;
        proxy_request_buffering off;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
    }}
    location /uwsgi/ {{ {uwsgi} }}
    location /unbuffered-uwsgi/ {{ {uwsgi} uwsgi_request_buffering off; }}
}}
"""
UWSGI = """
    uwsgi_pass unix:{path};
    uwsgi_param REQUEST_METHOD $request_method;
    uwsgi_param CONTENT_LENGTH $content_length;
    uwsgi_param PATH_INFO /auth;
    uwsgi_param SERVER_PROTOCOL $server_protocol;
    uwsgi_param SERVER_NAME $server_name;
    uwsgi_param SERVER_PORT $server_port;
"""


@pytest.fixture(scope="module", params=["sync", "gthread", "uwsgi"])
def ports(
    request: pytest.FixtureRequest, directory: Path, session_issuer: LocalIssuer
) -> Iterator[tuple[str, int, int]]:
    """The server, its own port and that of the nginx in front of it."""
    path = directory / "uwsgi.sock"
    with serving(request.param, directory, session_issuer, "--socket", str(path)) as port:
        site = SITE.format(port=port, uwsgi=UWSGI.format(path=path))
        with nginx(directory, site) as front:
            yield request.param, port, front


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["direct", "buffered", "unbuffered", "uwsgi", "unbuffered-uwsgi"])
def test_a_refused_upload_is_a_401_whatever_stands_between(
    ports: tuple[str, int, int], way: str, size: str, is_chunked: bool
) -> None:
    """Five times: a reset connection is a matter of luck."""
    server, direct, front = ports
    if "uwsgi" in way and server != "uwsgi":
        pytest.skip("gunicorn is asked over HTTP")
    port, path = (direct, "/auth") if way == "direct" else (front, f"/{way}/auth")
    assert [upload(port, path, SIZES[size], chunked=is_chunked) for _ in range(5)] == [401] * 5
