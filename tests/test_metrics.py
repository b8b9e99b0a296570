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
from typing import Any, NamedTuple

import pytest
import yaml
from conftest import AppFactory, bearer
from documents import ROOT, python_blocks, run_block
from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry
from refusals import guarded, segment

from auth0_blueprint import errors, requires_scope, token_verified
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.key_set import KeySetError
from auth0_blueprint.metrics import CODES, REASONS, Collectors, instrument, reason_of
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "metrics.md"


class Figures:
    """The samples of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

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
        return {
            f"{sample.name}{sorted(sample.labels.items())}"
            for metric in self.registry.collect()
            for sample in metric.samples
        }


@pytest.fixture
def figures() -> Figures:
    return Figures(CollectorRegistry())


@pytest.fixture
def app(make_app: AppFactory, figures: Figures) -> Flask:
    """An instrumented app with the views of `guarded`."""
    app = make_app()
    instrument(app, registry=figures.registry)
    guarded(app)
    return app


# What is counted


def test_a_token_is_counted_each_time_that_it_passes(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """By whichever guard; it is proven once."""
    headers = bearer(issuer.token())
    for path in ("/ours", "/ours", "/theirs"):
        assert app.test_client().get(path, headers=headers).status_code == 200
    assert figures("auth0_tokens_verified_total") == 3
    assert figures("auth0_token_cache_misses_total") == 1
    assert figures.by_code() == {}


def test_a_refusal_is_counted_under_its_code(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """And not as verified; nor is what cannot be proven a miss of the token cache."""
    client = app.test_client()
    for claims in ({"expires_in": -60}, {"expires_in": -60}, {"aud": "other"}):
        assert client.get("/ours", headers=bearer(issuer.token(**claims))).status_code == 401
    assert client.get("/ours").status_code == 401
    assert figures.by_code() == {"token_expired": 2, "invalid_claims": 1, "authorization_header_missing": 1}
    assert figures("auth0_tokens_verified_total") == 0
    assert figures("auth0_token_cache_misses_total") == 0


def test_who_is_known_and_may_not_is_counted_as_both(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """As the page says."""
    app.add_url_rule("/", "view", requires_scope("a")(lambda: ""))
    assert app.test_client().get("/", headers=bearer(issuer.token())).status_code == 403
    assert figures("auth0_tokens_verified_total") == 1
    assert figures.by_code() == {"insufficient_scope": 1}


def test_an_error_class_of_the_host_is_counted_as_other(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """Its code may be any text, and be different each time."""

    class HostError(errors.InvalidTokenError):
        code = "of the host"
        descriptions = {"x": "No."}  # noqa: RUF012 - as the classes of the package have it

    def refuse(_header: Any, _claims: Any) -> bool:
        raise HostError

    app.extensions["flask-jwt-extended"].token_verification_loader(refuse)
    before = figures.series()
    assert app.test_client().get("/ours", headers=bearer(issuer.token())).get_json()["code"] == "of the host"
    assert figures.by_code() == {"other": 1}
    assert before <= figures.series()
    assert "of the host" not in str(figures.series())


def test_the_key_set_is_counted_and_dated_by_its_fetch(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """Before there is one, there is no date, rather than one of 1970."""
    labels = {"issuer": issuer.issuer}
    assert figures("auth0_key_set_fetches_total", **labels) == 0
    assert figures("auth0_key_set_fetched_timestamp_seconds", **labels) is None
    before = time.time()
    app.test_client().get("/ours", headers=bearer(issuer.token()))
    assert figures("auth0_key_set_fetches_total", **labels) == issuer.fetch_count == 1
    fetched_at = figures("auth0_key_set_fetched_timestamp_seconds", **labels)
    assert fetched_at is not None
    assert before <= fetched_at <= time.time()


def test_a_key_set_that_another_process_has_got_is_dated_and_not_counted(
    make_app: AppFactory, issuer: LocalIssuer, tmp_path: Any
) -> None:
    """Its date is that of the answer, and not of the moment when it was taken over."""
    settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache"), "AUTH0_CACHE_SECRET": "x" * 32}
    all_figures = []
    for _ in range(2):
        app, figures = make_app(**settings), Figures(CollectorRegistry())
        instrument(app, registry=figures.registry)
        assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
        figures("auth0_key_set_fetches_total", issuer=issuer.issuer)
        all_figures.append(figures)
    fetches = [figures("auth0_key_set_fetches_total", issuer=issuer.issuer) for figures in all_figures]
    dates = [figures("auth0_key_set_fetched_timestamp_seconds", issuer=issuer.issuer) for figures in all_figures]
    assert fetches == [1, 0]
    assert dates[0] == pytest.approx(dates[1], rel=0, abs=0.001)


def test_a_fetch_that_fails_is_counted_by_its_reason(
    make_app: AppFactory, issuer: LocalIssuer, figures: Figures
) -> None:
    """And the request is refused with its own code."""
    app = make_app(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere")
    instrument(app, registry=figures.registry)
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 503
    assert figures("auth0_key_set_fetches_total", issuer=issuer.issuer) == 1
    failures = {
        reason: figures("auth0_key_set_fetch_failures_total", issuer=issuer.issuer, reason=reason) for reason in REASONS
    }
    assert failures == dict.fromkeys(REASONS, 0) | {"http_4xx": 1}
    assert figures("auth0_key_set_fetched_timestamp_seconds", issuer=issuer.issuer) is None
    assert figures.by_code() == {"key_set_unavailable": 1}


def test_revocations_in_force_rise_and_fall(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """At once in the process that has changed them."""
    client, revocations = app.test_client(), "/auth/admin/revocations"
    headers = bearer(issuer.token(scope="manage:auth0", permissions=["manage:auth0"]))
    assert figures("auth0_revocations_in_force") == 0
    for number in (1, 2):
        assert client.post(revocations, headers=headers, json={"jti": f"no-{number}"}).status_code == 201
        assert figures("auth0_revocations_in_force") == number
    assert client.delete(f"{revocations}/jti/no-1", headers=headers).status_code == 200
    assert figures("auth0_revocations_in_force") == 1
    looks = figures("auth0_revocation_store_looks_total")
    assert looks is not None
    assert looks >= 1
    assert figures("auth0_revocation_store_look_failures_total") == 0


def test_looks_at_a_store_that_is_away_are_failures(
    make_app: AppFactory, issuer: LocalIssuer, figures: Figures
) -> None:
    """The requests pass: it is an alert that has to tell."""
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:1/0", "AUTH0_CACHE_SECRET": "x" * 32}
    app = make_app(**settings)
    instrument(app, registry=figures.registry)
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    looks, failures = (figures(f"auth0_revocation_store_look{suffix}_total") for suffix in ("s", "_failures"))
    assert (looks, failures) == (1, 1)


def test_without_revocations_nothing_is_counted_of_them(
    make_app: AppFactory, issuer: LocalIssuer, figures: Figures
) -> None:
    """An alert on a store that nobody uses would be noise."""
    app = make_app(AUTH0_REVOCATION=False)
    instrument(app, registry=figures.registry)
    assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert figures("auth0_revocation_store_looks_total") == 0


# How few labels there are


def test_every_series_is_there_before_the_first_request(make_app: AppFactory, figures: Figures) -> None:
    """For each issuer, code and reason: a rate cannot see a series that begins with 1."""
    domains = ["one.example", "two.example"]
    app = make_app(AUTH0_ISSUER=None, AUTH0_DOMAIN=domains, AUTH0_JWKS_URL=None)
    instrument(app, registry=figures.registry)
    for issuer in (f"https://{domain}/" for domain in domains):
        assert figures("auth0_key_set_fetches_total", issuer=issuer) == 0
        for reason in REASONS:
            assert figures("auth0_key_set_fetch_failures_total", issuer=issuer, reason=reason) == 0
    for code in CODES:
        assert figures("auth0_tokens_rejected_total", code=code) == 0


def test_no_token_makes_a_series(app: Flask, issuer: LocalIssuer, figures: Figures) -> None:
    """Whatever it says of its key, issuer, subject and client."""
    client = app.test_client()
    client.get("/ours", headers=bearer(issuer.token()))
    figures("auth0_tokens_verified_total")
    before = figures.series()
    for number in range(20):
        claims: dict[str, Any] = {
            "iss": f"https://marker-{number}/",
            "sub": f"marker-{number}",
            "azp": f"marker-{number}",
        }
        forged = f"{segment({'alg': 'RS256', 'kid': f'marker-{number}'})}.{segment(claims)}.AAAA"
        client.get("/ours", headers=bearer(forged))
        del claims["iss"]
        client.get("/ours", headers=bearer(issuer.token(headers={"kid": f"marker-{number}"}, **claims)))
        client.get("/ours", headers=bearer(issuer.token(**claims)))
    figures("auth0_tokens_verified_total")
    assert figures.series() == before
    assert "marker" not in str(before)


def test_codes_are_those_that_a_guard_refuses_with() -> None:
    """The page of errors has them, from 401, 403 and 503, and ``invalid_header`` in a 400."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    codes = set(re.findall(r"^\| `(\w+)` \| (?:401|403|503) ", page, re.MULTILINE))
    assert codes
    assert {*codes, "other"} == set(CODES)


def test_the_reasons_of_failed_fetches_are_those_of_the_document() -> None:
    """A new code of `FetchError` or `KeySetError` fails here until docs/metrics.md has it."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (names,) = re.findall(r"^- `reason` is (.*?)\.", page, re.MULTILINE | re.DOTALL)
    documented = {*re.findall(r"`(\w+)`", names), "http_2xx", "http_3xx", "http_4xx"}  # which it leaves out: "to"
    assert set(REASONS) == documented
    assert len(REASONS) == len(documented)


def test_each_error_of_a_failed_fetch_is_counted_under_its_code() -> None:
    """Or under the class of its HTTP status."""
    codes = FetchError.descriptions.keys() | KeySetError.descriptions.keys()
    assert {reason_of(code, None) for code in codes - {"http_status"}} == codes - {"http_status"}
    for number in (199, 204, 302, 404, 500):
        assert reason_of("http_status", number) == f"http_{number // 100}xx"
    others: list[tuple[str, int | None]] = [("http_status", 999), ("http_status", None), ("anything", None)]
    for code, status in others:
        assert reason_of(code, status) == "other"


def test_every_code_of_a_failed_fetch_is_raised_somewhere() -> None:
    """One that nothing raises any more would stay in the documents."""
    names = ("fetch", "key_set", "refresh")
    assert set(_raised_codes(names)) == FetchError.descriptions.keys() | KeySetError.descriptions.keys()


def _raised_codes(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        module = ast.parse((ROOT / "auth0_blueprint" / "keysets" / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"FetchError", "KeySetError"}:
                (code,) = node.args
                yield ast.literal_eval(code)


# Instrumenting


def test_a_request_costs_no_signal(app: Flask) -> None:
    """The counters is counted along; sending a signal would cost several times that."""
    assert not list(token_verified.receivers_for(app))


def test_apps_in_one_registry_add_up(make_app: AppFactory, issuer: LocalIssuer, figures: Figures) -> None:
    """As they do in tests, which make an app each."""
    for _ in range(2):
        app = make_app()
        instrument(app, registry=figures.registry)
        assert app.test_client().get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    assert figures("auth0_tokens_verified_total") == 2


def test_an_app_counts_nothing_of_another(make_app: AppFactory, issuer: LocalIssuer, figures: Figures) -> None:
    """Of one that trusts the same issuer, in the same process."""
    instrument(make_app(), registry=figures.registry)
    before = [(metric.name, metric.samples) for metric in figures.registry.collect()]
    admin = bearer(issuer.token(scope="manage:auth0", permissions=["manage:auth0"]))
    working = make_app().test_client()
    assert working.post("/auth/admin/revocations", headers=admin, json={"jti": "x"}).status_code == 201
    assert working.get("/auth/me").status_code == 401
    failing = make_app(AUTH0_JWKS_URL=f"{issuer.issuer}elsewhere").test_client()
    assert failing.get("/auth/me", headers=bearer(issuer.token())).status_code == 503
    figures("auth0_tokens_verified_total")
    assert [(metric.name, metric.samples) for metric in figures.registry.collect()] == before


def test_an_app_is_instrumented_once(app: Flask) -> None:
    """Or everything would be counted twice."""
    with pytest.raises(RuntimeError, match="already instrumented"):
        instrument(app, registry=CollectorRegistry())


def test_an_app_without_the_blueprint_is_refused() -> None:
    """With what to do; and nothing is left on it."""
    app = Flask("tested")
    with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(Auth0Blueprint\(\)\)"):
        instrument(app, registry=CollectorRegistry())
    assert not app.extensions


def test_an_instrumented_app_can_go(make_app: AppFactory, issuer: LocalIssuer, figures: Figures) -> None:
    """What it has counted stays."""
    app = make_app()
    instrument(app, registry=figures.registry)
    app.test_client().get("/auth/me", headers=bearer(issuer.token()))
    gone = weakref.ref(app)
    assert figures("auth0_tokens_verified_total") == 1
    del app
    gc.collect()
    assert gone() is None
    assert figures("auth0_tokens_verified_total") == 1


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import auth0_blueprint; print('prometheus_client' in sys.modules)", "False"),
        (
            """
sys.modules['prometheus_client'] = None
try:
    import auth0_blueprint.metrics
except ModuleNotFoundError as error:
    print(error)
""",
            "pip install 'auth0_blueprint[metrics]'",
        ),
    ],
    ids=["the package does without", "a missing one is named with its extra"],
)
def test_prometheus_client_is_imported_by_this_room_only(code: str, says: str) -> None:
    """In another process, where nothing else has imported it."""
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert says in run.stdout


# The page


class Described(NamedTuple):
    """One metric, as the page and the code have it."""

    name: str
    type: str
    labels: tuple[str, ...]


def metrics_of_the_code() -> set[Described]:
    """Return what is in a registry."""
    return {
        Described(
            metric._name + ("_total" if metric._type == "counter" else ""),
            str(metric._type),
            tuple(metric._labelnames),
        )
        for metric in vars(Collectors(CollectorRegistry())).values()
    }


def alert_rules() -> list[dict[str, Any]]:
    """Return the rules of the page."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (group,) = yaml.safe_load(text)["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> list[str]:
    """Return every expression of the page: of the alerts and of the dashboard."""
    dashboard = PAGE.read_text(encoding="utf-8").partition("## A dashboard")[2].partition("## ")[0]
    panels = re.findall(r"`([^`]*auth0_[^`]*)`", dashboard)
    assert len(panels) >= 6
    return [*(rule["expr"] for rule in alert_rules()), *panels]


def test_the_table_of_the_page_has_every_metric() -> None:
    """With its type and its labels."""
    rows = re.findall(r"^\| `(auth0_\w+)` \| (\w+) \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    described = [Described(name, type_, tuple(re.findall(r"\w+", labels))) for name, type_, labels in rows]
    assert len(described) == len(set(described))
    assert set(described) == metrics_of_the_code()


def test_the_page_names_every_reason() -> None:
    """``http_...`` from the first to the last."""
    page = PAGE.read_text(encoding="utf-8")
    for reason in set(REASONS) - {"http_2xx", "http_3xx", "http_4xx"}:
        assert f"`{reason}`" in page


def test_names_are_those_that_prometheus_wants() -> None:
    """Counters end in ``_total``, times in ``_seconds``, and each has a text."""
    for metric in vars(Collectors(CollectorRegistry())).values():
        assert metric._documentation.endswith(".")
    for metric in metrics_of_the_code():
        assert (metric.type == "counter") == metric.name.endswith("_total")
        assert re.fullmatch(r"auth0_[a-z_]+", metric.name)


def test_queries_ask_for_metrics_labels_and_codes_that_there_are() -> None:
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


def test_counters_are_asked_for_their_rise_only() -> None:
    """A counter as such says since when a process runs, and no more."""
    for query in queries():
        for before, name in re.findall(r"(\w+) ?\((auth0_\w+)", query):
            assert (before in {"rate", "increase"}) == name.endswith("_total"), query


def test_every_alert_is_whole() -> None:
    """A name of its own, how long, how bad, and what it means."""
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    for rule in rules:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])[0].split(", ")


def blocks(title: str) -> list[str]:
    """Return the code of the blocks in the sections of the page with this *title*."""
    return [block.code for block in python_blocks(PAGE) if block.title == title]


def test_the_app_of_the_page_shows_its_metrics(issuer: LocalIssuer) -> None:
    """In the registry of prometheus-client, at ``/metrics``, beside the guards."""
    (factory,), (mounting,) = blocks("Switch them on"), blocks("One process")
    app = run_block(PAGE, factory)["create_app"](issuer.settings)
    run_block(PAGE, mounting, app=app)
    client = app.test_client()
    before = REGISTRY.get_sample_value("auth0_tokens_verified_total") or 0
    assert client.get("/auth/me", headers=bearer(issuer.token())).status_code == 200
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert f"\nauth0_tokens_verified_total {before + 1:.1f}\n" in answer.text


def test_the_listeners_of_the_page_count(app: Flask, issuer: LocalIssuer) -> None:
    """For those who have no Prometheus."""

    class StatsD:
        counted: list[str] = []  # noqa: RUF012 - one for the test

        def incr(self, name: str) -> None:
            self.counted.append(name)

    (code,) = blocks("StatsD, OpenTelemetry and others")
    module = run_block(PAGE, code, statsd=StatsD())
    app.test_client().get("/ours", headers=bearer(issuer.token()))
    app.test_client().get("/ours")
    assert StatsD.counted == ["auth0.verified", "auth0.rejected.authorization_header_missing"]
    assert module["count_verified"]
