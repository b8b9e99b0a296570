"""Every server of docs/how-to/servers.md that pip installs lives as the page says, with the options that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from .server_life import PAGE, Server, live
from .servers import KeySetServer

pytestmark = pytest.mark.usefixtures("unmeasured")

GUNICORN = "--bind 127.0.0.1:{port} --log-level warning"
# What starts it again is not the script, but its first argument.
UWSGI = (
    "uwsgi --module fleet_app:app --master --processes 2 --die-on-term --worker-reload-mercy 10 --buffer-size 32768 "
    "--binary-path {python}"
)

SERVERS = {
    "gunicorn sync": Server("gunicorn fleet_app:app --workers 2", GUNICORN),
    "gunicorn gthread": Server("gunicorn fleet_app:app --workers 2 --threads 8", GUNICORN),
    "gunicorn gthread, preloaded": Server("gunicorn fleet_app:app --workers 2 --threads 8 --preload", GUNICORN),
    "gunicorn gevent": Server("gunicorn fleet_app:app --workers 2 --worker-class gevent", GUNICORN),
    "uWSGI": Server(f"{UWSGI} --threads 8", "--http11-socket 127.0.0.1:{port}"),
    "uWSGI, lazy": Server(f"{UWSGI} --enable-threads --lazy-apps", "--http11-socket 127.0.0.1:{port}"),
    "waitress": Server("waitress-serve --threads 8", "--listen 127.0.0.1:{port} fleet_app:app", 1, None),
    "hypercorn": Server("hypercorn --workers 2 wsgi:fleet_app:app", "--bind 127.0.0.1:{port}", 2, None),
    "uvicorn": Server("uvicorn --workers 2 asgi_app:app", "--port {port}"),
    "granian": Server(
        "granian --interface wsgi --workers 2 --blocking-threads 8 --workers-kill-timeout 10 fleet_app:app",
        "--port {port}",
        drops=True,
    ),
}


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_a_server_lives_as_documented(key_set_server: KeySetServer, tmp_path: Path, server: Server) -> None:
    """Nobody waits for a refresh that hangs, no reload refuses a request, no fetch holds up the end."""
    live(server, key_set_server, tmp_path)


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_the_page_says_how_a_server_is_started_and_reloaded(server: Server) -> None:
    names = {"asgi_app:app": "asgi:app", "fleet_app:app": "wsgi:app", "{python}": "/path/to/python"}
    command = server.command
    for name, shown in names.items():
        command = command.replace(name, shown)
    (row,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"| `{command}` |" in line)
    assert ("| `SIGHUP`" in row) == (server.reload is not None)
