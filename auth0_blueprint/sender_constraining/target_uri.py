"""The target URI of a request as its client wrote it (RFC 9110 §7.1), to be compared with the one that a proof names.

Both are brought into one spelling first (RFC 3986 §6.2.2, §6.2.3): case of scheme and host, default port, empty path,
percent-encoding. Query and fragment are left out (RFC 9449 §4.3).

The path goes further than the RFC asks: each segment counts as the bytes that it stands for, so ``@`` and ``%40`` are
the same, as they are to whoever reads ``PATH_INFO``. Nothing that Flask can tell apart becomes equal by that: nothing
is decoded twice, and an encoded slash remains another thing than a slash, as far as the server lets us see that.

Dot segments are resolved in what a proof names, and not in the request: clients resolve them before they send, and
Flask does not. A request for ``/files/../keys`` is served by the view of ``/files/<path:name>``, and no proof for
``/keys`` may open that.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

_DEFAULT_PORTS = {"http": 80, "https": 443}

# No user name or password: RFC 9110 §4.2.4 has clients never send them. In the path any visible ASCII but "?" and "#":
# browsers send some characters as they are that RFC 3986 would have encoded.
_AUTHORITY = r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?"
_HTTP_URI = r"(?P<scheme>https?)://" + _AUTHORITY + r'(?P<path>/[!"$->@-~]*)?(?:[?#].*)?'


class TargetURI(NamedTuple):
    """What a request is for.

    Attributes:
        uri: in the spelling of `normalized`, but for dot segments; ``None`` if the request has no such URI.
        tells_slashes: whether an encoded slash in it can be told from a slash.
    """

    uri: str | None
    tells_slashes: bool

    def is_named_by(self, normalized_uri: str) -> bool:
        """Tell whether *normalized_uri*, as `normalized` returns it, names this target."""
        if not self.tells_slashes:
            normalized_uri = normalized_uri.replace("%2F", "/")
        return normalized_uri == self.uri


def normalized(uri: str) -> str:
    """Return *uri* in its one spelling, without query and fragment.

    Raises:
        ValueError: it is no absolute ``http`` or ``https`` URI.
    """
    match = re.fullmatch(_HTTP_URI, uri, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ValueError("not an absolute http or https URI")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    authority = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    segments = _without_dot_segments(_segments((match["path"] or "/").encode()))
    return f"{scheme}://{authority}{_spelled(segments)}"


def base_of_host(scheme: str, host: str, trusted_hosts: Collection[str]) -> str:
    """Return scheme and authority for the ``Host`` header *host*, whose name is known to be a trusted one.

    A client writes the header as it likes. The port counts only where *trusted_hosts* have it: another one may be
    another service's. What is no authority, such as one with a path behind it, gives no base, and so fits no proof.
    """
    match = re.fullmatch(_AUTHORITY, host, re.ASCII | re.IGNORECASE)
    if match is None:
        return ""
    return f"{scheme}://{host if host in trusted_hosts else match['host']}"


def target_uri(base: str, environ: Mapping[str, Any]) -> TargetURI:
    """Return the target URI of the request that *environ*, of WSGI, describes.

    Args:
        base: scheme and authority under which clients see the app, and the prefix that a proxy takes off, if there is
            one: ``AUTH0_PUBLIC_URL``, or what comes from a ``Host`` header that is known to be trusted.
        environ: ``SCRIPT_NAME`` and ``PATH_INFO``; ``REQUEST_URI`` or ``RAW_URI``, where the server has one, tells how
            the path was encoded.
    """
    # PEP 3333: bytes, as text in Latin-1.
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1") or b"/"
    raw_uri = str(environ.get("REQUEST_URI") or environ.get("RAW_URI", ""))
    raw_path = raw_uri.partition("?")[0].encode("latin-1")
    # The decoded path is what the app acts on. The raw one is believed only where it says the same, in more detail: it
    # is another one behind middleware that moves the app, or where the request line had a whole URI.
    tells_slashes = unquote_to_bytes(raw_path) == path
    segments = _segments(raw_path) if tells_slashes else path.split(b"/")
    try:
        # Without its slash, ".evil.example" would become a part of the host.
        uri = _normalized_base(base) + _spelled(segments) if path.startswith(b"/") else None
    except ValueError:  # a Host header may hold a port that is none
        uri = None
    return TargetURI(uri, tells_slashes)


@functools.lru_cache(maxsize=64)  # few: those that the settings trust
def _normalized_base(base: str) -> str:
    return normalized(base).removesuffix("/")


def _segments(path: bytes) -> list[bytes]:
    return [unquote_to_bytes(segment) for segment in path.split(b"/")]


def _spelled(segments: list[bytes]) -> str:
    return "/".join(quote(segment, safe="") for segment in segments)


def _without_dot_segments(segments: list[bytes]) -> list[bytes]:
    """Resolve ``.`` and ``..`` (RFC 3986 §5.2.4). The first of *segments* is what stands before the first slash."""
    root, *rest = segments
    kept: list[bytes] = []
    for segment in rest:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if rest[-1] in {b".", b".."}:
        kept.append(b"")
    return [root, *kept]
