"""``wsgi.py``: the routes of the published quickstarts, CORS, and where its settings come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import bearer
from flask.testing import FlaskClient

import wsgi
from auth0_blueprint.testing import LocalIssuer

ROOT = Path(__file__).parent.parent
ORIGIN = "http://localhost:3000"


@pytest.fixture
def client(issuer: LocalIssuer) -> FlaskClient:
    return wsgi.create_app(issuer.settings).test_client()


def test_the_routes_of_the_quickstart(client: FlaskClient, issuer: LocalIssuer) -> None:
    with_scope = bearer(issuer.token(scope="read:messages"))
    assert client.get("/api/public").status_code == 200
    assert client.get("/api/private").status_code == 401
    assert client.get("/api/private", headers=with_scope).status_code == 200
    assert client.get("/api/private-scoped", headers=bearer(issuer.token())).status_code == 403
    assert client.get("/api/private-scoped", headers=with_scope).status_code == 200
    assert "message" in client.get("/api/private", headers=with_scope).get_json()


def test_a_preflight_is_answered_without_a_token(client: FlaskClient) -> None:
    """A browser asks before it sends the header."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    response = client.options("/api/private", headers={"Origin": ORIGIN, **asked})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower()


def test_a_front_end_can_read_why_it_was_refused(client: FlaskClient) -> None:
    response = client.get("/api/private", headers={"Origin": ORIGIN})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


def test_other_origins_are_not_let_in(client: FlaskClient) -> None:
    response = client.get("/api/public", headers={"Origin": "https://elsewhere.example.com"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a copy of the app, out of reach of a developer's own settings."""
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    return tmp_path


def output_of(*arguments: str, folder: Path, **environ: str) -> str:
    """Return what Python prints in *folder*, with nothing but *environ* in its environment."""
    environ = {"PATH": "", "PYTHONPATH": str(folder), **environ}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("audience_key", ["AUTH0_AUDIENCE", "API_ID"])
def test_settings_are_read_from_a_dotenv_file(elsewhere: Path, audience_key: str) -> None:
    (elsewhere / ".env").write_text(f"AUTH0_DOMAIN=example.eu.auth0.com\n{audience_key}=https://api.example.com\n")
    code = "import wsgi; settings = wsgi.app.extensions['auth0'].settings; print(*settings.issuers, *settings.audience)"
    assert output_of("-c", code, folder=elsewhere) == "https://example.eu.auth0.com/ https://api.example.com\n"


def test_settings_are_read_from_the_instance_folder(elsewhere: Path) -> None:
    """``instance/config.py`` wins over the environment."""
    (elsewhere / "instance").mkdir()
    shutil.copy(ROOT / "instance" / "config.example.py", elsewhere / "instance" / "config.py")
    code = "import wsgi; print(*wsgi.app.extensions['auth0'].settings.audience)"
    assert output_of("-c", code, folder=elsewhere, AUTH0_AUDIENCE="environment") == "https://api.example.com\n"


def test_the_factory_can_be_imported_without_settings(elsewhere: Path) -> None:
    assert output_of("-c", "from wsgi import create_app; print('imported')", folder=elsewhere) == "imported\n"


def test_flask_finds_the_app(elsewhere: Path) -> None:
    settings = {"AUTH0_DOMAIN": "example.eu.auth0.com", "AUTH0_AUDIENCE": "https://api.example.com"}
    assert "/api/private-scoped" in output_of("-m", "flask", "--app", "wsgi", "routes", folder=elsewhere, **settings)
