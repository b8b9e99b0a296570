"""TLS where gevent patches `ssl` after urllib3 was imported: in gunicorn's gevent workers, with ``--preload``."""

from __future__ import annotations

import ssl
from typing import Any

from urllib3.util import ssl_


def give_working_context(connection: Any) -> None:
    """Give *connection*, of urllib3, a TLS context where its own could not be configured.

    urllib3 holds the ``SSLContext`` of before the patch, whose setters now call themselves without end.

    Args:
        connection: one that is not connected yet, with TLS or without, to the server or to a proxy.
    """
    if getattr(ssl_, "SSLContext", ssl.SSLContext) is ssl.SSLContext:
        return
    if getattr(connection, "ssl_context", ...) is None:
        connection.ssl_context = _context()
    proxy = getattr(connection, "proxy_config", None)
    if proxy is not None and proxy.ssl_context is None:
        connection.proxy_config = proxy._replace(ssl_context=_context())


def _context() -> ssl.SSLContext:
    # urllib3 adds the certificate authorities, and whatever else it was told.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
