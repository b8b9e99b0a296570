"""A Flask test client that presents a token."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient


def bearer_client(app: Flask, token: str) -> FlaskClient:
    """Return a test client of *app* whose every request carries *token*.

    A request with an ``Authorization`` header of its own is sent with that.
    """
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client
