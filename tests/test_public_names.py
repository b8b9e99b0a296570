"""What users import stays where it is, costs no more than it must, and is all that the documents send them to."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from documents import ROOT, pages

import auth0_blueprint

ERRORS = [
    "AmbiguousHeaderError", "Auth0Error", "AuthenticationError", "AuthorizationError", "BindingMismatchError",
    "ConfigurationError", "EventRefusedError", "ExpiredTokenError",
    "InsufficientAuthorizationDetailsError", "InsufficientClaimsError",
    "InsufficientPermissionsError", "InsufficientScopeError", "InsufficientUserAuthenticationError",
    "InvalidClaimsError", "InvalidHeaderError",
    "InvalidProofError", "InvalidRequestError", "InvalidSignatureError", "InvalidTokenError",
    "KeySetUnavailableError", "MalformedTokenError", "MethodNotAllowedError", "MissingCredentialsError",
    "NotFoundError", "RateLimitedError", "ReplayMemoryUnavailableError", "RevocationUnavailableError",
    "RevokedTokenError", "TokenExchangeError", "TokenExchangeUnavailableError", "TokenNotYetValidError",
    "UnauthorizedSenderError", "UnavailableError", "UnknownKeyError",
    "UnsupportedAlgorithmError", "UserNotFoundError",
]  # fmt: skip
SIGNALS = [
    "admin_acted", "event_handled", "event_refused", "key_set_refresh_failed", "key_set_refreshed",
    "revocation_changed", "token_rejected", "token_verified",
]  # fmt: skip
GUARDS_AND_OTHERS = [
    "AccessToken", "Actor", "Auth0Blueprint", "AuthorizationDetail", "CallerFilter", "IssuedToken", "SocketGuard",
    "add_caller", "client_token", "connection_token", "current_token", "exchange_token", "get_current_token",
    "has_actor", "has_authorization_details", "has_permission", "has_scope", "headers_for",
    "protect", "public", "recheck_token", "requires_acr", "requires_actor", "requires_auth",
    "requires_authorization_details", "requires_claim",
    "requires_organization", "requires_permission", "requires_recent_login", "requires_scope", "response_body",
    "verify_token",
]  # fmt: skip

#: Module to the names that users may import from it. One may come to it; none leaves it before a new major version.
PUBLIC = {
    "auth0_blueprint": ERRORS + SIGNALS + GUARDS_AND_OTHERS,
    "auth0_blueprint.errors": ERRORS,
    "auth0_blueprint.metrics": ["instrument"],
    "auth0_blueprint.settings": ["EffectiveSetting", "Settings", "load_settings"],
    "auth0_blueprint.signals": SIGNALS,
    "auth0_blueprint.testing": [
        "ClientCertificate", "DPoPKey", "EncryptionKey", "LocalIssuer", "bearer_client", "cloud_event", "log_record",
        "tenant_settings",
    ],
}  # fmt: skip

#: Modules that are run, not imported.
RUN = {"auth0_blueprint.testing.demo"}

#: Pages for those who change the package.
FOR_DEVELOPERS = {"architecture.md", "developing.md", "mutants.md"}


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_where_it_was(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in PUBLIC[module] if not hasattr(imported, name)] == []
    assert sorted(getattr(imported, "__all__", PUBLIC[module])) == sorted(PUBLIC[module])


@pytest.mark.parametrize("name", ERRORS + SIGNALS)
def test_a_name_with_two_paths_is_one_thing(name: str) -> None:
    """Whoever catches the one catches the other."""
    module = importlib.import_module(f"auth0_blueprint.{'errors' if name in ERRORS else 'signals'}")
    assert getattr(module, name) is getattr(auth0_blueprint, name)


def entry_points() -> dict[str, EntryPoint]:
    """Return group to the one entry point that the package has in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        group: EntryPoint(name, value, group)
        for group, named in project["entry-points"].items()
        for name, value in named.items()
    }


def test_entry_points_have_their_names() -> None:
    names = {group: entry_point.name for group, entry_point in entry_points().items()}
    assert names == {"flask.commands": "auth0", "pytest11": "auth0_blueprint"}


def test_the_entry_point_of_flask_loads_the_commands() -> None:
    group = entry_points()["flask.commands"].load()
    assert isinstance(group, click.Group)
    assert group.name == "auth0"
    names = group.list_commands(click.Context(group))
    of_revocations = ["lift", "revocations", "revoke"]
    assert names == ["demo", "doctor", "events", "inspect", "jwks", *of_revocations, "routes", "scopes", "token"]
    assert all(group.get_command(click.Context(group), name) is not None for name in names)


def test_the_entry_point_of_pytest_loads_the_fixtures() -> None:
    plugin = entry_points()["pytest11"].load()
    assert inspect.ismodule(plugin)
    fixtures = {name for name in vars(plugin) if name.startswith("auth0_")}
    assert fixtures == {"auth0_client", "auth0_issuer", "auth0_issuer_options", "auth0_token"}


@pytest.mark.parametrize(
    "unwanted", ["redis", "apispec", "prometheus_client", "pytest", "auth0_blueprint.cli", "auth0_blueprint.testing"]
)
def test_importing_the_package_imports_no_part_that_an_app_may_do_without(unwanted: str, imported: set[str]) -> None:
    """A worker starts as fast as it can."""
    assert unwanted not in imported


@pytest.fixture(scope="module")
def imported() -> set[str]:
    code = "import auth0_blueprint, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    names = set(run.stdout.split())
    assert "auth0_blueprint.guards.decorators" in names
    return names


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if page.name not in FOR_DEVELOPERS],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_no_page_sends_a_user_to_a_private_module(page: Path) -> None:
    """Neither by an import nor by a dotted name; the names after the module are public ones, too."""
    assert sorted(private_names(page.read_text(encoding="utf-8"))) == []


def private_names(text: str) -> set[str]:
    """Return the dotted names and the imports in *text* that are not public."""
    # A path of a file ends in .py, and the name of an extra or a distribution is followed by no dot and letter.
    dotted = set(re.findall(r"\bauth0_blueprint(?:\.[A-Za-z]\w*)+(?![\w/])", text))
    imports = re.findall(r"\bfrom (auth0_blueprint[\w.]*) import (?:\(([^)]*)\)|(\w[\w, ]*))", text)
    dotted |= {
        f"{module}.{name.split()[0]}"
        for module, lines, line in imports
        for name in re.sub(r"#.*", "", lines or line).split(",")
        if name.strip()
    }
    return {name for name in dotted if not is_public(name)}


def is_public(name: str) -> bool:
    """Tell whether the dotted *name* is a public module, or a public name of one, or something of that."""
    if name in PUBLIC or name in RUN:
        return True
    module = max((module for module in PUBLIC if name.startswith(f"{module}.")), key=len)
    return name.removeprefix(f"{module}.").split(".")[0] in PUBLIC[module]


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("from auth0_blueprint.guards.challenge import response_body", "guards.challenge"),
        ("`auth0_blueprint.guards.challenge.response_body(error)`", "guards.challenge.response_body"),
        ("import auth0_blueprint.keysets.fetch as fetch", "keysets.fetch"),
        ("from auth0_blueprint import guards", "guards"),
        ("from auth0_blueprint import (\n    protect,  # all\n    jose as j,\n)", "jose"),
        ("from auth0_blueprint.errors import nothing", "errors.nothing"),
        ("``auth0_blueprint.testing.local_issuer``", "testing.local_issuer"),
        ("from auth0_blueprint import Auth0Blueprint, protect\nimport auth0_blueprint", ""),
        ("from auth0_blueprint.testing import LocalIssuer, bearer_client", ""),
        ("`auth0_blueprint.testing.LocalIssuer.token`, `python -m auth0_blueprint.testing.demo app:create_app`", ""),
        ("pip install 'auth0_blueprint[metrics]'; see auth0_blueprint. Then", ""),
    ],
)
def test_a_private_name_is_found_however_it_is_written(text: str, private: str) -> None:
    """And no other: neither a public one nor what is not Python."""
    found = private_names(text)
    assert f"auth0_blueprint.{private}" in found if private else found == set()
