"""The fixtures for pytest, in projects of their own, where pytest finds the plugin by its entry point."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from processes import TESTED_PACKAGE

import auth0_blueprint
from auth0_blueprint.testing import pytest_plugin

pytest_plugins = ["pytester"]

PACKAGE = Path(auth0_blueprint.__file__).parent

APP = """
from flask import Flask
from auth0_blueprint import Auth0Blueprint, current_token, requires_scope

def create_app(config):
    app = Flask(__name__)
    app.config.update(config)
    app.register_blueprint(Auth0Blueprint())

    @app.get("/api/messages")
    @requires_scope("read:messages")
    def messages():
        return {"subject": current_token.subject}

    return app
"""

#: All that a project needs beside its tests.
CONFTEST = """
import pytest
from yourapp import create_app

@pytest.fixture(scope="{scope}")
def app(auth0_issuer):
    return create_app(auth0_issuer.settings)
"""


class Project:
    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", TESTED_PACKAGE["PYTHONPATH"])
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        self._pytester = pytester
        pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config")
        pytester.makepyfile(yourapp=APP)

    def write(self, tests: str, scope: str = "function") -> None:
        """Write *tests* beside the fixture `app`, which is of *scope*."""
        self._pytester.makeconftest(CONFTEST.format(scope=scope))
        self._pytester.makepyfile(test_yours=tests)

    def run(self, *arguments: str, **outcomes: int) -> pytest.RunResult:
        """Run pytest in a process of its own, and expect *outcomes* if there are any."""
        result = self._pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=60)
        if outcomes:
            result.assert_outcomes(**outcomes)
        return result

    def run_python(self, code: str) -> str:
        result = self._pytester.run(sys.executable, "-c", code, timeout=60)
        assert result.ret == 0, result.stderr.str()
        return result.outlines[-1]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def test_a_project_needs_a_fixture_of_its_app_and_nothing_else(project: Project) -> None:
    project.write(
        """
        import pytest

        @pytest.fixture
        def client(app):
            return app.test_client()

        def test_messages(auth0_client, auth0_issuer, auth0_token, client):
            def answer(client, **options):
                response = client.get("/api/messages", **options)
                return response.status_code, response.get_json().get("code")

            assert answer(auth0_client(scope="read:messages")) == (200, None)
            assert answer(auth0_client()) == (403, "insufficient_scope")
            assert answer(auth0_client(scope="read:messages", expires_in=-60)) == (401, "token_expired")
            assert answer(auth0_client(auth0_issuer.machine_token(scope="read:messages"))) == (200, None)
            assert answer(client) == (401, "authorization_header_missing")
            headers = {"Authorization": f"Bearer {auth0_token(scope='read:messages')}"}
            assert answer(client, headers=headers) == (200, None)

        def test_claims_beside_a_token_are_not_lost_in_silence(auth0_client, auth0_token):
            with pytest.raises(TypeError, match="not both"):
                auth0_client(auth0_token(), scope="read:messages")
        """
    )
    project.run(passed=2)


def test_what_a_test_does_to_the_issuer_is_undone(project: Project) -> None:
    """However it ends. The session has one issuer all the same."""
    project.write(
        """
        import pytest

        FIRST = []

        @pytest.fixture(autouse=True)
        def issuer_is_as_it_was(auth0_issuer):
            state = [id(auth0_issuer), auth0_issuer.key_set, auth0_issuer.fetch_count, auth0_issuer._is_out]
            assert FIRST in ([], state)
            FIRST[:] = state

        def add_a_key(issuer, client):
            issuer.rotate()

        def have_another_key(issuer, client):
            issuer.rotate()
            issuer.remove_key(issuer.key_ids[0])

        def be_out(issuer, client):
            issuer.test_outage = issuer.outage()
            issuer.test_outage.__enter__()

        def be_asked(issuer, client):
            assert client.get("/api/messages").status_code == 200
            assert issuer.fetch_count == 1

        @pytest.mark.parametrize("ending", ["passes", "fails", "is skipped"])
        @pytest.mark.parametrize("change", [add_a_key, have_another_key, be_out, be_asked])
        def test_that_changes_it(auth0_issuer, auth0_client, change, ending):
            change(auth0_issuer, auth0_client(scope="read:messages"))
            assert ending != "fails"
            if ending == "is skipped":
                pytest.skip()

        def test_afterwards():
            pass
        """
    )
    project.run(passed=5, failed=4, skipped=4)


def test_an_app_may_live_as_long_as_the_session(project: Project) -> None:
    """The issuer and the minting of tokens do; what a key added by one test has opened stays open."""
    project.write(
        """
        def test_a_new_key(auth0_issuer, auth0_client):
            assert auth0_client(scope="read:messages").get("/api/messages").status_code == 200
            auth0_issuer.rotate()

        def test_the_first_key_again(auth0_issuer, auth0_client):
            assert auth0_client(scope="read:messages").get("/api/messages").status_code == 200
            assert auth0_issuer.fetch_count == 0
        """,
        scope="session",
    )
    project.run(passed=2)


def test_what_the_issuer_is_made_with_can_be_overridden(project: Project) -> None:
    project.write(
        """
        import pytest

        @pytest.fixture(scope="session")
        def auth0_issuer_options():
            return {"audience": "https://mine.example.com", "algorithm": "ES256"}

        def test_messages(auth0_issuer, auth0_client):
            assert (auth0_issuer.audience, auth0_issuer.algorithm) == ("https://mine.example.com", "ES256")
            assert auth0_client(scope="read:messages").get("/api/messages").status_code == 200
        """
    )
    project.run(passed=1)


@pytest.mark.parametrize(
    ("fixture", "arguments", "missing"),
    [("auth0_client", (), "app"), ("auth0_issuer", ("-p", "no:auth0_blueprint"), "auth0_issuer")],
    ids=["no app", "left out"],
)
def test_a_project_without_the_app_or_the_plugin_is_told_which_fixture_is_missing(
    project: Project, pytester: pytest.Pytester, fixture: str, arguments: tuple[str, ...], missing: str
) -> None:
    """In pytest's own words. It can be left out by pytest's own switch, and the name of the package."""
    pytester.makepyfile(f"def test_messages({fixture}): ...")
    project.run(*arguments, errors=1).stdout.fnmatch_lines([f"E*fixture '{missing}' not found"])


def test_the_fixtures_describe_themselves(project: Project) -> None:
    listing = project.run("--fixtures").stdout.str()
    for name in ("auth0_issuer_options", "auth0_issuer", "auth0_token", "auth0_client"):
        assert re.search(rf"^{name}( \[session scope\])? -- .*\n    [A-Z]", listing, re.MULTILINE)


#: Runs pytest in this process, and prints what has happened meanwhile that can be noticed outside of it.
WATCHED_RUN = """
import json, sys, threading
import requests  # which tries out IPv6 when it is imported
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.startswith("socket.") else None)
start = threading.Thread.start
threading.Thread.start = lambda thread: events.append("thread") or start(thread)
import pytest
status = pytest.main(["-q", "-p", "no:cacheprovider"])
is_loaded = "auth0_blueprint.testing.pytest_plugin" in sys.modules
print()
print(json.dumps([int(status), is_loaded, events, threading.active_count()]))
"""


@pytest.mark.parametrize(
    ("fixture", "events"), [("", []), ("auth0_issuer", ["socket.__new__", "socket.bind", "thread"])]
)
def test_it_does_nothing_before_it_is_used_and_leaves_nothing_behind(
    project: Project, fixture: str, events: list[str]
) -> None:
    """An issuer is one thread and one port on loopback; no name is looked up, not even that of this machine."""
    project.write(f"def test_messages({fixture}): ...")
    assert json.loads(project.run_python(WATCHED_RUN)) == [0, True, events, 1]
    assert ("auth0" in project.run("--setup-show", "-q").stdout.str()) is bool(fixture)


def test_it_adds_no_option_no_marker_and_no_hook() -> None:
    """Nothing of it can clash with another plugin, or is asked for each test."""
    assert [name for name in vars(pytest_plugin) if name.startswith("pytest_")] == []


def test_importing_it_costs_no_package_that_auth0_blueprint_has_not_imported(project: Project) -> None:
    """Every module in a package is imported after the package, so that much it costs in any case."""
    code = """
import json, sys, pytest, auth0_blueprint
before = set(sys.modules)
import auth0_blueprint.testing.pytest_plugin
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)))
"""
    assert json.loads(project.run_python(code)) == ["auth0_blueprint"]


def test_pytest_can_be_started_where_the_app_is_imported_already(project: Project, pytester: pytest.Pytester) -> None:
    """By a command of the app, for example. Of plugins that are installed pytest wants to rewrite what asserts."""
    installed = pytester.mkdir("installed")
    shutil.copytree(PACKAGE, installed / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = installed / "auth0_blueprint-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: auth0_blueprint\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[pytest11]\nauth0_blueprint = {pytest_plugin.__name__}\n")
    (metadata / "RECORD").write_text("auth0_blueprint/__init__.py,,\n")
    project.write("def test_messages(auth0_client): ...")
    start = "import sys; sys.path.insert(0, 'installed'); import yourapp, pytest; print(int(pytest.main(['-q'])))"
    assert project.run_python(start) == "0"
