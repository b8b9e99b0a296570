"""What a server does to a process: forks, patches, and stands still. The servers themselves are in ``tests/fleet``."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from types import SimpleNamespace

import pytest
from processes import TESTED_PACKAGE, completed
from urllib3.connection import HTTPSConnection, ProxyConfig
from urllib3.util import ssl_

from auth0_blueprint.concurrency.patched_tls import give_working_context
from auth0_blueprint.extension.server_checks import NO_THREADS, PATCHED_LATE, warn_of_server_settings

GEVENT_FORKS = """
from gevent import monkey
monkey.patch_all()
import os
from auth0_blueprint.concurrency.after_fork import ProcessLock
lock = ProcessLock()
assert lock().acquire() and not lock().acquire(blocking=False)
of_parent, of_child = os.pipe()  # gevent's waitpid may not see a child that ends at once
if os.fork() == 0:
    os.write(of_child, b"free" if lock().acquire(blocking=False) else b"held")
    os._exit(0)
assert os.read(of_parent, 4) == b"free"
os._exit(0)
"""


def test_a_child_of_gevent_has_locks_of_its_own() -> None:
    """Gevent replaces ``os.fork``, and what is to be done after a fork is done."""
    ended = completed([sys.executable, "-c", GEVENT_FORKS], env={**os.environ, **TESTED_PACKAGE})
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("is_late", [False, True])
def test_only_after_a_late_patch_a_connection_gets_a_context(monkeypatch: pytest.MonkeyPatch, is_late: bool) -> None:
    """Its own, and that for a proxy over TLS, unless they have one."""
    if is_late:
        monkeypatch.setattr(ssl_, "SSLContext", type("SSLContext", (ssl.SSLContext,), {}))
    given = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    config = ProxyConfig(None, False, None, None)
    connection = HTTPSConnection("localhost", proxy_config=config)
    other = HTTPSConnection("localhost", ssl_context=given, proxy_config=config._replace(ssl_context=given))
    for one in (connection, other):
        give_working_context(one)
    assert [type(one) for one in (connection.ssl_context, connection.proxy_config.ssl_context)] == [  # type: ignore[union-attr]
        ssl.SSLContext if is_late else type(None)
    ] * 2
    assert other.ssl_context is other.proxy_config.ssl_context is given  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("modules", "warnings"),
    [
        ({}, []),
        ({"uwsgi": SimpleNamespace(opt={"master": True})}, [NO_THREADS]),
        ({"uwsgi": SimpleNamespace(opt={"enable-threads": True})}, []),
        ({"uwsgi": SimpleNamespace(opt={"threads": b"8"})}, []),
        ({"uwsgi": SimpleNamespace(opt={}), "pyuwsgi": SimpleNamespace()}, []),
        ({"gunicorn.workers.ggevent": SimpleNamespace()}, [PATCHED_LATE]),
        ({"gevent.monkey": SimpleNamespace(is_module_patched=lambda name: False)}, []),
    ],
)
def test_a_warning_names_the_setting_of_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, modules: dict[str, object], warnings: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gevent.monkey", SimpleNamespace(is_module_patched=lambda name: False))
    for name in ("uwsgi", "pyuwsgi", "gunicorn.workers.ggevent"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with caplog.at_level(logging.WARNING):
        warn_of_server_settings()
    assert caplog.messages == warnings
