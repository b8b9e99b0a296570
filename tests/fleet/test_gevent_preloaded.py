"""gunicorn with ``--preload`` and gevent: it patches the library after the app was imported, and all works."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import make_credential
from documents import ROOT, python_blocks

from auth0_blueprint.testing import LocalIssuer

from .redis_server import RedisServer
from .servers import COOLDOWN, KeySetServer, workers
from .test_sentinel_and_cluster import cluster

pytestmark = pytest.mark.usefixtures("unmeasured")

#: The app of these tests. What requests trusts by default is the certificate of the key set.
TRUSTING = """
import os
import requests.adapters
requests.adapters.DEFAULT_CA_BUNDLE_PATH = os.environ["REQUESTS_CA_BUNDLE"]
from fleet_app import app
"""
PATCHING = next(python_blocks(ROOT / "docs" / "how-to" / "servers.md")).code
WARNING = "gunicorn preloads this app, and its gevent workers patch the standard library only afterwards"


@pytest.fixture
def tls_key_set(issuer: LocalIssuer, tmp_path: Path) -> Iterator[KeySetServer]:
    """A key set over https, with a certificate that ``tmp_path / "trusting.py"`` trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_credential("issuer").write_to(tmp_path, "issuer"))
    (tmp_path / "trusting.py").write_text(TRUSTING)
    with KeySetServer(issuer, context) as server:
        yield server


@pytest.mark.parametrize(
    ("arguments", "configuration", "is_warned", "is_verified_at_import"),
    [
        (["--preload"], "", True, False),
        (["--preload"], "", True, True),
        (["--preload"], PATCHING, False, True),
        ([], "", False, False),
    ],
    ids=["preloaded", "preloaded and asked before the fork", "patched first", "loaded by the worker"],
)
def test_keys_come_over_tls(
    tls_key_set: KeySetServer,
    redis: RedisServer,
    tmp_path: Path,
    arguments: list[str],
    configuration: str,
    is_warned: bool,
    is_verified_at_import: bool,
) -> None:
    """Whatever was done before the fork. The mistake is named once, at startup, in the process that makes it."""
    (tmp_path / "gunicorn.conf.py").write_text(configuration)
    settings = {**tls_key_set.settings, **redis.settings, **COOLDOWN, "REQUESTS_CA_BUNDLE": f"{tmp_path}/issuer.crt"}
    if is_verified_at_import:
        settings["VERIFY_AT_IMPORT"] = tls_key_set.issuer.token()
    with workers(tmp_path, settings, *arguments, number=2, worker_class="gevent", app="trusting:app") as fleet:
        for number, token_of in enumerate((tls_key_set.issuer.token, tls_key_set.rotate), 1):
            assert fleet.ask_every_worker(token_of()).are_all_ok, fleet.trouble()
            assert tls_key_set.fetches == number, fleet.trouble()
        assert fleet.trouble().count(WARNING) == is_warned


@pytest.mark.parametrize("is_verified_at_import", [False, True], ids=["cold", "verified at import"])
def test_a_cluster_blocks_no_worker(
    key_set_server: KeySetServer, redis_server: str, tmp_path: Path, is_verified_at_import: bool
) -> None:
    """Its client connects when it is made, while other requests of the only thread want it as well."""
    with cluster(redis_server, tmp_path) as (cache, _):
        settings = {**key_set_server.settings, **COOLDOWN, **cache}
        if is_verified_at_import:
            settings["VERIFY_AT_IMPORT"] = key_set_server.issuer.token()
        with workers(tmp_path, settings, "--preload", number=2, worker_class="gevent") as fleet:
            for number, token_of in enumerate((key_set_server.issuer.token, key_set_server.rotate), 1):
                token = token_of()
                assert fleet.load([token] * 64, clients=32).are_all_ok, fleet.trouble()
                assert fleet.ask_every_worker(token).are_all_ok, fleet.trouble()
                assert key_set_server.fetches == number, fleet.trouble()
            assert "unavailable" not in fleet.trouble()
