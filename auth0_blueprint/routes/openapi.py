"""``GET /auth/openapi.json``, where ``AUTH0_OPENAPI`` is on.

Only then are the code that builds the document and apispec (the extra ``openapi``), which reads the schemas, imported.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask, Response, current_app, request
from marshmallow import Schema, fields

from auth0_blueprint.errors import ConfigurationError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.routes.bodies import answer

# A route does not change once its app is served.
_documents: WeakKeyDictionary[Flask, dict[str, Any]] = WeakKeyDictionary()


class DocumentSchema(Schema):
    """An OpenAPI document."""

    openapi: fields.String = fields.String(required=True)
    info: fields.Dict = fields.Dict(required=True)
    paths: fields.Dict = fields.Dict(required=True)
    components: fields.Dict = fields.Dict(required=True)
    servers: fields.List[Any] = fields.List(fields.Dict(), required=True)


def openapi() -> Response:
    """Return the document."""
    from auth0_blueprint.routes.openapi_document import document

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if app not in _documents:
        _documents[app] = document(app, str(request.blueprint), app_state().settings)
    return answer(DocumentSchema(), {**_documents[app], "servers": [{"url": request.script_root or "/"}]})


def check_extra_is_installed() -> None:
    """Refuse to start without apispec.

    Raises:
        ConfigurationError: names the extra.
    """
    try:
        import apispec.ext.marshmallow  # noqa: F401 - only to see whether it is installed
    except ImportError as exc:
        raise ConfigurationError(
            {"AUTH0_OPENAPI": "needs apispec: pip install 'auth0_blueprint[openapi]', or set it to false"}
        ) from exc
