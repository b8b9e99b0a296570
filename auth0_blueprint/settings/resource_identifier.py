"""The resource identifier of this API: the URL by which clients know it, and the URL of its metadata (RFC 9728 §3)."""

from __future__ import annotations

from urllib.parse import urlsplit

from auth0_blueprint.settings.fields import is_public_url

_WELL_KNOWN = "/.well-known/oauth-protected-resource"


def resource_identifier(public_url: str | None, audience: tuple[str, ...]) -> str | None:
    """Return the first *audience* that is a URL at *public_url*, else *public_url* itself.

    An audience comes first because Auth0 knows the API by it: clients request a token for the resource identifier that
    they read here (RFC 8707), and Auth0 issues none for an unknown URL.
    """
    urls = (value for value in audience if is_public_url(value) and _is_at(value, public_url))
    return next(urls, public_url)


def _is_at(url: str, public_url: str | None) -> bool:
    return public_url is None or url == public_url or url.startswith(f"{public_url}/")


def metadata_path(resource: str) -> str:
    """Return the path of the metadata of *resource*: the well-known prefix, then the path of *resource* (§3.1)."""
    path = urlsplit(resource).path
    return _WELL_KNOWN if path == "/" else _WELL_KNOWN + path


def metadata_url(resource: str) -> str:
    """Return the URL of the metadata of *resource*."""
    return urlsplit(resource)._replace(path=metadata_path(resource)).geturl()
