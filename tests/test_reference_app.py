"""``wsgi.py``: the routes of the published quickstarts, CORS, and where its settings come from."""

from __future__ import annotations

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
    """Open, guarded, and guarded by a scope."""
    with_scope = bearer(issuer.token(scope="read:messages"))
    assert client.get("/api/public").status_code == 200
    assert (client.get("/api/private").status_code, client.get("/api/private", headers=with_scope).status_code) == (
        401,
        200,
    )
    assert client.get("/api/private-scoped", headers=bearer(issuer.token())).status_code == 403
    assert client.get("/api/private-scoped", headers=with_scope).status_code == 200
    assert "message" in client.get("/api/private", headers=with_scope).get_json()


def test_a_preflight_is_answered_without_a_token(client: FlaskClient) -> None:
    """A browser asks before it sends the header."""
    response = client.options(
        "/api/private",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower()


def test_a_front_end_can_read_why_it_was_refused(client: FlaskClient) -> None:
    """Errors carry the CORS headers, too."""
    response = client.get("/api/private", headers={"Origin": ORIGIN})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


def test_other_origins_are_not_let_in(client: FlaskClient) -> None:
    """Only those that are configured."""
    response = client.get("/api/public", headers={"Origin": "https://elsewhere.example.com"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("audience_key", ["AUTH0_AUDIENCE", "API_ID"])
def test_settings_are_read_from_a_dotenv_file(tmp_path: Path, audience_key: str) -> None:
    """With the names of today and of the old quickstart; importing the factory alone needs none."""
    (tmp_path / "wsgi.py").write_text((ROOT / "wsgi.py").read_text())
    (tmp_path / ".env").write_text(f"AUTH0_DOMAIN=example.eu.auth0.com\n{audience_key}=https://api.example.com\n")
    code = "import wsgi; settings = wsgi.app.extensions['auth0'].settings; print(settings.issuer, settings.audience)"
    environ = {"PATH": "", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert answer.stdout == "https://example.eu.auth0.com/ ('https://api.example.com',)\n"


def test_settings_are_read_from_the_instance_folder(tmp_path: Path) -> None:
    """``instance/config.py`` wins over the environment."""
    (tmp_path / "wsgi.py").write_text((ROOT / "wsgi.py").read_text())
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "config.py").write_text((ROOT / "instance" / "config.example.py").read_text())
    code = "import wsgi; print(wsgi.app.extensions['auth0'].settings.audience)"
    environ = {"PATH": "", "PYTHONPATH": str(tmp_path), "AUTH0_AUDIENCE": "environment"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert answer.stdout == "('https://api.example.com',)\n"


def test_flask_finds_the_app(issuer: LocalIssuer) -> None:
    """``flask --app wsgi`` lists its routes."""
    environ = {**{key: str(value) for key, value in issuer.settings.items()}, "PATH": ""}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "routes"]
    answer = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    assert "/api/private-scoped" in answer.stdout
