import runpy
from pathlib import Path

from app import create_app

HERE = Path(__file__).parent


def test_the_api_answers(auth0_client, app):
    assert auth0_client(scope="read:messages").get("/api/messages").status_code == 200
    assert app.test_client().get("/api/messages").status_code == 401


def test_it_lives_while_the_issuer_is_away(auth0_issuer):
    client = create_app(auth0_issuer.settings).test_client()
    with auth0_issuer.outage():
        assert client.get("/auth/health").status_code == 503
        assert client.get("/auth/health/live").status_code == 200


def test_the_cache_comes_from_the_environment(auth0_issuer, monkeypatch):
    monkeypatch.setenv("CACHE_TYPE", "SimpleCache")
    assert create_app(auth0_issuer.settings).config["CACHE_TYPE"] == "SimpleCache"


def test_gunicorn_waits_longer_than_the_package():
    settings = runpy.run_path(str(HERE / "gunicorn.conf.py"))
    assert settings["wsgi_app"] == "app:create_app()"
    assert settings["timeout"] > settings["graceful_timeout"] > 5


def test_the_health_check_of_the_container_does_not_depend_on_auth0():
    dockerfile = (HERE / "Dockerfile").read_text()
    assert "127.0.0.1:8000/auth/health/live'" in dockerfile
    assert "auth/health'" not in dockerfile
