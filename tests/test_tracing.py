"""OpenTelemetry: spans of what a request met, metrics as for Prometheus, and nothing that was sent."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partialmethod
from typing import Any

import pytest
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry
from refusals import guarded

from auth0_blueprint import Auth0Blueprint, exchange_token, protect, requires_auth, requires_scope, verify_token
from auth0_blueprint.errors import InvalidTokenError
from auth0_blueprint.extension.otel.counts import HarmlessCounter, Instruments, _instruments
from auth0_blueprint.extension.otel.spans import _warn_of
from auth0_blueprint.extension.telemetry import put_server_spans_first
from auth0_blueprint.metrics import Collectors, instrument
from auth0_blueprint.testing import DPoPKey, LocalIssuer
from auth0_blueprint.testing.json_server import Answer, JSONServer, Request
from auth0_blueprint.verification.sequence import VerificationSequence

OTEL, PAGE = ROOT / "auth0_blueprint" / "extension" / "otel", ROOT / "docs" / "how-to" / "tracing.md"
GAUGES = {"auth0.key_set.fetched_timestamp", "auth0.revocations.in_force"}

#: What must be in no span: tokens have their own, and this is a claim of each.
MARK = "mark-of-what-was-sent"


class Telemetry(SpanProcessor):
    """The spans and figures of this process."""

    def __init__(self, exporter: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
        self._exporter, self._reader = exporter, reader
        #: Released each time that a span of the name begins.
        self.begun: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(0))

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.begun[span.name].release()

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Return the spans with that *name*, or all, once all that is in flight has landed."""
        for thread in threading.enumerate():
            if thread.name.startswith("auth0-"):
                thread.join(10)
        return [span for span in self._exporter.get_finished_spans() if name in ("", span.name)]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span

    def attributes(self, name: str) -> dict[str, Any]:
        return dict(self.one(name).attributes or {})

    def figures(self) -> dict[tuple[str, str], float]:
        """Return the value of each series, by its Prometheus name and its labels."""
        data = self._reader.get_metrics_data()
        return {
            (prometheus_name(metric), json.dumps(dict(point.attributes or {}), sort_keys=True)): point.value
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            if scope.scope.name == "auth0_blueprint"
            for metric in scope.metrics
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        }


def prometheus_name(metric: Any) -> str:
    """Return the name that a collector exports *metric* under (OpenTelemetry's rules for Prometheus)."""
    unit = "_seconds" if metric.unit == "s" else ""
    suffix = "_total" if hasattr(metric.data, "is_monotonic") else ""
    return str(metric.name).replace(".", "_") + unit + suffix


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[TracerProvider, InMemorySpanExporter, InMemoryMetricReader]]:
    """Those of the process: they can be set once only."""
    exporter, reader, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    meter_provider = MeterProvider([reader])
    metrics.set_meter_provider(meter_provider)
    yield provider, exporter, reader
    provider.shutdown()
    meter_provider.shutdown()


@pytest.fixture
def telemetry(providers: tuple[TracerProvider, InMemorySpanExporter, InMemoryMetricReader]) -> Iterator[Telemetry]:
    provider, exporter, reader = providers
    exporter.clear()
    seen = Telemetry(exporter, reader)
    provider.add_span_processor(seen)
    yield seen
    seen.spans()
    # Whatever a test did: nothing that was sent is in a span, its events or its links.
    for span in exporter.get_finished_spans():
        assert MARK not in span.to_json()
        assert not re.search(r"eyJ[\w-]+\.", span.to_json())
        assert not span.events


@pytest.fixture
def traced(make_app: AppFactory, telemetry: Telemetry) -> Callable[..., FlaskClient]:
    """Return a factory of clients of apps that are traced and have the views of `guarded`."""
    return lambda **settings: guarded(make_app(AUTH0_OTEL=True, **settings))


def get(client: FlaskClient, token: str | None, path: str = "/ours", **headers: str) -> int:
    sent = {**({} if token is None else bearer(token)), **headers}
    return client.get(path, headers=sent).status_code


Traced = Callable[..., FlaskClient]


class TestVerification:
    def test_a_span_says_what_came_of_a_token(self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer) -> None:
        client, token = traced(), issuer.token(mark=MARK, org_id="org_1")
        assert [get(client, token), get(client, token)] == [200, 200]
        proven, remembered = telemetry.spans("auth0.verify")
        assert dict(proven.attributes or {}) == {
            "auth0.outcome": "verified", "auth0.token.scheme": "bearer", "auth0.dpop.proof": False,
            "auth0.token.source": "proven", "auth0.token.binding": "none", "auth0.issuer": issuer.issuer,
            "auth0.client_id": "local-client", "auth0.organization_id": "org_1",
        }  # fmt: skip
        assert (remembered.attributes or {})["auth0.token.source"] == "remembered"
        assert proven.status.status_code is StatusCode.UNSET

    def test_a_refusal_has_its_code_and_status(self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer) -> None:
        assert get(traced(), issuer.token(expires_in=-60, mark=MARK)) == 401
        attributes = telemetry.attributes("auth0.verify")
        assert attributes["auth0.outcome"] == "token_expired"
        assert attributes["http.response.status_code"] == 401
        assert telemetry.one("auth0.verify").status.status_code is StatusCode.UNSET  # as servers have it for 4xx

    def test_a_revoked_token_was_remembered_before(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        client, token = traced(), issuer.token(jti="x")
        rights = issuer.token(scope="manage:auth0", permissions=["manage:auth0"])
        assert client.post("/auth/admin/revocations", headers=bearer(rights), json={"jti": "x"}).status_code == 201
        assert get(client, token) == 401
        assert (telemetry.spans("auth0.verify")[-1].attributes or {})["auth0.outcome"] == "token_revoked"

    def test_an_outage_is_an_error(self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer) -> None:
        url = f"{issuer.issuer}elsewhere"
        assert get(traced(AUTH0_JWKS_URL=f"{url}?{MARK}"), issuer.token(mark=MARK)) == 503
        verify, fetch = telemetry.one("auth0.verify"), telemetry.one("auth0.key_set.fetch")
        assert (verify.attributes or {})["error.type"] == "key_set_unavailable"
        assert (fetch.attributes or {})["error.type"] == "http_4xx"
        assert (fetch.attributes or {})["http.response.status_code"] == 404
        assert {verify.status.status_code, fetch.status.status_code} == {StatusCode.ERROR}
        assert fetch.status.description == "HTTP status 404"
        assert (fetch.attributes or {})["url.full"] == url

    @pytest.mark.parametrize("is_named", [True, False])
    def test_the_subject_is_named_only_if_a_setting_says_so(
        self, make_app: AppFactory, telemetry: Telemetry, issuer: LocalIssuer, is_named: bool, caplog: Any
    ) -> None:
        client = guarded(make_app(AUTH0_OTEL=True, AUTH0_OTEL_SUBJECT=is_named))
        assert ("AUTH0_OTEL_SUBJECT is true" in caplog.text) == is_named
        token = issuer.token(sub="auth0|someone")
        assert get(client, token) == 200
        assert telemetry.attributes("auth0.verify").get("enduser.id") == ("auth0|someone" if is_named else None)
        assert any("someone" in span.to_json() for span in telemetry.spans()) == is_named

    def test_what_is_not_ours_raises_as_before_and_is_named_by_its_type(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        def broken(_header: Any, _claims: Any) -> bool:
            raise LookupError(MARK)

        client = traced()
        client.application.extensions["flask-jwt-extended"].token_verification_loader(broken)
        assert get(client, issuer.token()) == 500
        assert telemetry.attributes("auth0.verify")["error.type"] == "LookupError"

    @pytest.mark.parametrize("confirmation", [5, "jkt", ["jkt"], {"other": "x"}])
    def test_introspection_names_a_strange_binding_as_other(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer, confirmation: Any
    ) -> None:
        rights = issuer.token(scope="introspect:tokens", permissions=["introspect:tokens"])
        form = {"token": issuer.token(cnf=confirmation)}
        answer = traced().post("/auth/introspect", headers=bearer(rights), data=form)
        spans = [span.attributes or {} for span in telemetry.spans("auth0.verify")]
        assert (answer.status_code, spans[-1]["auth0.token.binding"]) == (200, "other")

    def test_the_code_of_an_error_of_the_host_is_other(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        """Its code may be any text."""

        class HostError(InvalidTokenError):
            code = MARK
            descriptions = {"x": "No."}  # noqa: RUF012 - as the classes of the package have it

        def refuse(_header: Any, _claims: Any) -> bool:
            raise HostError

        client = traced()
        client.application.extensions["flask-jwt-extended"].token_verification_loader(refuse)
        with trace.get_tracer("host").start_as_current_span("request"):
            assert get(client, issuer.token()) == 401
        names = ("auth0.verify", "request")
        assert [telemetry.attributes(name)["auth0.outcome"] for name in names] == ["other"] * 2
        assert MARK not in str(telemetry.figures())

    def test_verify_token_says_nothing_of_whoever_is_behind_the_current_span(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        app = traced().application
        with app.app_context(), trace.get_tracer("host").start_as_current_span("job"):
            verify_token(issuer.token())
            with pytest.raises(InvalidTokenError):
                verify_token("x")
        ours, refused = telemetry.spans("auth0.verify")
        job = telemetry.one("job")
        assert ours.parent == refused.parent == job.context
        assert dict(job.attributes or {}) == {}

    def test_a_token_that_a_view_has_refused_is_not_the_outcome_of_its_request(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        def view() -> str:
            with pytest.raises(InvalidTokenError):
                verify_token("x")
            return ""

        client = traced()
        client.application.add_url_rule("/", "view", requires_auth(view))
        with trace.get_tracer("host").start_as_current_span("request"):
            assert get(client, issuer.token(), "/") == 200
        assert telemetry.attributes("request")["auth0.outcome"] == "verified"

    def test_a_proof_and_what_it_binds_are_named(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        key, host = DPoPKey(), "https://api.example.com"
        client, token = traced(AUTH0_DPOP="allowed", AUTH0_PUBLIC_URL=host), issuer.token(cnf=key.confirmation)
        headers = key.headers("GET", f"{host}/ours", token)
        assert [client.get("/ours", headers=headers).status_code for _ in range(2)] == [200, 401]
        accepted, replayed = (span.attributes or {} for span in telemetry.spans("auth0.verify"))
        for attributes in (accepted, replayed):
            assert (attributes["auth0.token.scheme"], attributes["auth0.dpop.proof"]) == ("dpop", True)
        assert accepted["auth0.token.binding"] == "dpop"
        assert replayed["auth0.outcome"] == "invalid_dpop_proof"
        assert not any(headers["DPoP"] in span.to_json() for span in telemetry.spans())


class TestServerSpans:
    @pytest.mark.parametrize("is_blueprint_first", [True, False])
    @pytest.mark.parametrize(
        ("claims", "status", "outcome"),
        [
            (None, 401, "authorization_header_missing"),
            ({"expires_in": -60}, 401, "token_expired"),
            ({"scope": "other"}, 403, "insufficient_scope"),
            ({"scope": "read"}, 200, "verified"),
        ],
    )
    def test_a_refusal_under_protect_has_a_server_span(
        self,
        telemetry: Telemetry,
        issuer: LocalIssuer,
        is_blueprint_first: bool,
        claims: dict[str, Any] | None,
        status: int,
        outcome: str,
    ) -> None:
        """Also the very first one, whichever of blueprint and ``instrument_app()`` came first."""
        app = Flask("traced")
        flask_instrumentor: Any = FlaskInstrumentor()
        app.config.update(issuer.settings, AUTH0_OTEL=True)
        steps: list[Callable[[], object]] = [
            lambda: app.register_blueprint(Auth0Blueprint()),
            lambda: protect(app, "read"),
            lambda: flask_instrumentor.instrument_app(app),
        ]
        for step in steps if is_blueprint_first else reversed(steps):
            step()
        app.add_url_rule("/", "view", lambda: "")
        client, token = app.test_client(), None if claims is None else issuer.token(**claims)
        for number in (1, 2):
            assert get(client, token, "/") == status
            servers = [span for span in telemetry.spans() if span.kind is SpanKind.SERVER]
            assert len(servers) == number
            attributes = servers[-1].attributes or {}
            assert (attributes["http.status_code"], attributes["auth0.outcome"]) == (status, outcome)
        assert telemetry.spans("auth0.refuse") == []
        assert all(span.parent in [server.context for server in servers] for span in telemetry.spans("auth0.verify"))

    def test_a_first_request_that_comes_too_late_to_order_the_hooks_changes_nothing(self) -> None:
        hooks: list[Callable[..., Any]] = [
            check := lambda: None,
            guard := lambda: None,
            server := FlaskInstrumentor.instrument_app,
        ]
        put_server_spans_first(hooks, check)
        assert hooks == [check, server, guard]
        rest: list[Callable[..., Any]] = [guard, server]
        put_server_spans_first(rest, check)
        assert rest == [guard, server]

    @pytest.mark.parametrize(("scope", "name", "status"), [(None, "auth0.refuse", 401), ("other", "auth0.refuse", 403)])
    def test_without_a_server_span_a_refusal_has_one_of_its_own(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer, scope: str | None, name: str, status: int
    ) -> None:
        client = traced()
        client.application.add_url_rule("/", "view", requires_scope("a")(lambda: ""))
        assert get(client, None if scope is None else issuer.token(scope=scope), "/") == status
        assert telemetry.attributes(name)["http.response.status_code"] == status

    def test_without_a_server_span_the_trace_of_the_client_goes_on(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        client = traced()
        assert get(client, issuer.token(), traceparent=f"00-{trace_id}-{span_id}-01") == 200
        assert get(client, None, traceparent=f"00-{trace_id}-{span_id}-01") == 401
        for name in ("auth0.verify", "auth0.refuse"):
            span = telemetry.one(name)
            assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id if span.parent else 0:016x}") == (
                trace_id,
                span_id,
            )


class Failing(SpanProcessor):
    """Parts of OpenTelemetry of which one raises."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, where: str, *_args: Any, **_options: Any) -> None:
        if self.where == where:
            raise LookupError(MARK)

    on_start = partialmethod(fail, "start")
    on_end = partialmethod(fail, "end")
    extract = partialmethod(fail, "extract")
    add = partialmethod(fail, "add")


@pytest.mark.parametrize("where", ["start", "end", "extract", "add"])
def test_what_opentelemetry_raises_changes_no_answer_and_is_logged_once(
    traced: Traced,
    telemetry: Telemetry,
    providers: tuple[TracerProvider, Any, Any],
    issuer: LocalIssuer,
    where: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing: Any = Failing(where)
    providers[0].add_span_processor(failing)
    monkeypatch.setattr(propagate, "extract", failing.extract)
    client, token = traced(), issuer.token()
    counts = client.application.extensions["auth0"].counters._others[0]
    monkeypatch.setattr(counts, "_instruments", Instruments(*[HarmlessCounter(failing)] * len(Instruments._fields)))
    _warn_of.cache_clear()
    try:
        statuses = [get(client, one) for one in (token, token, issuer.token(expires_in=-60), None)]
        telemetry.spans()
    finally:
        failing.where = ""
    assert statuses == [200, 200, 401, 401]
    assert [record.getMessage()[:32] for record in caplog.records if "OpenTelemetry" in record.getMessage()] == [
        "OpenTelemetry raised LookupError"
    ]
    assert MARK not in caplog.text


class TestFetches:
    def test_a_fetch_is_part_of_the_trace_that_began_it(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        """It runs in threads of its own; below it is the request, where requests are instrumented."""
        RequestsInstrumentor().instrument()
        try:
            assert get(traced(), issuer.token()) == 200
        finally:
            RequestsInstrumentor().uninstrument()
        verify, fetch, wait = (telemetry.one(f"auth0.{name}") for name in ("verify", "key_set.fetch", "key_set.wait"))
        (request,) = (span for span in telemetry.spans() if span.kind is SpanKind.CLIENT)
        assert fetch.parent == wait.parent == verify.context
        assert request.parent == fetch.context
        assert [link.context for link in wait.links] == [fetch.context]

    def test_one_who_waits_for_the_fetch_of_another_trace_links_to_it(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        gate, headers = threading.Event(), list[str | None]()

        def answer(request: Request) -> Answer:
            headers.append(request.headers["traceparent"])
            gate.wait(10)
            return Answer(200, issuer.key_set)

        server = JSONServer(answer)
        server.start()
        app, token = traced(AUTH0_JWKS_URL=f"{server.url}keys").application, issuer.token()
        threads = [threading.Thread(target=get, args=(app.test_client(), token)) for _ in range(2)]
        for thread in threads:
            thread.start()
            assert telemetry.begun["auth0.key_set.wait"].acquire(timeout=10)
        gate.set()
        for thread in threads:
            thread.join(10)
        server.stop()
        fetch, waits = telemetry.one("auth0.key_set.fetch"), telemetry.spans("auth0.key_set.wait")
        assert len({wait.context.trace_id for wait in waits}) == 2
        assert [[link.context for link in wait.links] for wait in waits] == [[fetch.context]] * 2
        assert headers == [None]  # nobody has asked for it by instrumenting requests


class TestTokenRequests:
    @pytest.mark.parametrize(("secret", "outcome"), [("right", "issued"), ("wrong", "token_exchange_failed")])
    def test_an_exchange_has_a_span_without_token_and_secret(
        self, traced: Traced, telemetry: Telemetry, issuer: LocalIssuer, secret: str, outcome: str
    ) -> None:
        """Only where the endpoint is asked: not for a token that is kept."""
        issuer.add_client("own", f"{MARK} right", scope="read")
        issuer.token_endpoint.add_api("https://billing.example")
        client = traced(AUTH0_CLIENT_ID="own", AUTH0_CLIENT_SECRET=f"{MARK} {secret}")
        view = requires_auth(lambda: exchange_token("https://billing.example", "read").access_token[:0])
        client.application.add_url_rule("/call", "call", view)
        statuses = [get(client, token := issuer.token(mark=MARK), "/call"), get(client, token, "/call")]
        spans = telemetry.spans("auth0.token_request")
        assert [(span.attributes or {})["auth0.outcome"] for span in spans] == [outcome] * (1 + (secret == "wrong"))
        assert statuses == ([200, 200] if outcome == "issued" else [502, 502])
        attributes = dict(spans[0].attributes or {})
        assert attributes["url.full"] == f"{issuer.issuer}oauth/token"
        assert str(attributes["auth0.grant_type"]).endswith("token-exchange")
        assert attributes.get("auth0.endpoint_error") == (None if outcome == "issued" else "access_denied")


class TestMetrics:
    def test_they_are_those_of_prometheus_from_the_same_counters(
        self, make_app: AppFactory, telemetry: Telemetry, issuer: LocalIssuer
    ) -> None:
        """Under names of which a collector makes the same, so that queries and alerts fit both."""
        app, registry = make_app(AUTH0_OTEL=True), CollectorRegistry()
        instrument(app, registry=registry)
        client, before = guarded(app), telemetry.figures()
        client.application.add_url_rule("/", "view", requires_scope("a")(lambda: ""))
        token = issuer.token(act={"sub": "actor"})
        assert [get(client, one, path) for one, path in ((token, "/"), (token, "/ours"), (None, "/"))] == [
            403,
            200,
            401,
        ]
        get(make_app(AUTH0_JWKS_URL=f"{issuer.issuer}x").test_client(), token, "/auth/me")  # is not traced
        telemetry.spans()
        risen = {series: value - before.get(series, 0) for series, value in telemetry.figures().items()}
        compared = {name for (name, _), value in risen.items() if value and name.endswith("_total")}
        assert compared >= {
            "auth0_tokens_verified_total",
            "auth0_tokens_rejected_total",
            "auth0_tokens_delegated_total",
        }
        for metric in registry.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total") and not sample.name.startswith("auth0_revocation_store"):
                    assert risen.get((sample.name, json.dumps(sample.labels, sort_keys=True)), 0) == sample.value
        ages = [value for (name, _), value in telemetry.figures().items() if name.endswith("_timestamp_seconds")]
        name = "auth0_key_set_fetched_timestamp_seconds"
        assert ages == [pytest.approx(registry.get_sample_value(name, {"issuer": issuer.issuer}), abs=1)]

    def test_every_metric_of_prometheus_has_its_like(self) -> None:
        ours = set(_instruments()._fields)
        theirs = vars(Collectors(CollectorRegistry())).keys() - {"fetched_at", "revocations"}
        assert {name.replace("cache_", "") for name in theirs} == ours

    def test_an_app_that_is_gone_is_not_read(self, make_app: AppFactory, telemetry: Telemetry) -> None:
        app = make_app(AUTH0_OTEL=True)
        gone = weakref.ref(app.extensions["auth0"].counters)
        del app
        gc.collect()
        assert gone() is None
        telemetry.figures()


class TestSwitch:
    def test_without_the_setting_nothing_is_on_the_path_of_a_request(self, make_app: AppFactory) -> None:
        state = make_app().extensions["auth0"]
        assert type(state.sequence) is VerificationSequence
        assert state.counters.count_verified == state.counters._verified.add

    @pytest.mark.parametrize(
        ("block", "on", "says"),
        [("", "False", "served without"), ("sys.modules['opentelemetry'] = None", "True", "'auth0_blueprint[otel]'")],
        ids=["not imported", "named if it is missing"],
    )
    def test_opentelemetry_is_imported_where_it_is_used(self, block: str, on: str, says: str) -> None:
        """In another process, where nothing else has imported it."""
        code = PROGRAM.format(block=block, on=on)
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert says in run.stdout


PROGRAM = """
import sys
{block}
from flask import Flask
from auth0_blueprint import Auth0Blueprint, ConfigurationError
from auth0_blueprint.testing import LocalIssuer
app = Flask("app")
with LocalIssuer() as issuer:
    app.config.update(issuer.settings, AUTH0_OTEL={on})
    try:
        app.register_blueprint(Auth0Blueprint())
    except ConfigurationError as error:
        print(error, app.extensions, app.blueprints)
    else:
        response = app.test_client().get("/auth/me", headers={{"Authorization": "Bearer " + issuer.token()}})
        if response.status_code == 200 and "opentelemetry" not in sys.modules:
            print("served without")
"""


def test_an_otlp_endpoint_receives_the_spans(
    traced: Traced, telemetry: Telemetry, providers: tuple[TracerProvider, Any, Any], issuer: LocalIssuer
) -> None:
    """By a real exporter, over HTTP, as a collector would: also what is there never has a token in it."""
    received: list[Request] = []

    def answer(request: Request) -> Answer:
        received.append(request)
        return Answer(200, {})

    server = JSONServer(answer)
    server.start()
    processor: Any = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{server.url}v1/traces"))
    providers[0].add_span_processor(processor)
    token = issuer.token(mark=MARK)
    assert get(traced(), token) == 200
    telemetry.spans()
    assert processor.force_flush()
    processor.shutdown()
    server.stop()
    exported = [ExportTraceServiceRequest.FromString(request.body) for request in received]
    names = {
        span.name
        for request in exported
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert names == {"auth0.verify", "auth0.key_set.wait", "auth0.key_set.fetch", "auth0.fleet_sync.wait"}
    assert not [request for request in received if token.encode() in request.body or MARK.encode() in request.body]


def test_the_app_of_the_page_is_traced(telemetry: Telemetry, issuer: LocalIssuer) -> None:
    create_app = run_block(PAGE, next(iter(python_blocks(PAGE))).code)["create_app"]
    client = create_app(issuer.settings).test_client()
    assert get(client, issuer.token(), "/api/messages") == 403
    (server,) = (span for span in telemetry.spans() if span.kind is SpanKind.SERVER)
    assert (server.attributes or {})["auth0.outcome"] == "insufficient_scope"
    assert telemetry.one("auth0.verify").parent == server.context


def test_the_page_names_every_span_and_attribute() -> None:
    text, modules = PAGE.read_text(encoding="utf-8"), ("spans", "sequence", "traced_fetch", "token_requests", "counts")
    code = "".join((OTEL / f"{name}.py").read_text(encoding="utf-8") for name in modules)
    names = set(re.findall(r'"((?:auth0|enduser|error|url|http)\.[a-z_.]+)"', code))
    for name in names - set(re.findall(r'counter\("([a-z0-9_.]+)"', code)) - GAUGES:
        assert f"`{name}`" in text, name
