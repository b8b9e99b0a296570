"""One request for a key set, and whether its answer is acceptable."""

from __future__ import annotations

import zlib
from typing import ClassVar, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from auth0_blueprint.http_session import AnswerTooLargeError, DirectSession, body_of, retry_after_seconds

#: RFC 9111 §1.2.2: a greater number of seconds is this one.
MAX_DELTA_SECONDS = 2**31

# RFC 9110 §8.4.1: windows for zlib, in the order to try them. Some servers send a deflate stream without its wrapper.
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
# What these codings may add to a body that cannot be compressed, in parts of its length.
_OVERHEAD = 1 / 64


class FetchedKeySet(NamedTuple):
    """A key set as the issuer, or a cache on the way, has sent it.

    Attributes:
        document: the body, without its content coding.
        age_seconds: how long ago the issuer itself had sent it to a cache (``Age``); 0 if it came from the issuer.
        max_age_seconds: for how long the issuer lets caches use it (``max-age``); ``None`` if it does not say.
        is_revalidated: whether caches were asked to get it from the issuer, and did if they obey.
        lookup_seconds: how long looking up the name took, as far as that did not count.
    """

    document: bytes
    age_seconds: float = 0
    max_age_seconds: float | None = None
    is_revalidated: bool = False
    lookup_seconds: float = 0

    @property
    def is_latest(self) -> bool:
        """Whether nothing newer can be had from the issuer."""
        return self.is_revalidated or self.age_seconds == 0


class FetchError(Exception):
    """The issuer gave no usable answer. The text is fixed and safe to log.

    Attributes:
        code: why, a key of ``descriptions``.
        status: the HTTP status, if *code* is ``http_status``.
        retry_after_seconds: what the issuer asked for (RFC 9110 §10.2.3), else 0.
        lookup_seconds: how long looking up the name took, as far as that did not count.
    """

    descriptions: ClassVar[dict[str, str]] = {
        "timeout": "no complete answer in time",
        "tls": "no trustworthy TLS connection",
        "connection": "no connection, or a broken answer",
        "http_status": "HTTP status {status}",
        "encoded": "an encoded answer that was not asked for",
        "too_large": "an answer that is too large",
        #: Raised by a refresh that asked caches to be bypassed: `fetch` does not know what is in use.
        "outdated": "an older copy than the one in use",
        #: Not raised by `fetch`: stands for an error that nobody expected.
        "unexpected": "an unexpected error",
    }

    def __init__(self, code: str, *, status: int | None = None, retry_after_seconds: float = 0) -> None:
        self.code = code
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.lookup_seconds: float = 0
        super().__init__(code)

    def __str__(self) -> str:
        return self.descriptions[self.code].format(status=self.status)


def fetch(
    url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool = False, user_agent: str | None = None
) -> FetchedKeySet:
    """Return the one acceptable answer: 200, from *url* itself, with a body of at most *max_bytes*.

    It returns or raises within *timeout_seconds*: connection, TLS, header and body together. Looking up the name may
    take up to `LOOKUP_SECONDS` beyond that.

    Args:
        url: of the key set.
        timeout_seconds: the limit for everything but looking up the name.
        max_bytes: the limit for the decoded body.
        no_cache: ask caches on the way to get it from the issuer (RFC 9111 §5.2.1.4). Some do not obey.
        user_agent: who asks; ``auth0_blueprint/<version>`` if it is ``None``.

    Raises:
        FetchError: in every other case.
    """
    session = DirectSession(url, timeout_seconds, user_agent=user_agent)
    try:
        answer = _exchange(session, max_bytes, no_cache=no_cache)
    except FetchError as exc:
        exc.lookup_seconds = session.lookup_seconds
        raise
    return answer._replace(lookup_seconds=session.lookup_seconds)


def _exchange(session: DirectSession, max_bytes: int, *, no_cache: bool) -> FetchedKeySet:
    headers = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"}
    if no_cache:
        headers["Cache-Control"] = "no-cache"
    try:
        return session.exchange(
            "GET", lambda response: _fetched(response, max_bytes, is_revalidated=no_cache), headers=headers
        )
    except requests.exceptions.SSLError as exc:
        raise FetchError("tls") from exc
    except TimeoutError as exc:
        raise FetchError("timeout") from exc
    except AnswerTooLargeError as exc:
        raise FetchError("too_large") from exc
    except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as exc:
        raise FetchError("connection") from exc


def _fetched(response: requests.Response, max_bytes: int, *, is_revalidated: bool) -> FetchedKeySet:
    if response.status_code != 200:  # a redirect is a failure, too
        raise FetchError("http_status", status=response.status_code, retry_after_seconds=retry_after_seconds(response))
    body = _body(response, max_bytes)
    return FetchedKeySet(body, _age_seconds(response), _max_age_seconds(response), is_revalidated)


def _body(response: requests.Response, max_bytes: int) -> bytes:
    codings = [coding for coding in _members(response, "Content-Encoding") if coding not in ("", "identity")]
    if not codings:
        return body_of(response, max_bytes)
    # None was asked for, but some servers and proxies compress regardless. One coding only: each multiplies the size.
    if len(codings) > 1 or codings[0] not in _WINDOWS:
        raise FetchError("encoded")
    return _decompressed(body_of(response, int(max_bytes * (1 + _OVERHEAD))), _WINDOWS[codings[0]], max_bytes)


def _decompressed(data: bytes, windows: tuple[int, ...], max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(windows[0])
    try:
        body = decompressor.decompress(data, max_bytes + 1)  # no more than this is ever unpacked
    except zlib.error:
        if not windows[1:]:
            raise
        return _decompressed(data, windows[1:], max_bytes)
    if len(body) > max_bytes:
        raise AnswerTooLargeError
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("the compressed body is cut off, or is followed by something else")
    return body


def _age_seconds(response: requests.Response) -> float:
    # RFC 9111 §5.1: of several values the first counts, and an invalid one is ignored.
    return _delta_seconds(_members(response, "Age")[0]) or 0


def _max_age_seconds(response: requests.Response) -> float | None:
    directives = (directive.partition("=") for directive in _members(response, "Cache-Control"))
    values = (_delta_seconds(value.strip(' \t"')) for name, _, value in directives if name.strip() == "max-age")
    return min((seconds for seconds in values if seconds is not None), default=None)


def _members(response: requests.Response, name: str) -> list[str]:
    """Return the members of a header field that is a list, in lower case; one empty one if there is no such field."""
    return [member.strip(" \t").lower() for member in response.headers.get(name, "").split(",")]


def _delta_seconds(value: str) -> float | None:
    if not (value.isascii() and value.isdigit()):
        return None
    return float(MAX_DELTA_SECONDS if len(value) > 10 else min(int(value), MAX_DELTA_SECONDS))
