"""One scrape says what all workers have done, those that are gone as well. The code is that of docs/metrics.md."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from documents import ROOT, python_blocks
from processes import eventually
from prometheus_client.parser import text_string_to_metric_families

from .servers import Answers, KeySetServer, Workers, workers

pytestmark = pytest.mark.usefixtures("unmeasured")

PAGE = ROOT / "docs" / "metrics.md"

Series = tuple[str, frozenset[tuple[str, str]]]


def scrape(fleet: Workers) -> dict[Series, float]:
    """Ask one worker for everything."""
    answer = fleet.ask(None, "/metrics")
    assert answer.status == 200, fleet.trouble()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def figure(scraped: dict[Series, float], name: str, **labels: str) -> float | None:
    """Return one figure of a scrape."""
    return scraped.get((name, frozenset(labels.items())))


def rejected(scraped: dict[Series, float]) -> dict[str, float]:
    """Return what a scrape says of refusals, by code, where there were any."""
    return {
        dict(labels)["code"]: value
        for (name, labels), value in scraped.items()
        if name == "auth0_tokens_rejected_total" and value
    }


def write_app(directory: Path) -> list[str]:
    """Put the app of the page into *directory*; return the arguments for gunicorn."""
    (view,) = [block.code for block in python_blocks(PAGE) if block.title == "Several processes"]
    (config,) = [block.code for block in python_blocks(PAGE) if block.title == "gunicorn.conf.py"]
    head = "from fleet_app import app\nfrom auth0_blueprint.metrics import instrument\ninstrument(app)\n"
    (directory / "measured_app.py").write_text(head + view)
    (directory / "gunicorn.conf.py").write_text(config)
    return ["--config", "gunicorn.conf.py"]


def ask_for_everything(fleet: Workers, key_set_server: KeySetServer) -> Answers:
    """Have every worker asked with tokens good and bad, and without; return what they have answered."""
    issuer = key_set_server.issuer
    asked = Answers()
    for token, path in (
        (issuer.token(), "/private"),
        (issuer.token(expires_in=-60), "/private"),
        (issuer.token(aud="other"), "/private"),
        (None, "/private"),
        (issuer.token(), "/auth/admin/stats"),
    ):
        asked.all += fleet.ask_every_worker(token, path).all
    return asked


def test_the_figures_of_all_workers_add_up(key_set_server: KeySetServer, tmp_path: Path) -> None:
    """To the requests that were sent, also after a worker was killed, and another one has come."""
    files = tmp_path / "metrics"
    files.mkdir()
    settings = {**key_set_server.settings, "PROMETHEUS_MULTIPROC_DIR": str(files)}
    arguments = write_app(tmp_path)
    issuer = key_set_server.issuer.issuer
    with workers(tmp_path, settings, *arguments, number=2, app="measured_app:app") as fleet:
        sent = ask_for_everything(fleet, key_set_server)
        assert_adds_up(scrape(fleet), sent, key_set_server)
        before = scrape(fleet)

        killed = int(next(iter(sent.by_worker)))
        assert list(files.glob(f"gauge_live*_{killed}.db"))
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: not list(files.glob(f"gauge_live*_{killed}.db")))
        assert_adds_up(scrape(fleet), sent, key_set_server)

        more = ask_for_everything(fleet, key_set_server)
        assert str(killed) not in more.by_worker
        assert len(more.by_worker) == 2
        sent.all += more.all
        after = scrape(fleet)
        assert_adds_up(after, sent, key_set_server)

        name = "auth0_key_set_fetched_timestamp_seconds"
        fetched_before, fetched_after = (figure(scraped, name, issuer=issuer) for scraped in (before, after))
        assert fetched_before is not None
        assert fetched_after is not None
        # The worker that came has fetched for itself: these share no cache.
        assert fetched_before < fetched_after


def test_a_preloaded_app_counts_in_its_workers(key_set_server: KeySetServer, tmp_path: Path) -> None:
    """What the parent has counted before the fork is there once, and not once for each worker."""
    files = tmp_path / "metrics"
    files.mkdir()
    settings = {**key_set_server.settings, "PROMETHEUS_MULTIPROC_DIR": str(files)}
    arguments = write_app(tmp_path)
    token, started_at = key_set_server.issuer.token(), time.time()
    app = tmp_path / "measured_app.py"
    verified_by_parent = (
        "import threading\n"
        f"from auth0_blueprint import verify_token\nwith app.app_context():\n    verify_token({token!r})\n"
        # A thread that counts while the parent forks leaves the lock of its counter locked in the children.
        "for thread in threading.enumerate():\n    if thread.name.startswith('auth0'):\n        thread.join(5)\n"
    )
    app.write_text(app.read_text() + verified_by_parent)
    with workers(tmp_path, settings, *arguments, "--preload", number=2, app="measured_app:app") as fleet:
        sent = fleet.ask_every_worker(token)
        scraped = scrape(fleet)
        assert figure(scraped, "auth0_tokens_verified_total") == 1 + len(sent.all)
        assert figure(scraped, "auth0_token_cache_misses_total") == 1
        issuer = key_set_server.issuer.issuer
        assert figure(scraped, "auth0_key_set_fetches_total", issuer=issuer) == 1
        # The workers use the parent's key set, and have none of their own to date.
        fetched_at = figure(scraped, "auth0_key_set_fetched_timestamp_seconds", issuer=issuer)
        assert fetched_at is not None
        assert started_at <= fetched_at <= time.time()


def assert_adds_up(scraped: dict[Series, float], sent: Answers, key_set_server: KeySetServer) -> None:
    """Compare what is scraped with what was answered."""
    refused = Counter(answer.code for answer in sent.all if answer.status != 200)
    assert set(refused) == {
        "token_expired",
        "invalid_claims",
        "authorization_header_missing",
        "insufficient_scope",
    }
    assert rejected(scraped) == refused
    # Who may not do something was known.
    passed = sent.statuses[200] + sent.statuses[403]
    assert sent.statuses[200] > 0
    assert figure(scraped, "auth0_tokens_verified_total") == passed
    issuer = key_set_server.issuer.issuer
    assert figure(scraped, "auth0_key_set_fetches_total", issuer=issuer) == key_set_server.fetches
    failures = [value for (name, _), value in scraped.items() if name == "auth0_key_set_fetch_failures_total"]
    assert failures
    assert not any(failures)
