"""Prometheus metrics: what they count, that their labels are few, and that the page about them says what is there."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import yaml
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY, CollectorRegistry
from refusals import guarded, segment

from auth0_blueprint import errors, requires_scope, token_verified
from auth0_blueprint.guards.labels import CODES, REASONS, reason_of
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.key_set import KeySetError
from auth0_blueprint.metrics import Collectors, instrument
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "metrics.md"
PAGE_TEXT = PAGE.read_text(encoding="utf-8")


FETCHES, FETCHED_AT = "auth0_key_set_fetches_total", "auth0_key_set_fetched_timestamp_seconds"
FAILURES, VERIFIED = "auth0_key_set_fetch_failures_total", "auth0_tokens_verified_total"
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}


def status(client: FlaskClient, token: str | None, path: str = "/ours") -> int:
    """Return the status of the answer to *token*, or to no token."""
    return client.get(path, headers=None if token is None else bearer(token)).status_code


class Figures:
    """The samples of one registry, and the apps that count in it."""

    def __init__(self, make_app: AppFactory) -> None:
        self.make_app = make_app
        self.registry = CollectorRegistry()

    def client(self, **settings: Any) -> FlaskClient:
        """Return the client of one more app that is instrumented and has the views of `guarded`."""
        app = self.make_app(**settings)
        instrument(app, registry=self.registry)
        return guarded(app)

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample, once all that is in flight has landed."""
        for thread in threading.enumerate():
            if thread.name.startswith("auth0-"):
                thread.join(10)
        return self.registry.get_sample_value(name, labels)

    def by_code(self) -> dict[str, float]:
        """Return how many were rejected, by code, where there were any."""
        counts = {code: self("auth0_tokens_rejected_total", code=code) for code in CODES}
        return {code: count for code, count in counts.items() if count}

    def series(self) -> set[str]:
        """Return every series there is, without its value."""
        samples = (sample for metric in self.registry.collect() for sample in metric.samples)
        return {f"{sample.name}{sorted(sample.labels.items())}" for sample in samples}


@pytest.fixture
def figures(make_app: AppFactory) -> Figures:
    return Figures(make_app)


AWAY = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:1/0", "AUTH0_CACHE_SECRET": "x" * 32}


class TestCounting:
    def test_a_token_is_counted_each_time_that_it_passes(self, figures: Figures, issuer: LocalIssuer) -> None:
        client, token = figures.client(), issuer.token()
        assert [status(client, token, path) for path in ("/ours", "/ours", "/theirs")] == [200] * 3
        assert (figures(VERIFIED), figures("auth0_token_cache_misses_total"), figures.by_code()) == (3, 1, {})

    def test_a_refusal_is_counted_under_its_code(self, figures: Figures, issuer: LocalIssuer) -> None:
        """And not as verified; nor is what cannot be proven a miss of the token cache."""
        client = figures.client()
        refused = [issuer.token(**claims) for claims in ({"expires_in": -60}, {"expires_in": -60}, {"aud": "other"})]
        assert [status(client, token) for token in (*refused, None)] == [401] * 4
        assert figures.by_code() == {"token_expired": 2, "invalid_claims": 1, "authorization_header_missing": 1}
        assert (figures(VERIFIED), figures("auth0_token_cache_misses_total")) == (0, 0)

    def test_who_is_known_and_may_not_is_counted_as_both(self, figures: Figures, issuer: LocalIssuer) -> None:
        client = figures.client()
        client.application.add_url_rule("/", "view", requires_scope("a")(lambda: ""))
        assert status(client, issuer.token(), "/") == 403
        assert (figures(VERIFIED), figures.by_code()) == (1, {"insufficient_scope": 1})

    def test_an_error_class_of_the_host_is_counted_as_other(self, figures: Figures, issuer: LocalIssuer) -> None:
        """Its code may be any text, and be different each time."""

        class HostError(errors.InvalidTokenError):
            code = "of the host"
            descriptions = {"x": "No."}  # noqa: RUF012 - as the classes of the package have it

        def refuse(_header: Any, _claims: Any) -> bool:
            raise HostError

        client = figures.client()
        client.application.extensions["flask-jwt-extended"].token_verification_loader(refuse)
        before = figures.series()
        assert client.get("/ours", headers=bearer(issuer.token())).get_json()["code"] == "of the host"
        assert figures.by_code() == {"other": 1}
        assert before <= figures.series()
        assert "of the host" not in str(figures.series())

    def test_the_key_set_is_counted_and_dated_by_its_fetch(self, figures: Figures, issuer: LocalIssuer) -> None:
        """Before there is one, there is no date, rather than one of 1970."""
        client, labels = figures.client(), {"issuer": issuer.issuer}
        assert (figures(FETCHES, **labels), figures(FETCHED_AT, **labels)) == (0, None)
        before = time.time()
        status(client, issuer.token())
        assert figures(FETCHES, **labels) == issuer.fetch_count == 1
        assert before <= (figures(FETCHED_AT, **labels) or 0) <= time.time()

    def test_a_key_set_that_another_process_has_got_is_dated_and_not_counted(
        self, make_app: AppFactory, issuer: LocalIssuer, tmp_path: Path
    ) -> None:
        """Its date is that of the answer, and not of the moment when it was taken over."""
        settings = {
            "CACHE_TYPE": "FileSystemCache",
            "CACHE_DIR": str(tmp_path / "cache"),
            "AUTH0_CACHE_SECRET": "x" * 32,
        }
        fetches, dates = [], []
        for figures in (Figures(make_app), Figures(make_app)):
            assert status(figures.client(**settings), issuer.token()) == 200
            fetches.append(figures(FETCHES, issuer=issuer.issuer))
            dates.append(figures(FETCHED_AT, issuer=issuer.issuer))
        assert fetches == [1, 0]
        assert dates[0] == pytest.approx(dates[1], rel=0, abs=0.001)

    def test_a_fetch_that_fails_is_counted_by_its_reason(self, figures: Figures, issuer: LocalIssuer) -> None:
        assert status(figures.client(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere"), issuer.token()) == 503
        labels = {"issuer": issuer.issuer}
        assert (figures(FETCHES, **labels), figures(FETCHED_AT, **labels)) == (1, None)
        failures = {reason: figures(FAILURES, reason=reason, **labels) for reason in REASONS}
        assert failures == dict.fromkeys(REASONS, 0) | {"http_4xx": 1}
        assert figures.by_code() == {"key_set_unavailable": 1}

    def test_revocations_in_force_rise_and_fall(self, figures: Figures, issuer: LocalIssuer) -> None:
        client, revocations = figures.client(), "/auth/admin/revocations"
        headers = bearer(issuer.token(**ADMIN))
        assert figures("auth0_revocations_in_force") == 0
        for number in (1, 2):
            assert client.post(revocations, headers=headers, json={"jti": f"no-{number}"}).status_code == 201
            assert figures("auth0_revocations_in_force") == number
        assert client.delete(f"{revocations}/jti/no-1", headers=headers).status_code == 200
        assert figures("auth0_revocations_in_force") == 1
        assert (figures("auth0_revocation_store_looks_total") or 0) >= 1
        assert figures("auth0_revocation_store_look_failures_total") == 0

    @pytest.mark.parametrize(
        ("settings", "looks"), [(AWAY, 1), ({"AUTH0_REVOCATION": False}, 0)], ids=["away", "unused"]
    )
    def test_looks_at_a_store_that_is_away_are_failures(
        self, figures: Figures, issuer: LocalIssuer, settings: dict[str, Any], looks: int
    ) -> None:
        """The requests pass: it is an alert that has to tell. One on a store that nobody uses would be noise."""
        assert status(figures.client(**settings), issuer.token()) == 200
        assert figures("auth0_revocation_store_looks_total") == looks
        assert figures("auth0_revocation_store_look_failures_total") == looks


def _raised_codes(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        module = ast.parse((ROOT / "auth0_blueprint" / "keysets" / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"FetchError", "KeySetError"}:
                yield ast.literal_eval(node.args[0])


class TestSeries:
    def test_every_series_is_there_before_the_first_request(self, figures: Figures) -> None:
        """For each issuer, code and reason: a rate cannot see a series that begins with 1."""
        domains = ["one.example", "two.example"]
        figures.client(AUTH0_ISSUER=None, AUTH0_DOMAIN=domains, AUTH0_JWKS_URL=None)
        for issuer in (f"https://{domain}/" for domain in domains):
            assert figures(FETCHES, issuer=issuer) == 0
            assert [figures(FAILURES, issuer=issuer, reason=reason) for reason in REASONS] == [0] * len(REASONS)
        assert [figures("auth0_tokens_rejected_total", code=code) for code in CODES] == [0] * len(CODES)

    def test_no_token_makes_a_series(self, figures: Figures, issuer: LocalIssuer) -> None:
        """Whatever it says of its key, issuer, subject and client."""
        client = figures.client()
        status(client, issuer.token())
        figures(VERIFIED)
        before = figures.series()
        for marker in (f"marker-{number}" for number in range(20)):
            claims: dict[str, Any] = {"sub": marker, "azp": marker}
            header = segment({"alg": "RS256", "kid": marker})
            status(client, f"{header}.{segment({'iss': f'https://{marker}/', **claims})}.AAAA")
            status(client, issuer.token(headers={"kid": marker}, **claims))
            status(client, issuer.token(**claims))
        figures(VERIFIED)
        assert figures.series() == before
        assert "marker" not in str(before)

    def test_codes_are_those_that_a_guard_refuses_with(self) -> None:
        """The page of errors has them, from 401, 403 and 503, and ``invalid_header`` in a 400; not those of views."""
        page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
        codes = set(re.findall(r"^\| `(\w+)` \| (?:401|403|503) ", page, re.MULTILINE))
        assert codes
        assert {*codes, "other"} - {"token_exchange_unavailable"} == set(CODES)

    def test_the_reasons_of_failed_fetches_are_those_of_the_document(self) -> None:
        """A new code of `FetchError` or `KeySetError` fails here until docs/metrics.md has it."""
        (names,) = re.findall(r"^- `reason` is (.*?)\.", PAGE_TEXT, re.MULTILINE | re.DOTALL)
        documented = {*re.findall(r"`(\w+)`", names), "http_2xx", "http_3xx", "http_4xx"}  # which it leaves out: "to"
        assert set(REASONS) == documented
        assert len(REASONS) == len(documented)

    def test_each_error_of_a_failed_fetch_is_counted_under_its_code(self) -> None:
        codes = FetchError.descriptions.keys() | KeySetError.descriptions.keys()
        assert {reason_of(code, None) for code in codes - {"http_status"}} == codes - {"http_status"}
        for number in (199, 204, 302, 404, 500):
            assert reason_of("http_status", number) == f"http_{number // 100}xx"
        others: list[tuple[str, int | None]] = [("http_status", 999), ("http_status", None), ("anything", None)]
        for code, status in others:
            assert reason_of(code, status) == "other"

    def test_every_code_of_a_failed_fetch_is_raised_somewhere(self) -> None:
        """One that nothing raises any more would stay in the documents."""
        names = ("fetch", "key_set", "refresh")
        assert set(_raised_codes(names)) == FetchError.descriptions.keys() | KeySetError.descriptions.keys()


WITHOUT_CLIENT = """
sys.modules['prometheus_client'] = None
try:
    import auth0_blueprint.metrics
except ModuleNotFoundError as error:
    print(error)
"""


class TestInstrumenting:
    def test_a_request_costs_no_signal(self, figures: Figures) -> None:
        """The counters are counted along; sending a signal would cost several times that."""
        assert not list(token_verified.receivers_for(figures.client().application))

    def test_apps_in_one_registry_add_up(self, figures: Figures, issuer: LocalIssuer) -> None:
        """As they do in tests, which make an app each."""
        assert [status(figures.client(), issuer.token()) for _ in range(2)] == [200, 200]
        assert figures(VERIFIED) == 2

    def test_an_app_counts_nothing_of_another(
        self, figures: Figures, make_app: AppFactory, issuer: LocalIssuer
    ) -> None:
        figures.client()
        before = [(metric.name, metric.samples) for metric in figures.registry.collect()]
        working, admin = make_app().test_client(), bearer(issuer.token(**ADMIN))
        assert working.post("/auth/admin/revocations", headers=admin, json={"jti": "x"}).status_code == 201
        failing = make_app(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere").test_client()
        assert (status(working, None, "/auth/me"), status(failing, issuer.token(), "/auth/me")) == (401, 503)
        figures(VERIFIED)
        assert [(metric.name, metric.samples) for metric in figures.registry.collect()] == before

    def test_an_app_is_instrumented_once(self, figures: Figures) -> None:
        """Or everything would be counted twice."""
        with pytest.raises(RuntimeError, match="already instrumented"):
            instrument(figures.client().application, registry=CollectorRegistry())

    def test_an_app_without_the_blueprint_is_refused(self) -> None:
        app = Flask("tested")
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(Auth0Blueprint\(\)\)"):
            instrument(app, registry=CollectorRegistry())
        assert not app.extensions

    def test_an_instrumented_app_can_go(self, figures: Figures, issuer: LocalIssuer) -> None:
        client = figures.client()
        status(client, issuer.token())
        gone = weakref.ref(client.application)
        assert figures(VERIFIED) == 1
        del client
        gc.collect()
        assert gone() is None
        assert figures(VERIFIED) == 1

    @pytest.mark.parametrize(
        ("code", "says"),
        [
            ("import auth0_blueprint; print('prometheus_client' in sys.modules)", "False"),
            (WITHOUT_CLIENT, "pip install 'auth0_blueprint[metrics]'"),
        ],
        ids=["the package does without", "a missing one is named with its extra"],
    )
    def test_prometheus_client_is_imported_by_this_module_only(self, code: str, says: str) -> None:
        """In another process, where nothing else has imported it."""
        command = [sys.executable, "-c", f"import sys\n{code}"]
        assert says in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


class Described(NamedTuple):
    """One metric, as the page and the code have it."""

    name: str
    type: str
    labels: tuple[str, ...]


def metrics_of_the_code() -> set[Described]:
    """Return what is in a registry."""
    suffixes = {"counter": "_total"}
    return {
        Described(metric._name + suffixes.get(metric._type, ""), str(metric._type), tuple(metric._labelnames))
        for metric in vars(Collectors(CollectorRegistry())).values()
    }


def alert_rules() -> list[dict[str, Any]]:
    """Return the rules of the page."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE_TEXT, re.DOTALL)
    (group,) = yaml.safe_load(text)["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> list[str]:
    """Return every expression of the page: of the alerts and of the dashboard."""
    dashboard = PAGE_TEXT.partition("## A dashboard")[2].partition("## ")[0]
    panels = re.findall(r"`([^`]*auth0_[^`]*)`", dashboard)
    assert len(panels) >= 6
    return [*(rule["expr"] for rule in alert_rules()), *panels]


def blocks(title: str) -> list[str]:
    """Return the code of the blocks in the sections of the page with this *title*."""
    return [block.code for block in python_blocks(PAGE) if block.title == title]


class TestPage:
    def test_the_table_of_the_page_has_every_metric(self) -> None:
        rows = re.findall(r"^\| `(auth0_\w+)` \| (\w+) \| ([^|]+) \|", PAGE_TEXT, re.MULTILINE)
        described = [Described(name, type_, tuple(re.findall(r"\w+", labels))) for name, type_, labels in rows]
        assert len(described) == len(set(described))
        assert set(described) == metrics_of_the_code()

    def test_names_are_those_that_prometheus_wants(self) -> None:
        for metric in vars(Collectors(CollectorRegistry())).values():
            assert metric._documentation.endswith(".")
        for metric in metrics_of_the_code():
            assert (metric.type == "counter") == metric.name.endswith("_total")
            assert re.fullmatch(r"auth0_[a-z_]+", metric.name)

    def test_queries_ask_for_metrics_labels_and_codes_that_there_are(self) -> None:
        """A rule on a name that does not exist never fires."""
        labels_of = {metric.name: set(metric.labels) for metric in metrics_of_the_code()}
        for query in queries():
            assert query.count("(") == query.count(")")
            names = set(re.findall(r"\bauth0_\w+", query))
            assert names <= labels_of.keys(), query
            grouped = {label for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for label in group.split(", ")}
            # Those that Prometheus adds to whatever it scrapes.
            known = {"job", "instance"}.union(*(labels_of[name] for name in names))
            assert grouped <= known, query
            for name, label, code in re.findall(r'(auth0_\w+)\{(\w+)!?="(\w+)"\}', query):
                assert label in labels_of[name]
                assert code in CODES
            assert len(re.findall(r"\{", query)) == len(re.findall(r'\{\w+!?="\w+"\}', query)), query

    def test_counters_are_asked_for_their_rise_only(self) -> None:
        """A counter as such says since when a process runs, and no more."""
        for query in queries():
            for before, name in re.findall(r"(\w+) ?\((auth0_\w+)", query):
                assert (before in {"rate", "increase"}) == name.endswith("_total"), query

    def test_every_alert_is_whole(self) -> None:
        rules = alert_rules()
        assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
        for rule in rules:
            assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in {"page", "ticket"}
            for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
                assert label in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])[0].split(", ")

    def test_the_app_of_the_page_shows_its_metrics(self, issuer: LocalIssuer) -> None:
        """In the registry of prometheus-client, at ``/metrics``, beside the guards."""
        (factory,), (mounting,) = blocks("Switch them on"), blocks("One process")
        app = run_block(PAGE, factory)["create_app"](issuer.settings)
        run_block(PAGE, mounting, app=app)
        before = REGISTRY.get_sample_value(VERIFIED) or 0
        assert status(app.test_client(), issuer.token(), "/auth/me") == 200
        answer = app.test_client().get("/metrics")
        assert answer.status_code == 200
        assert f"\n{VERIFIED} {before + 1:.1f}\n" in answer.text

    def test_the_listeners_of_the_page_count(self, figures: Figures, issuer: LocalIssuer) -> None:
        client, counted = figures.client(), list[str]()
        (code,) = blocks("StatsD and others")
        module = run_block(PAGE, code, statsd=SimpleNamespace(incr=counted.append))
        status(client, issuer.token())
        status(client, None)
        assert counted == ["auth0.verified", "auth0.rejected.authorization_header_missing"]
        assert module["count_verified"]
