"""A Flask test client that sends a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:  # it imports click, which an app need not load
    from flask.testing import FlaskClient


def bearer_client(app: Flask, token: str) -> FlaskClient:
    """Return a test client of *app* whose every request carries *token*.

    A request with its own ``Authorization`` header keeps that.
    """
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client
