"""Every block of code in the documents runs here, or an entry names the test that runs it, or says why none does.

What a block does is tested where its page is tested. Here a new block that fails is noticed without a test of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from documents import ROOT, Block, blocks_of, pages, run_block
from flask import Flask

from auth0_blueprint import Auth0Blueprint, current_token
from auth0_blueprint.settings.schema import SettingsSchema
from auth0_blueprint.testing import LocalIssuer

#: What a reader copies. What a program answers (http, json, text), and Sphinx's own, is not run.
CODE = {"python", "console", "sh", "ini", "nginx", "apache", "javascript", "yaml"}
NO_CODE = {"", "http", "json", "text", "{toctree}", "{eval-rst}"}


class By(NamedTuple):
    """A test runs it: a function of a file in ``tests/`` that reads the page."""

    file: str
    test: str


CA_FILE = "/etc/ssl/redis-ca.pem"
TENANT = "it needs a tenant; the same requests of the tutorial are run against a local issuer"
INSTALLS = "it installs packages, but tests have no network"
OWN_WAY = "not in this suite: make test-system starts the servers in its own way"
CURL = By("test_admin_document.py", "test_the_curl_lines_get_the_answers_that_the_page_shows")
TUTORIAL = By("test_tutorial.py", "test_the_three_requests_get_the_answers_that_the_page_shows")
TESTED = By("test_tutorial.py", "test_the_test_of_the_page_passes_and_notices_a_guard_that_is_missing")
ASKED = By("test_tutorial.py", "test_the_lines_for_a_tenant_get_a_token_and_an_answer")
COMMANDS = By("commands/test_command_line_document.py", "test_what_is_shown_is_what_is_printed")
ROUTES = By("commands/test_command_line_document.py", "test_the_table_of_routes_is_that_of_the_guide_and_a_route_more")
INSPECT = By("commands/test_command_line_document.py", "test_what_is_shown_of_a_token_is_what_is_printed")
SCOPES = By("commands/test_command_line_document.py", "test_what_is_shown_of_scopes_is_what_is_printed")
REVOKED = By("commands/test_command_line_document.py", "test_what_is_shown_of_revocations_is_what_is_printed")
EVENTS = By("commands/test_command_line_document.py", "test_what_is_shown_of_events_is_what_is_sent_and_said")
PROXY = By("system/test_behind_a_proxy.py", "test_a_proof_names_the_address_that_the_client_knows")
STREAM = By("events/test_security_events_page.py", "test_the_curl_lines_set_up_a_stream")
INJECTED = By("test_outgoing_network.py", "test_truststore_is_used_where_it_is_injected")
LOGOUT = By("events/test_event_pages.py", "test_the_lines_on_back_channel_logout_get_the_answers_shown")
UNIVERSAL = By("events/test_event_pages.py", "test_the_lines_on_universal_logout_get_the_answers_shown")
DECRYPTED = By("test_encrypted_tokens_page.py", "test_the_key_of_the_page_decrypts_in_the_app_of_the_page")
RECIPES = By("test_testing_document.py", "test_every_recipe_passes_under_pytest")

#: page, section and language of the blocks that cannot run here; the test that runs them, or why none does.
ELSEWHERE: dict[tuple[str, str, str], By | str] = {
    ("README.md", "Try it", "console"): "it runs the suite, as .ci/run does, and demos with tests of their own",
    ("README.md", "Use it", "console"): TENANT,
    ("docs/admin.md", "The routes", "console"): CURL,
    ("docs/command-line.md", "What all of them have in common", "console"): "test_command_errors.py has many",
    ("docs/command-line.md", "doctor", "console"): COMMANDS,
    ("docs/command-line.md", "events", "console"): EVENTS,
    ("docs/command-line.md", "inspect", "console"): INSPECT,
    ("docs/command-line.md", "jwks", "console"): COMMANDS,
    ("docs/command-line.md", "revocations", "console"): REVOKED,
    ("docs/command-line.md", "revoke", "console"): REVOKED,
    ("docs/command-line.md", "lift", "console"): REVOKED,
    ("docs/command-line.md", "routes", "console"): ROUTES,
    ("docs/command-line.md", "scopes", "console"): SCOPES,
    ("docs/command-line.md", "The definition of the API", "console"): SCOPES,
    ("docs/command-line.md", "token", "console"): "it needs a tenant; test_token_command.py asks a local issuer",
    ("docs/command-line.md", "demo", "console"): "it has tests of its own, in test_demo_command.py",
    ("docs/how-to/auth0-events.md", "Try it", "console"): By(
        "events/test_auth0_events_page.py", "test_the_curl_lines_get_the_answers_that_the_page_shows"
    ),
    ("docs/how-to/auth0-events.md", "Answers, and what Auth0 does next", "console"): "it needs a tenant",
    ("docs/how-to/backchannel-logout.md", "Try it", "console"): LOGOUT,
    ("docs/how-to/backchannel-logout.md", "End one session only", "javascript"): "Auth0 runs it, in the tenant",
    ("docs/how-to/behind-a-proxy.md", "Several: `ProxyFix` and `TRUSTED_HOSTS`", "nginx"): PROXY,
    ("docs/how-to/encrypted-tokens.md", "Make a key", "console"): DECRYPTED,
    ("docs/how-to/encrypted-tokens.md", "In the app", "python"): DECRYPTED,
    ("docs/how-to/outgoing-network.md", "Certificate authorities", "python"): INJECTED,
    ("docs/how-to/redis.md", "Share through Redis", "console"): INSTALLS,
    ("docs/how-to/security-events.md", "Set up the stream", "console"): STREAM,
    ("docs/how-to/security-events.md", "Set up the stream", "sh"): STREAM,
    ("docs/how-to/servers.md", "gunicorn with gevent", "python"): By(
        "fleet/test_gevent_preloaded.py", "test_keys_come_over_tls"
    ),
    ("docs/how-to/servers.md", "Apache with mod_wsgi", "apache"): OWN_WAY,
    ("docs/how-to/servers.md", "ASGI servers", "python"): By("fleet/server_life.py", "live"),
    (
        "docs/how-to/sockets.md",
        "Flask-SocketIO",
        "javascript",
    ): "it needs a browser; the same is sent by a Python client",
    ("docs/how-to/sockets.md", "Browsers", "javascript"): "it needs a browser; the same is sent by a Python client",
    ("docs/how-to/universal-logout.md", "Users named by email", "javascript"): "Auth0 runs it, in the tenant",
    ("docs/how-to/universal-logout.md", "Try it", "console"): UNIVERSAL,
    ("docs/metrics.md", "Several processes", "console"): "test_metrics_of_workers.py starts gunicorn in its own way",
    ("docs/metrics.md", "Alert rules", "yaml"): By("test_metrics.py", "test_every_alert_is_whole"),
    ("docs/mtls.md", "nginx in front of gunicorn", "nginx"): OWN_WAY,
    ("docs/mtls.md", "nginx in front of gunicorn", "sh"): OWN_WAY,
    ("docs/step-up.md", "What to set up in Auth0", "javascript"): "Auth0 runs it, in the tenant",
    ("docs/tutorial.md", "Install", "console"): INSTALLS,
    ("docs/tutorial.md", "Run it with an issuer of your own", "python"): TUTORIAL,
    ("docs/tutorial.md", "Run it with an issuer of your own", "console"): TUTORIAL,
    ("docs/tutorial.md", "Test it", "python"): TESTED,
    ("docs/tutorial.md", "Test it", "console"): TESTED,
    ("docs/tutorial.md", "Use your tenant", "console"): ASKED,
    **{("docs/testing.md", block.title, "python"): RECIPES for block in blocks_of(ROOT / "docs" / "testing.md")},
}


def app_with(settings: dict[str, Any]) -> Flask:
    """Start an app with *settings*, and a domain and an audience if they have none. Each must exist."""
    assert settings
    assert {name for name in settings if not name.startswith("CACHE_")} <= SettingsSchema().fields.keys()
    app = Flask("tested")
    app.config.update(AUTH0_DOMAIN="example.eu.auth0.com", AUTH0_AUDIENCE="https://api.example.com")
    # A file that readers have, and that must be there.
    app.config.update(
        {
            key: str(value).replace(CA_FILE, __file__) if CA_FILE in str(value) else value
            for key, value in settings.items()
        }
    )
    app.register_blueprint(Auth0Blueprint())
    return app


BLOCKS = [(page.relative_to(ROOT).as_posix(), block) for page in pages() for block in blocks_of(page)]
HERE = [
    pytest.param(name, block, id=f"{name}: {block.title}")
    for name, block in BLOCKS
    if block.language in CODE and (name, block.title, block.language) not in ELSEWHERE
]


@pytest.mark.parametrize(("name", "block"), HERE)
def test_a_block_runs(name: str, block: Block, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the names that pages leave to their readers. An app or settings that it defines are tried."""
    if block.mark:
        assert (block.language, block.mark) == ("python", "before")
        compile(block.code, name, "exec")  # the page advises against it, and it needs packages that are not installed
    elif block.language == "ini":
        pairs = (line.partition("=") for line in block.code.splitlines() if line)
        assert "auth0" in app_with({key: value for key, _, value in pairs}).extensions
    else:
        assert block.language == "python", "it needs a test that runs it, and an entry above that names the test"
        monkeypatch.setenv("AUTH0_ISSUER", issuer.issuer)
        monkeypatch.setenv("AUTH0_AUDIENCE", issuer.audience)
        left: dict[str, Any] = {"app": Flask("tested"), "current_token": current_token, "find_user": dict, "trail": []}
        defined = run_block(ROOT / name, block.code, **left)
        if make := defined.get("create_app"):
            app = make(issuer.settings)
            assert "auth0" in getattr(app, "app", app).extensions  # Connexion has an app inside its own
        if settings := {key: value for key, value in defined.items() if key.startswith(("AUTH0_", "CACHE_"))}:
            monkeypatch.undo()
            assert "auth0" in app_with(settings).extensions


def test_no_block_is_in_an_unknown_language() -> None:
    """No test would run it."""
    assert {block.language for _, block in BLOCKS} <= CODE | NO_CODE


def test_every_block_elsewhere_is_there() -> None:
    """Remove the entry when its block is removed."""
    assert ELSEWHERE.keys() <= {(name, block.title, block.language) for name, block in BLOCKS}


RUN = {(page, entry) for (page, *_), entry in ELSEWHERE.items() if isinstance(entry, By)}


@pytest.mark.parametrize(("page", "entry"), sorted(RUN), ids=lambda value: getattr(value, "test", value))
def test_the_test_that_is_named_is_there_and_reads_the_page(page: str, entry: By) -> None:
    source = (ROOT / "tests" / entry.file).read_text(encoding="utf-8")
    assert f"def {entry.test}(" in source
    assert f'"{Path(page).name}"' in source
