"""What somebody does who has installed the wheel: run by `try_packages.py`, where nothing else is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import auth0_blueprint
from auth0_blueprint.testing import LocalIssuer


def check_what_is_installed(version: str) -> None:
    """The installed package is the one that was imported, typed, and of that version."""
    assert Path(auth0_blueprint.__file__).is_relative_to(sys.prefix), auth0_blueprint.__file__
    assert metadata.version("auth0_blueprint") == version
    assert resources.files(auth0_blueprint).joinpath("py.typed").is_file()
    for name in auth0_blueprint.__all__:
        assert getattr(auth0_blueprint, name) is not None or name == "current_token"


def check_the_app_of_the_readme() -> None:
    """The first Python of the description that package indexes show: 200, 401, 403."""
    description = metadata.metadata("auth0_blueprint")["Description"]
    found = re.search(r"```python\n(.*?)```", description, re.DOTALL)
    assert found is not None, "the description shows no Python"
    names: dict[str, Any] = {"__name__": "app_of_the_readme"}
    exec(compile(found[1], "README.md", "exec"), names)
    with LocalIssuer() as issuer:
        client = names["create_app"](issuer.settings).test_client()
        tokens = {200: issuer.token(scope="read:messages"), 401: issuer.token(expires_in=-60), 403: issuer.token()}
        for status, token in tokens.items():
            response = client.get("/api/messages", headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == status, (status, response.status_code, response.get_json())
        assert client.get("/auth/health").get_json() == {"status": "pass"}


def check_the_command_line() -> None:
    """``flask auth0`` is there where no app is."""
    flask = Path(sys.executable).with_name("flask")
    run = subprocess.run([str(flask), "auth0", "--help"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "jwks" in run.stdout, run.stdout
    assert not run.stderr, run.stderr


if __name__ == "__main__":
    check_what_is_installed(sys.argv[1])
    check_the_app_of_the_readme()
    check_the_command_line()
    sys.stdout.write("the wheel works with the pinned dependencies alone\n")
