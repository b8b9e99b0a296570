"""Spans of this package, and the way of their context into other threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanContext, Status, StatusCode

from auth0_blueprint.concurrency.observation import Observed
from auth0_blueprint.settings.user_agent import DEFAULT_USER_AGENT

T = TypeVar("T")

#: The name of tracer and meter, and their version.
SCOPE: tuple[str, str] = ("auth0_blueprint", DEFAULT_USER_AGENT.partition("/")[2])
#: What came of it: ``verified``, or the code of the refusal.
OUTCOME = "auth0.outcome"
STATUS = "http.response.status_code"
ERROR_TYPE = "error.type"
#: Longer texts from verified tokens are cut.
MAX_TEXT = 256

tracer: trace.Tracer = trace.get_tracer(*SCOPE)

_CALL = contexts.create_key("auth0_blueprint-call")
_VERIFICATION = contexts.create_key("auth0_blueprint-verification")

logger: logging.Logger = logging.getLogger("auth0_blueprint")


@cache
def _warn_of(name: str) -> None:
    logger.warning(
        "OpenTelemetry raised %s: spans or metrics are incomplete. Requests are judged as before. "
        "To solve this, mend the sampler, span processor, propagator or metric reader that raises it.",
        name,
    )


class _Harmless:
    """Around each call of OpenTelemetry that may run code of others: what it raises is logged once, by its type."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        _warn_of(kind.__qualname__)
        return True


harmless: _Harmless = _Harmless()


class Verification:
    """What is known of the verification under way.

    Attributes:
        is_proven: whether the token was proven anew.
    """

    def __init__(self) -> None:
        self.is_proven = False


@contextmanager
def open_span(
    name: str, context: Context | None = None, values: Mapping[str, object] = MappingProxyType({})
) -> Iterator[Span]:
    """Have a span around the block. No exception is recorded: it may hold a token.

    Args:
        name: of the span.
        context: of its parent; the current one if it is ``None``.
        values: what to attach to the context, by key.
    """
    span: Span = trace.INVALID_SPAN
    with harmless:
        span = tracer.start_span(name, context)
    context = trace.set_span_in_context(span, context)
    for key, value in values.items():
        context = contexts.set_value(key, value, context)
    token = contexts.attach(context)
    try:
        yield span
    finally:
        contexts.detach(token)
        with harmless:
            span.end()


@contextmanager
def open_verification(context: Context | None) -> Iterator[tuple[Span, Verification]]:
    """Have the span of a verification around the block; `current_verification` returns what is yielded with it."""
    verification = Verification()
    with open_span("auth0.verify", context, {_VERIFICATION: verification}) as span:
        yield span, verification


def current_verification() -> Verification | None:
    """Return what is known of the verification under way in this thread, if any."""
    found = contexts.get_value(_VERIFICATION)
    return found if isinstance(found, Verification) else None


def note_fetch(span: Span) -> None:
    """Let those who wait for the current call link to *span*."""
    call = contexts.get_value(_CALL)
    if call is not None:
        call.note = span.get_span_context()  # type: ignore[attr-defined]


def without_query(url: str) -> str:
    """Return *url*, which is one of the settings, without what may be a secret."""
    return url.partition("?")[0]


def set_all(span: Span, attributes: Mapping[str, str | bool | int | None]) -> None:
    """Set those of the *attributes* that there are."""
    if not span.is_recording():
        return
    with harmless:
        span.set_attributes(
            {
                name: value[:MAX_TEXT] if isinstance(value, str) else value
                for name, value in attributes.items()
                if value is not None
            }
        )


def set_failed(span: Span, error_type: str, description: str | None = None) -> None:
    """Give *span* the status of an error, with a fixed text at most."""
    with harmless:
        span.set_attribute(ERROR_TYPE, error_type)
        span.set_status(Status(StatusCode.ERROR, description))


def parent_of(environ: Mapping[str, Any] | None) -> Context | None:
    """Return the context for the first span of a request: what its client sent, unless there is a span already."""
    if environ is None or trace.get_current_span().get_span_context().is_valid:
        return None
    with harmless:
        return propagate.extract(environ, getter=_EnvironGetter())
    return None


class _EnvironGetter(Getter[Mapping[str, Any]]):
    """Reads the headers of a request, as WSGI has them."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


class ThreadObserver:
    """Takes the context into the threads that fetch, and has a span around each wait of a verification."""

    def carried(self, function: Callable[[], T], call: Observed | None, /) -> Callable[[], T]:
        """Return *function*, to run in the present context."""
        context = contexts.get_current()
        if call is not None:
            context = contexts.set_value(_CALL, call, context)

        def run() -> T:
            token = contexts.attach(context)
            try:
                return function()
            finally:
                contexts.detach(token)

        return run

    def waiting(self, call: Observed, /) -> AbstractContextManager[object]:
        """Return a span around a wait for *call*, where a token is being verified."""
        return nullcontext() if current_verification() is None else self._span(call)

    @contextmanager
    def _span(self, call: Observed) -> Iterator[None]:
        with open_span(f"auth0.{call.name}.wait") as span:
            yield
            if isinstance(call.note, SpanContext):
                with harmless:
                    span.add_link(call.note)  # it may be part of the trace of another request
