"""flask-jwt-extended, configured to verify Auth0's access tokens; this package alone knows its internals.

Its ``decode_token`` decodes through a method of the manager, ``jwt_required`` and ``verify_jwt_in_request`` through a
function that here asks the manager too (see `jwt_in_request`): both call our verifier. It reads its verified state from
``g``, which here answers from the request object (see `request_globals`). Its own error answers are replaced by ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from flask import Flask, current_app, g, has_app_context, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import JWTManager, decode_token, verify_jwt_in_request
from flask_jwt_extended import exceptions as stock
from flask_jwt_extended.exceptions import JWTExtendedException, NoAuthorizationError

from auth0_blueprint.errors import (
    Auth0Error,
    ConfigurationError,
    InvalidClaimsError,
    RevokedTokenError,
    UserNotFoundError,
)
from auth0_blueprint.extension.jwt_in_request import (
    EXTENSION,
    Decoded,
    admits_nobody,
    ask_manager,
    has_bearer_after_another,
    is_token_optional,
    refuse_other_locations,
)
from auth0_blueprint.extension.jwt_settings import check_jwt_settings
from auth0_blueprint.extension.refused_loaders import RefusedLoaders
from auth0_blueprint.extension.request_globals import MARK, claims_with_defaults, globals_class
from auth0_blueprint.guards.authentication import (
    AppState,
    authenticate,
    notify_rejected,
    request_state,
    verify_token,
)
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.credentials import scheme_and_token
from auth0_blueprint.verification.sequence import Presentation, VerificationSequence

Callback = Callable[[dict[str, Any], dict[str, Any]], Any]


class _ProbeReachedError(Exception):
    """The probe reached our verification, as it must."""


def _prove_in_probe(_token: str, *, cached_only: bool = False) -> NoReturn:  # noqa: ARG001 - as `Prove` has it
    raise _ProbeReachedError


_PROBE = VerificationSequence(_prove_in_probe, ())
#: What Flask needs of a request. Its ``test_request_context`` would import its test client, and that a debugger.
_PROBE_ENVIRON = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "wsgi.url_scheme": "http",
}


class Auth0JWTManager(RefusedLoaders, JWTManager):
    """A ``JWTManager`` whose tokens are Auth0's access tokens.

    ``user_lookup_loader``, ``token_in_blocklist_loader`` and ``token_verification_loader`` work, and apply to every
    guard of this package as well as to ``@jwt_required()``. Loaders that create tokens, keys or answers are refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_in_blocklist: Callback | None = None
        self._is_acceptable: Callback | None = None
        self._look_up_user: Callback | None = None

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:
        """Set up *app*: the extension's defaults, our error answers, and a ``g`` that knows the request's token."""
        super().init_app(app, add_context_processor)
        ask_manager()
        app.app_ctx_globals_class = globals_class(app.app_ctx_globals_class)
        if has_app_context() and current_app._get_current_object() is app:  # type: ignore[attr-defined]
            # A context pushed earlier has a g of the old class, which would hand one request's caller to the next.
            # By object.__setattr__: that of g would store an attribute.
            object.__setattr__(g._get_current_object(), "__class__", app.app_ctx_globals_class)

    def _set_error_handler_callbacks(self, app: Flask) -> None:
        # Stock handlers for PyJWT's errors would also turn a failure of the host's own jwt.decode() into a 422.
        app.register_error_handler(JWTExtendedException, _answer_in_our_words)

    def _decode_jwt_from_request(
        self, locations: object, fresh: object, *, refresh: object = False, **_ignored: object
    ) -> Decoded:
        """Verify the request's token as our guards do, for ``jwt_required`` and ``verify_jwt_in_request``.

        Raises:
            Auth0Error: the request is refused.
            NoAuthorizationError: it has no token, and needs none; the caller catches this.
        """
        refuse_other_locations(locations)
        if not hasattr(g, MARK):
            raise RuntimeError(
                "This app context was pushed before Auth0Blueprint() was registered, and would mix up the callers of "
                "its requests. To solve this, push it once the app is complete."
            )
        is_other_scheme_ignored = not has_bearer_after_another(request.environ.get("HTTP_AUTHORIZATION"))
        access_token = authenticate(optional=is_token_optional(), ignore_other_schemes=is_other_scheme_ignored)
        if not access_token:
            raise NoAuthorizationError
        problem = admits_nobody(fresh=fresh, refresh=refresh)
        if problem is not None:  # said after the token was verified, so that no stranger can cause an error
            raise RuntimeError(problem)
        return claims_with_defaults(access_token), access_token.header, "headers"

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: Any = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        if csrf_value is not None or allow_expired:
            raise RuntimeError(
                "Access tokens are read only from the Authorization header, and expired ones are never accepted: "
                "call decode_token() without csrf_value and allow_expired."
            )
        state = request_state()
        if state and state.access_token and encoded_token == _token_of_request():
            return claims_with_defaults(state.access_token)
        return claims_with_defaults(verify_token(encoded_token))

    def _encode_jwt_from_config(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(
            "This app only accepts tokens from Auth0 and cannot create any. To solve this, get the token from Auth0; "
            "in tests, use auth0_blueprint.testing.LocalIssuer."
        )

    def user_lookup_loader(self, callback: Callback) -> Callback:
        """Set the function that turns JOSE header and claims into a user. ``None`` refuses: ``user_not_found``."""
        self._look_up_user = callback
        return callback

    def token_in_blocklist_loader(self, callback: Callback) -> Callback:
        """Set the function that says whether a token was revoked; if so: ``token_revoked``."""
        self._is_in_blocklist = callback
        return callback

    def token_verification_loader(self, callback: Callback) -> Callback:
        """Set the function that says whether the app accepts a token; if not: ``invalid_claims``."""
        self._is_acceptable = callback
        return callback

    def check_app_rules(self, access_token: AccessToken, presentation: Presentation) -> None:  # noqa: ARG002
        """Apply the app's own blocklist and verification callback.

        Raises:
            RevokedTokenError: the token is on the blocklist.
            InvalidClaimsError: the callback rejects it.
        """
        if self._is_in_blocklist is not None and self._is_in_blocklist(*_arguments(access_token)):
            raise RevokedTokenError
        if self._is_acceptable is not None and not self._is_acceptable(*_arguments(access_token)):
            raise InvalidClaimsError("app")

    def look_up_user(self, access_token: AccessToken) -> dict[str, Any] | None:
        """Return ``{"loaded_user": user}``, or ``None`` if the app has no ``user_lookup_loader``.

        Raises:
            UserNotFoundError: the app knows no such user.
        """
        if self._look_up_user is None:
            return None
        user = self._look_up_user(*_arguments(access_token))
        if user is None:
            raise UserNotFoundError
        return {"loaded_user": user}

    def check(self, app: Flask) -> None:
        """Refuse an app on which flask-jwt-extended cannot use our verification.

        Raises:
            ConfigurationError: names each obstacle.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError(
                {"JWTManager": "the app already has one: remove it and use the .jwt_manager of Auth0Blueprint()"}
            )
        check_jwt_settings(app.config)

    def probe(self) -> None:
        """Check, on a throwaway app, that flask-jwt-extended decodes through our verifier.

        Raises:
            ConfigurationError: it does not, because this release has other internals.
        """
        app = Flask("auth0_blueprint", static_folder=None)
        app.extensions["auth0"] = AppState(None, None, None, None, None, _PROBE, Binding(), self, *(None,) * 4)  # type: ignore[arg-type]
        self.init_app(app)
        with app.request_context({**_PROBE_ENVIRON, "HTTP_AUTHORIZATION": "bearer probe"}):
            for entrance in (verify_jwt_in_request, lambda: decode_token("another")):
                try:
                    entrance()
                except _ProbeReachedError:
                    continue
                except Exception as exc:
                    raise _unknown_release() from exc
                raise _unknown_release()
        with app.request_context(dict(_PROBE_ENVIRON)):
            try:
                verify_jwt_in_request(optional=True)
            except Exception as exc:
                raise _unknown_release() from exc


def still_answers(app: Flask, manager: object) -> bool:
    """Return whether *app* still has our manager and our kind of ``g``, as set at registration."""
    return app.extensions.get(EXTENSION) is manager and hasattr(app.app_ctx_globals_class, MARK)


def _unknown_release() -> ConfigurationError:
    return ConfigurationError(
        {"flask-jwt-extended": "this release does not call our verifier: install one that pyproject.toml allows"}
    )


def _token_of_request() -> str:
    return scheme_and_token(request.environ["HTTP_AUTHORIZATION"], takes_dpop=True)[1]


def _arguments(access_token: AccessToken) -> tuple[dict[str, Any], dict[str, Any]]:
    return access_token.header, claims_with_defaults(access_token)


def _answer_in_our_words(exc: JWTExtendedException) -> ResponseReturnValue:
    """Answer what the app's own code raised, as if a guard had refused: a missing token comes first."""
    try:
        authenticate()
    except Auth0Error as refusal:
        return current_app.handle_user_exception(refusal)
    error: Auth0Error = InvalidClaimsError("app")
    if isinstance(exc, stock.RevokedTokenError):
        error = RevokedTokenError()
    elif isinstance(exc, stock.UserLookupError):
        error = UserNotFoundError()
    notify_rejected(error)
    return current_app.handle_user_exception(error)
