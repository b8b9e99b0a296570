"""The target URI of a request as its client wrote it (RFC 9110 §7.1), for comparison with the one that a proof names.

Both are normalized first (RFC 3986 §6.2.2, §6.2.3): case of scheme and host, default port, empty path,
percent-encoding. Query and fragment are ignored (RFC 9449 §4.3).

For the path this goes further than the RFC: each segment is compared as the bytes it stands for, so ``@`` equals
``%40``, as in ``PATH_INFO``. Nothing that Flask distinguishes becomes equal: nothing is decoded twice, and an encoded
slash differs from a slash, as far as the server lets us see that.

Dot segments are resolved in the URI of the proof, but not in the request: clients resolve them before sending, and
Flask does not. A request for ``/files/../keys`` is served by the view of ``/files/<path:name>``, and a proof for
``/keys`` must not open that.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

_DEFAULT_PORTS = {"http": 80, "https": 443}

# No user name or password: by RFC 9110 §4.2.4 clients never send them. In the path, any visible ASCII but "?" and "#":
# browsers send some characters unencoded that RFC 3986 wants encoded.
_AUTHORITY = r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?"
_HTTP_URI = r"(?P<scheme>https?)://" + _AUTHORITY + r'(?P<path>/[!"$->@-~]*)?(?:[?#].*)?'


class TargetURI(NamedTuple):
    """The target of a request.

    Attributes:
        uri: normalized, except for dot segments; ``None`` if the request has no such URI.
        tells_slashes: whether an encoded slash in it can be distinguished from a slash.
    """

    uri: str | None
    tells_slashes: bool

    def is_named_by(self, normalized_uri: str) -> bool:
        """Return whether *normalized_uri*, as `normalized` returns it, names this target."""
        if not self.tells_slashes:
            normalized_uri = normalized_uri.replace("%2F", "/")
        return normalized_uri == self.uri


def normalized(uri: str) -> str:
    """Return *uri* normalized, without query and fragment.

    Raises:
        ValueError: it is not an absolute ``http`` or ``https`` URI.
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
    """Return scheme and authority for the ``Host`` header *host*, whose name is already known to be trusted.

    The client controls the header. Its port counts only if *trusted_hosts* include it: another port may belong to
    another service. Anything but an authority, such as one followed by a path, gives no base, and so fits no proof.

    Args:
        scheme: of the request.
        host: the header.
        trusted_hosts: Flask's ``TRUSTED_HOSTS``. One text is one host, as for Flask.
    """
    if isinstance(trusted_hosts, str):  # every part of a text is "in" it
        trusted_hosts = (trusted_hosts,)
    match = re.fullmatch(_AUTHORITY, host, re.ASCII | re.IGNORECASE)
    if match is None:
        return ""
    return f"{scheme}://{host if host in trusted_hosts else match['host']}"


def target_uri(base: str, environ: Mapping[str, Any]) -> TargetURI:
    """Return the target URI of the request with the WSGI *environ*.

    Args:
        base: scheme and authority under which clients see the app, with the prefix that a proxy strips, if any:
            ``AUTH0_PUBLIC_URL``, or the base of a trusted ``Host`` header.
        environ: ``SCRIPT_NAME`` and ``PATH_INFO``; ``REQUEST_URI`` or ``RAW_URI``, if the server has one, shows how the
            path was encoded.
    """
    # PEP 3333: bytes, decoded as Latin-1.
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1") or b"/"
    raw_uri = str(environ.get("REQUEST_URI") or environ.get("RAW_URI", ""))
    raw_path = raw_uri.partition("?")[0].encode("latin-1")
    # The app acts on the decoded path. The raw one is used only where it says the same in more detail: behind
    # middleware that moves the app, or where the request line had a whole URI, it differs.
    tells_slashes = unquote_to_bytes(raw_path) == path
    segments = _segments(raw_path) if tells_slashes else path.split(b"/")
    try:
        # Without a leading slash, ".evil.example" would become part of the host.
        uri = _normalized_base(base) + _spelled(segments) if path.startswith(b"/") else None
    except ValueError:  # the port in a Host header may be invalid
        uri = None
    return TargetURI(uri, tells_slashes)


@functools.lru_cache(maxsize=64)  # few: only those that the settings trust
def _normalized_base(base: str) -> str:
    return normalized(base).removesuffix("/")


def _segments(path: bytes) -> list[bytes]:
    return [unquote_to_bytes(segment) for segment in path.split(b"/")]


def _spelled(segments: list[bytes]) -> str:
    return "/".join(quote(segment, safe="") for segment in segments)


def _without_dot_segments(segments: list[bytes]) -> list[bytes]:
    """Resolve ``.`` and ``..`` (RFC 3986 §5.2.4). The first of *segments* is the text before the first slash."""
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
