"""A request for a key set, in a span."""

from __future__ import annotations

from collections.abc import Callable

from auth0_blueprint.extension.otel.spans import STATUS, note_fetch, open_span, set_all, set_failed, without_query
from auth0_blueprint.guards.labels import reason_of
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError


def fetch_in_span(
    fetch: Callable[..., FetchedKeySet], url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool
) -> FetchedKeySet:
    """Do what `keysets.fetch.fetch` does, in a span ``auth0.key_set.fetch``.

    Its parent is the span of whoever began the fetch, in another thread. Those who wait for it as well link to it.
    """
    with open_span("auth0.key_set.fetch") as span:
        note_fetch(span)
        set_all(span, {"url.full": without_query(url), "auth0.key_set.no_cache": no_cache})
        try:
            answer = fetch(url, timeout_seconds, max_bytes, no_cache=no_cache)
        except FetchError as exc:
            set_all(span, {STATUS: exc.status})
            set_failed(span, reason_of(exc.code, exc.status), str(exc))
            raise
        except BaseException as exc:
            set_failed(span, type(exc).__qualname__)
            raise
        set_all(span, {STATUS: 200})
    return answer
