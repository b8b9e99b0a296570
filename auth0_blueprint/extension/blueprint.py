"""`Auth0Blueprint`: checks everything first, then changes the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, jsonify, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

from auth0_blueprint.errors import Auth0Error, ConfigurationError
from auth0_blueprint.extension.commands import auth0
from auth0_blueprint.extension.first_request_checks import check_at_first_request
from auth0_blueprint.extension.jwt_manager import Auth0JWTManager
from auth0_blueprint.extension.jwt_settings import with_identity_claim
from auth0_blueprint.extension.lazy_rules import lazy_url_builders
from auth0_blueprint.extension.server_checks import warn_of_server_settings
from auth0_blueprint.extension.sharing_assembly import check_cache
from auth0_blueprint.extension.telemetry import assemble_observed
from auth0_blueprint.guards.authentication import EXTENSION, app_state
from auth0_blueprint.guards.challenge import response_body, response_headers
from auth0_blueprint.routes import add_route_for_metadata, add_routes
from auth0_blueprint.settings import Settings, load_settings
from auth0_blueprint.settings.resource_identifier import metadata_path, metadata_url
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.token_parts import TokenPart

if TYPE_CHECKING:
    from flask_caching import Cache


class Auth0Blueprint(Blueprint):
    """Protects the Flask apps it is registered on with Auth0 access tokens.

    Registering it reads the ``AUTH0_*`` settings of the app (later changes are not seen), builds the per-app state in
    ``app.extensions["auth0"]``, configures flask-jwt-extended, lets ``jsonify`` take access tokens, installs the error
    handler (unless the app has its own for ``Auth0Error``) and adds the routes and the commands ``flask auth0 ...``.
    It opens no connection and starts no thread. One instance can be registered on many apps, once on each.

    Args:
        name: name of the blueprint and prefix of its endpoints.
        url_prefix: path prefix of its routes; starts with a slash.
        cache: the host's flask-caching ``Cache``, whose Redis or folder is used for sharing with other processes, with
            a serializer of our own. Without it the package creates its own from the app's ``CACHE_*`` settings.

    Attributes:
        jwt_manager: flask-jwt-extended's manager, for ``user_lookup_loader`` and the like.
    """

    def __init__(self, name: str = "auth0", *, url_prefix: str = "/auth", cache: Cache | None = None) -> None:
        if not isinstance(url_prefix, str) or not url_prefix.startswith("/"):
            raise ValueError("url_prefix= must start with a slash, such as '/auth'.")
        if cache is not None:
            from flask_caching import Cache  # an app without a cache does not import it

            if not isinstance(cache, Cache):
                raise TypeError("cache= must be a flask_caching.Cache.")
        super().__init__(name, __name__, url_prefix=url_prefix)
        self.jwt_manager: Auth0JWTManager = Auth0JWTManager()
        self._cache = cache
        add_routes(self)

    def register(self, app: Flask, options: dict[str, Any]) -> None:  # type: ignore[override]
        """Check the app and its settings, then change the app. Called by ``app.register_blueprint``.

        Raises:
            ConfigurationError: a setting is wrong, or the app has something that conflicts.
            RuntimeError: the app already has an Auth0Blueprint.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("This app already has an Auth0Blueprint: one protects all of its routes.")
        settings = load_settings(app.config)
        if settings.openapi:
            from auth0_blueprint.routes.openapi import check_extra_is_installed  # few apps have the document

            check_extra_is_installed()
        self.jwt_manager.check(app)
        self.jwt_manager.probe()
        settings = with_identity_claim(settings, app.config)
        check_cache(app, self._cache, needs_memory=settings.dpop == "required")
        state = assemble_observed(app, settings, self._cache, self.jwt_manager)
        self._rehearse(app, options, settings)
        self._add_routes_to(app, options, settings)
        # From here on nothing fails.
        app.extensions[EXTENSION] = state
        self.jwt_manager.init_app(app)
        if Auth0Error not in app.error_handler_spec[None][None]:
            app.register_error_handler(Auth0Error, _answer)
        app.cli.add_command(auth0)
        _extend_json(app)
        check_at_first_request(app)
        warn_of_server_settings()

    def _add_routes_to(self, app: Flask, options: dict[str, Any], settings: Settings) -> None:
        with lazy_url_builders(app):
            super().register(app, options)
        if settings.resource is not None:
            # The name under which Flask has just registered this blueprint; longer if it is nested in another.
            name = f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip(".")
            add_route_for_metadata(app, name, metadata_path(settings.resource))

    def _rehearse(self, app: Flask, options: dict[str, Any], settings: Settings) -> None:
        """Register on a throwaway app first: a wrong option or a clash of endpoints must not change the real one."""
        path = None if settings.resource is None else metadata_path(settings.resource)
        if any(rule.rule == path for rule in app.url_map.iter_rules()):
            raise ConfigurationError(
                {"AUTH0_RESOURCE_METADATA": f"the app already has a route at {path}: remove it, or set this to false"}
            )
        stage = Flask(__name__, static_folder=None)
        self._add_routes_to(stage, dict(options), settings)
        clashes = sorted(stage.view_functions.keys() & app.view_functions.keys())
        if clashes:
            raise ConfigurationError({"endpoints": f"the app already has {', '.join(clashes)}: use another name="})


def headers_for(error: Auth0Error) -> Headers:
    """Return the headers of the answer to *error*, for the app's own error handler.

    They depend on the current app and request: a challenge for each scheme that the app accepts, that of the request
    first, with the realm and, if ``AUTH0_RESOURCE_METADATA`` is on, the URL of the metadata.
    """
    state = app_state()
    resource, authorization = state.settings.resource, request.environ.get("HTTP_AUTHORIZATION")
    # Not a list of pairs: Flask keeps only the last of each name, and there may be two challenges.
    return Headers(
        response_headers(
            error,
            state.settings.realm,
            schemes=state.binding.challenge_schemes(authorization),
            resource_metadata=None if resource is None else metadata_url(resource),
        )
    )


def _answer(error: Auth0Error) -> Response:
    response = jsonify(response_body(error))
    response.status_code = error.status
    response.headers.update(headers_for(error))
    return response


def _extend_json(app: Flask) -> None:
    """Let ``jsonify`` take access tokens, what is in them, and proxies. Other JSON providers take ``dict()``."""
    provider = app.json
    if not isinstance(provider, DefaultJSONProvider):
        return
    default = provider.default

    def with_access_tokens(value: Any) -> Any:
        if isinstance(value, LocalProxy):
            return value._get_current_object()
        return dict(value) if isinstance(value, (AccessToken, TokenPart)) else default(value)

    provider.default = with_access_tokens
