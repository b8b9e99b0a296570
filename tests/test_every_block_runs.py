"""Every block of code in the documents is run by a test, or it is written down here why none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from documents import ROOT, Block, blocks_of, pages, run_block
from flask import Flask

from auth0_blueprint import Auth0Blueprint
from auth0_blueprint.settings.schema import SettingsSchema

#: What a reader copies. What a program answers (http, json, text), and Sphinx's own, is not run.
CODE = {"python", "console", "sh", "ini", "nginx", "javascript", "yaml"}
NO_CODE = {"", "http", "json", "text", "{toctree}", "{eval-rst}"}


class By(NamedTuple):
    """A test runs it: a function of a file in ``tests/`` that reads the page."""

    file: str
    test: str


class NotRun(NamedTuple):
    """No test does."""

    because: str


Entry = tuple[str, str, By | NotRun]

EXAMPLES = "test_document_examples.py"
GUIDES = "test_how_to_guides.py"
TUTORIAL = "test_tutorial.py"
MTLS = "system/test_client_certificates.py"
SETTINGS = By("test_every_block_runs.py", "test_settings_to_copy_are_taken")
FRAMEWORKS = By("compatibility/test_framework_documents.py", "test_an_example_admits_and_refuses_in_our_words")
CURL = By("test_admin_document.py", "test_the_curl_lines_get_the_answers_that_the_page_shows")
MOVED = By(EXAMPLES, "test_an_app_that_was_moved_answers_its_callers")
RECIPES = By("test_testing_document.py", "test_every_recipe_passes_under_pytest")
WORKERS = By("fleet/test_metrics_of_workers.py", "test_the_figures_of_all_workers_add_up")
ACTION = NotRun("Auth0 runs it, in the tenant")
INSTALLS = NotRun("it installs packages, and tests have no network")
TENANT = NotRun("it needs a tenant; the same requests of the tutorial are run against a local issuer")

COMMAND_LINE = "commands/test_command_line_document.py"
COMMANDS = By(COMMAND_LINE, "test_what_is_shown_is_what_is_printed")
ENDINGS = NotRun("it shows an app that does not start; test_endings.py makes many of them")

#: page -> section and language of each block of code, in their order, and what becomes of it.
BLOCKS: dict[str, list[Entry]] = {
    "README.md": [
        ("Try it", "console", NotRun("it runs the whole suite, which .ci/run does, and a demo that has its own tests")),
        ("Use it", "python", By(EXAMPLES, "test_the_app_of_the_readme_works")),
        ("Use it", "console", TENANT),
        ("Use it", "console", TENANT),
        ("Errors", "python", By(EXAMPLES, "test_the_error_handler_of_the_readme_renders_with_the_challenge")),
    ],
    "docs/admin.md": [
        *[("The routes", "console", CURL)] * 7,
        (
            "The audit trail",
            "python",
            By("test_admin_document.py", "test_the_listeners_of_the_page_keep_a_trail"),
        ),
    ],
    "docs/command-line.md": [
        ("What all of them have in common", "console", ENDINGS),
        ("doctor", "console", COMMANDS),
        ("doctor", "console", NotRun("it shows an outage; test_doctor_command.py makes this one and many more")),
        (
            "inspect",
            "console",
            By("commands/test_inspect_document.py", "test_what_is_shown_is_what_is_printed"),
        ),
        ("jwks", "console", COMMANDS),
        ("routes", "console", By(COMMAND_LINE, "test_the_table_of_routes_is_that_of_the_guide_and_a_route_more")),
        ("What it cannot see", "python", By(COMMAND_LINE, "test_the_routes_of_an_extension_are_decided_as_shown")),
        ("token", "console", NotRun("it needs a tenant; test_token_command.py asks a local issuer")),
        ("token", "console", NotRun("it needs a tenant; test_token_command.py asks a local issuer")),
        ("demo", "console", NotRun("it has tests of its own, in test_demo_command.py")),
    ],
    "docs/configuration.md": [("Settings", "ini", SETTINGS), ("Several domains", "ini", SETTINGS)],
    "docs/dpop.md": [("Switching it on", "python", SETTINGS)],
    "docs/flask-jwt-extended.md": [
        (
            "flask-jwt-extended",
            "python",
            By(EXAMPLES, "test_the_user_lookup_of_the_page_on_flask_jwt_extended_works"),
        )
    ],
    "docs/frameworks.md": [
        ("Flask-RESTX", "python", FRAMEWORKS),
        ("flask-smorest", "python", FRAMEWORKS),
        ("APIFlask", "python", FRAMEWORKS),
        ("Class-based and `async def` views", "python", FRAMEWORKS),
        ("Error handlers for everything", "python", FRAMEWORKS),
        ("Several apps in one process", "python", FRAMEWORKS),
        ("PyJWT of your own", "python", FRAMEWORKS),
    ],
    "docs/how-to/behind-a-proxy.md": [
        ("One address: `AUTH0_PUBLIC_URL`", "ini", SETTINGS),
        (
            "Several: `ProxyFix` and `TRUSTED_HOSTS`",
            "python",
            By(GUIDES, "test_behind_the_proxy_of_the_page_the_address_is_that_of_the_client"),
        ),
        (
            "Several: `ProxyFix` and `TRUSTED_HOSTS`",
            "nginx",
            By("system/test_behind_a_proxy.py", "test_a_proof_names_the_address_that_the_client_knows"),
        ),
    ],
    "docs/how-to/machine-clients.md": [
        ("Let machines in", "python", By(GUIDES, "test_a_machine_is_known_by_its_client_id_in_both_profiles")),
        (
            "In the machine",
            "python",
            By(GUIDES, "test_the_machine_of_the_page_keeps_its_token_until_it_is_about_to_end"),
        ),
    ],
    "docs/how-to/permissions.md": [
        ("Use Auth0's roles and permissions", "python", By(GUIDES, "test_a_permission_opens_what_the_page_says"))
    ],
    "docs/how-to/protect-a-blueprint.md": [
        (
            "Protect a blueprint",
            "python",
            By(GUIDES, "test_a_protected_blueprint_lets_in_whom_its_page_says"),
        )
    ],
    "docs/how-to/redis.md": [
        ("Share through Redis", "console", INSTALLS),
        (
            "Share through Redis",
            "python",
            By(GUIDES, "test_with_the_redis_of_the_page_health_says_that_the_fleet_shares"),
        ),
    ],
    "docs/mcp.md": [
        (
            "An MCP server in Flask",
            "python",
            By("test_mcp_document.py", "test_a_client_finds_its_way_from_the_url_alone"),
        ),
        ("An MCP server in Flask", "ini", SETTINGS),
        (
            "Clients in a browser",
            "python",
            By("test_mcp_document.py", "test_a_client_in_a_browser_may_read_what_it_needs"),
        ),
    ],
    "docs/metrics.md": [
        ("Switch them on", "python", By("test_metrics.py", "test_the_app_of_the_page_shows_its_metrics")),
        ("One process", "python", By("test_metrics.py", "test_the_app_of_the_page_shows_its_metrics")),
        ("Several processes", "console", NotRun("the test of its blocks of Python starts gunicorn in its own way")),
        ("Several processes", "python", WORKERS),
        ("gunicorn.conf.py", "python", WORKERS),
        ("Alert rules", "yaml", By("test_metrics.py", "test_every_alert_is_whole")),
        (
            "StatsD, OpenTelemetry and others",
            "python",
            By("test_metrics.py", "test_the_listeners_of_the_page_count"),
        ),
    ],
    "docs/migrating.md": [
        *[("After", "python", MOVED)] * 4,
        ("What changes for clients", "python", By(EXAMPLES, "test_the_old_body_can_be_kept")),
    ],
    "docs/mtls.md": [
        (
            "nginx in front of gunicorn",
            "nginx",
            NotRun("in the normal suite: make test-system runs it in a real nginx"),
        ),
        ("nginx in front of gunicorn", "sh", NotRun("make test-system starts gunicorn on a socket of its own")),
        ("nginx in front of gunicorn", "ini", SETTINGS),
        ("nginx in front of gunicorn", "ini", SETTINGS),
        ("The setting", "python", NotRun("in the normal suite: make test-system runs it in a real gunicorn")),
    ],
    "docs/scaling.md": [("Many processes", "python", SETTINGS)],
    "docs/step-up.md": [
        (
            "Step-up: a second factor, or a recent login",
            "python",
            By(EXAMPLES, "test_the_payment_of_the_page_on_step_up_wants_the_login_that_its_challenge_names"),
        ),
        *[("What to set up in Auth0", "javascript", ACTION)] * 3,
    ],
    "docs/testing.md": [
        ("With pytest", "python", RECIPES),
        (
            "With unittest",
            "python",
            By("test_testing_document.py", "test_the_recipe_for_unittest_passes_under_unittest"),
        ),
        *[
            (title, "python", RECIPES)
            for title in (
                "Tokens that are refused",
                "Machines",
                "RBAC permissions",
                "Organizations",
                "Logins",
                "Key rotation",
                "An outage of Auth0",
                "DPoP",
                "Client certificates",
                "Your own client of Auth0",
            )
        ],
    ],
    "docs/tutorial.md": [
        ("Install", "console", INSTALLS),
        ("Write the app", "python", By(TUTORIAL, "test_what_is_left_is_closed_but_for_what_is_public")),
        *[
            ("Run it with an issuer of your own", language, By(TUTORIAL, test))
            for language in ("python", "console", "console")
            for test in ("test_the_three_requests_get_the_answers_that_the_page_shows",)
        ],
        ("Run it with an issuer of your own", "console", By(TUTORIAL, "test_inspect_says_what_the_page_shows")),
        ("Close the rest", "python", By(TUTORIAL, "test_what_is_left_is_closed_but_for_what_is_public")),
        *[
            ("Test it", language, By(TUTORIAL, "test_the_test_of_the_page_passes_and_notices_a_guard_that_is_missing"))
            for language in ("python", "console")
        ],
        *[("Use your tenant", "console", By(TUTORIAL, "test_the_lines_for_a_tenant_get_a_token_and_an_answer"))] * 2,
    ],
}


def code_of(page: Path) -> list[Block]:
    """Return the blocks of code on *page*, but for those that it advises to replace."""
    return [block for block in blocks_of(page) if block.language in CODE and not block.mark]


def test_every_block_of_code_is_accounted_for() -> None:
    """A new one needs a test that runs it, and an entry above that names the test; or the reason why there is none."""
    found = {
        page.relative_to(ROOT).as_posix(): [(block.title, block.language) for block in code]
        for page in pages()
        if (code := code_of(page))
    }
    assert found == {page: [(title, language) for title, language, _ in entries] for page, entries in BLOCKS.items()}


def test_no_block_hides_behind_its_fence() -> None:
    """An unknown language, an indented fence or one of tildes would be run by nobody."""
    for page in pages():
        assert {block.language for block in blocks_of(page)} <= CODE | NO_CODE, page.name
        lines = page.read_text(encoding="utf-8").splitlines()
        fences = [line for line in lines if line.lstrip("> ").startswith(("```", "~~~"))]
        assert all(line.startswith("```") and line[3:4] != "`" for line in fences), page.name


RUN = [(page, entry) for page, entries in BLOCKS.items() for *_, entry in entries if isinstance(entry, By)]


@pytest.mark.parametrize(("page", "entry"), sorted(set(RUN)), ids=lambda value: getattr(value, "test", value))
def test_the_test_that_is_named_is_there_and_reads_the_page(page: str, entry: By) -> None:
    """By its name, and by that of the page."""
    source = (ROOT / "tests" / entry.file).read_text(encoding="utf-8")
    assert f"def {entry.test}(" in source
    assert f'"{Path(page).name}"' in source or entry == SETTINGS


def settings_of(page: Path, block: Block) -> dict[str, Any]:
    """Return what *block* sets, as a file of Python or as an environment."""
    if block.language == "python":
        return {name: value for name, value in run_block(page, block.code).items() if name.isupper()}
    pairs = (line.partition("=") for line in block.code.split("\n") if line)
    return {name: value for name, _, value in pairs}


TO_COPY = [
    pytest.param(ROOT / page, block, id=f"{page}: {block.title}")
    for page, entries in BLOCKS.items()
    for (_, _, entry), block in zip(entries, code_of(ROOT / page), strict=False)
    if entry == SETTINGS
]


@pytest.mark.parametrize(("page", "block"), TO_COPY)
def test_settings_to_copy_are_taken(page: Path, block: Block) -> None:
    """Beside a domain and an audience, where the block has none. Each is a setting that there is."""
    settings = settings_of(page, block)
    assert settings
    assert {name for name in settings if not name.startswith("CACHE_")} <= SettingsSchema().fields.keys()
    app = Flask("tested")
    app.config.update(AUTH0_DOMAIN="example.eu.auth0.com", AUTH0_AUDIENCE="https://api.example.com")
    app.config.update(settings)
    app.register_blueprint(Auth0Blueprint())
    assert "auth0" in app.extensions
