"""Every error that this package raises: its status, its code and what a client may read about it.

::

    Auth0Error                                    status  code
    ├── AuthenticationError                          401
    │   ├── MissingCredentialsError                  401  authorization_header_missing
    │   ├── InvalidHeaderError                       401  invalid_header
    │   │   └── AmbiguousHeaderError                 400  invalid_header
    │   ├── InsufficientUserAuthenticationError      401  insufficient_user_authentication
    │   ├── InvalidProofError                        401  invalid_dpop_proof
    │   └── InvalidTokenError                        401
    │       ├── MalformedTokenError                  401  token_malformed
    │       ├── UnsupportedAlgorithmError            401  unsupported_algorithm
    │       ├── UnknownKeyError                      401  unknown_key
    │       ├── InvalidSignatureError                401  invalid_signature
    │       ├── ExpiredTokenError                    401  token_expired
    │       ├── TokenNotYetValidError                401  token_not_yet_valid
    │       ├── InvalidClaimsError                   401  invalid_claims
    │       ├── RevokedTokenError                    401  token_revoked
    │       ├── BindingMismatchError                 401  binding_mismatch
    │       ├── UnauthorizedSenderError              401  unauthorized_sender
    │       └── UserNotFoundError                    401  user_not_found
    ├── AuthorizationError                           403
    │   ├── InsufficientScopeError                   403  insufficient_scope
    │   ├── InsufficientPermissionsError             403  insufficient_permissions
    │   ├── InsufficientClaimsError                  403  insufficient_claims
    │   └── InsufficientAuthorizationDetailsError    403  insufficient_authorization_details
    ├── UnavailableError                             503
    │   ├── KeySetUnavailableError                   503  key_set_unavailable
    │   ├── RevocationUnavailableError               503  revocation_unavailable
    │   └── ReplayMemoryUnavailableError             503  replay_memory_unavailable
    ├── TokenExchangeError                           502  token_exchange_failed
    │   └── TokenExchangeUnavailableError            503  token_exchange_unavailable
    ├── InvalidRequestError                          400  invalid_request
    │   └── EventRefusedError                        400  invalid_request
    ├── NotFoundError                                404  not_found
    ├── MethodNotAllowedError                        405  method_not_allowed
    └── RateLimitedError                             429  rate_limited
    ConfigurationError                            raised at startup, never sent to a client

Each error class lists its reasons: a short key for logs and signals, and one fixed sentence that a client may read.
Neither ever contains any part of a token or a request.
"""

from __future__ import annotations

from typing import ClassVar


class Auth0Error(Exception):
    """The base of every error that this package answers to a client. Handle it to render errors your own way.

    Attributes:
        status: the HTTP status code.
        error: the RFC 6750 §3.1 error code, or ``None`` where the challenge must be bare.
        code: the finer code of this package, which is stable.
        reason: the exact reason, for logs and signals: a key of ``descriptions``.
        description: the fixed public sentence for that reason.
        scope: scope values for the challenge.
        retry_after_seconds: for the ``Retry-After`` header.
    """

    status: ClassVar[int]
    error: ClassVar[str | None]
    code: ClassVar[str]
    descriptions: ClassVar[dict[str, str]]

    def __init__(self, reason: str | None = None, *, scope: tuple[str, ...] = (), retry_after_seconds: int = 0) -> None:
        self.reason: str = next(iter(self.descriptions)) if reason is None else reason
        self.description: str = self.descriptions[self.reason]
        self.scope = scope
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.description)


class AuthenticationError(Auth0Error):
    """The request does not prove who is calling, or does not prove it well enough."""

    status = 401


class MissingCredentialsError(AuthenticationError):
    """No credentials at all. RFC 6750 §3.1: no error code without credentials."""

    code = "authorization_header_missing"
    error: ClassVar[str | None] = None
    descriptions: ClassVar[dict[str, str]] = {
        "authorization_header_missing": "The request has no Authorization header."
    }


class InvalidHeaderError(AuthenticationError):
    """The header names another scheme or carries no token: treated like no credentials."""

    code = "invalid_header"
    error: ClassVar[str | None] = None
    descriptions: ClassVar[dict[str, str]] = {
        "other_scheme": "The Authorization header must use the Bearer scheme.",
        "no_token": "The Authorization header has no token after the scheme.",
    }


class AmbiguousHeaderError(InvalidHeaderError):
    """More than one credential. RFC 6750 §3.1: ``invalid_request`` is a 400."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    descriptions: ClassVar[dict[str, str]] = {
        "several_credentials": "The Authorization header must be one scheme and one token, separated by one space.",
    }


class InvalidProofError(AuthenticationError):
    """The DPoP proof is missing, or does not prove possession of the key (RFC 9449 §4.3, §7.1)."""

    code = "invalid_dpop_proof"
    error: ClassVar[str | None] = "invalid_dpop_proof"
    descriptions: ClassVar[dict[str, str]] = {
        "missing": "The request has no DPoP proof.",
        "several_proofs": "The request must have exactly one DPoP proof.",
        "too_long": "The DPoP proof is longer than this API accepts.",
        "malformed": "The DPoP proof is not a well-formed signed JWT.",
        "type": "The type of the DPoP proof must be dpop+jwt.",
        "critical_extension": "The DPoP proof uses a header extension that this API does not understand.",
        "algorithm": "The DPoP proof is signed with an algorithm this API does not accept.",
        "key": "The DPoP proof must contain one public key that this API supports, and no private key.",
        "key_of_other_algorithm": "The key in the DPoP proof does not match its algorithm.",
        "signature": "The signature of the DPoP proof is not valid.",
        "method": "The DPoP proof was made for another request method.",
        "uri": "The DPoP proof was made for another URI.",
        "access_token": "The DPoP proof was made for another access token.",
        "time": "The time in the DPoP proof is missing or not a valid number.",
        "too_old": "The DPoP proof is too old; make a new one for each request.",
        "in_future": "The DPoP proof is dated in the future; check the clocks.",
        "token_id": "The identifier of the DPoP proof must be a string of 1 to 256 characters.",
        "replayed": "The DPoP proof was already used; make a new one for each request.",
    }


class InvalidTokenError(AuthenticationError):
    """There is a token, but it is not acceptable (RFC 6750 §3.1 ``invalid_token``)."""

    error: ClassVar[str | None] = "invalid_token"


class MalformedTokenError(InvalidTokenError):
    """The token is not a well-formed access token (RFC 7515 §7.1, RFC 7516 §7.1, RFC 8725 §3)."""

    code = "token_malformed"
    descriptions: ClassVar[dict[str, str]] = {
        "too_long": "The access token is longer than this API accepts.",
        "encrypted": "The access token is encrypted; this API accepts only signed access tokens.",
        "not_encrypted": "The access token is not encrypted; this API accepts only encrypted access tokens.",
        "undecryptable": "The access token cannot be decrypted, or is not encrypted in a form that this API accepts.",
        "opaque": "The access token is not a JWT; request it with this API's audience.",
        "not_base64url": "The access token does not consist of three base64url segments.",
        "header_not_json": "The header of the access token is not an acceptable JSON object.",
        "payload_not_json": "The payload of the access token is not an acceptable JSON object.",
        "key_id": "The key id of the access token is not a string, or is too long.",
        "critical_extension": "The access token uses a header extension that this API does not understand.",
        "type": "The token's type is not one that this API accepts for access tokens.",
    }


class UnsupportedAlgorithmError(InvalidTokenError):
    """The header's ``alg`` is not one of ``AUTH0_ALGORITHMS`` (RFC 8725 §3.1)."""

    code = "unsupported_algorithm"
    descriptions: ClassVar[dict[str, str]] = {
        "unsupported_algorithm": "The access token is signed with an algorithm this API does not accept."
    }


class UnknownKeyError(InvalidTokenError):
    """No key of the issuer fits the token, or several do and it names none, although the key set is current."""

    code = "unknown_key"
    descriptions: ClassVar[dict[str, str]] = {
        "unknown_key": "The access token is signed with a key that the issuer does not publish.",
        "no_key_id": "The access token has no key id, and several keys of the issuer could have signed it.",
    }


class InvalidSignatureError(InvalidTokenError):
    """The signature was not made with the key that the token names."""

    code = "invalid_signature"
    descriptions: ClassVar[dict[str, str]] = {"invalid_signature": "The signature of the access token is not valid."}


class ExpiredTokenError(InvalidTokenError):
    """``exp`` has passed (RFC 7519 §4.1.4)."""

    code = "token_expired"
    descriptions: ClassVar[dict[str, str]] = {"token_expired": "The access token expired."}


class TokenNotYetValidError(InvalidTokenError):
    """``nbf`` or ``iat`` lies in the future (RFC 7519 §4.1.5, §4.1.6)."""

    code = "token_not_yet_valid"
    descriptions: ClassVar[dict[str, str]] = {
        "nbf": "The access token is not valid yet.",
        "iat": "The access token was issued in the future; check the clocks.",
    }


class InvalidClaimsError(InvalidTokenError):
    """A claim is missing, has the wrong type, or does not have a value that this API accepts."""

    code = "invalid_claims"
    descriptions: ClassVar[dict[str, str]] = {
        "issuer": "The access token was issued by another issuer.",
        "audience": "The access token was issued for another audience.",
        "missing_claim": "The access token lacks a claim that this API requires.",
        "subject": "The subject of the access token is missing or not a string.",
        "time": "A time in the access token is missing or not a valid number.",
        "number": "The access token contains a number that is out of range.",
        "lifetime": "The access token is valid for longer than this API accepts.",
        "scope": "The scope of the access token is neither a string nor a list of strings.",
        "permissions": "The permissions of the access token are not a list of strings.",
        "identifier": "An identifier in the access token is not a string.",
        "organization": "The access token is not for an organization that this API accepts.",
        "actor": "An actor in the access token is not an object whose subject is a string.",
        "actors": "The access token names more actors than this API accepts.",
        "authorization_details": "The authorization details of the access token are not a list of objects with a type.",
        "event": "The token is an event, not an access token.",
        "app": "The access token was rejected by a rule of this API.",
    }


class RevokedTokenError(InvalidTokenError):
    """The token was revoked before it expired."""

    code = "token_revoked"
    descriptions: ClassVar[dict[str, str]] = {"token_revoked": "The access token was revoked."}


class BindingMismatchError(InvalidTokenError):
    """The request does not prove possession of the key or certificate that the token is bound to (RFC 7800 §3)."""

    code = "binding_mismatch"
    descriptions: ClassVar[dict[str, str]] = {
        "sender_constrained": "The access token is sender-constrained, and the request does not prove possession of "
        "its key or certificate.",
        "no_certificate": "The access token is bound to a client certificate, but the request presents none.",
        "other_certificate": "The access token is bound to another client certificate.",
        "unreadable_certificate": "The client certificate of the request cannot be read.",
        "untrusted_proxy": "The client certificate was not forwarded by a proxy that this API trusts.",
        "not_bound": "The access token is not bound to a key and cannot be used with the DPoP scheme.",
        "proof_beside_bearer": "A DPoP proof requires the DPoP scheme; it cannot accompany a bearer token.",
        "proof_required": "This API accepts only DPoP-bound access tokens.",
        "certificate_required": "This API accepts only access tokens that are bound to a client certificate.",
        "other_key": "The access token is bound to a different key than the one in the DPoP proof.",
    }


class UnauthorizedSenderError(InvalidTokenError):
    """The request does not prove that it comes from a configured sender of events."""

    code = "unauthorized_sender"
    descriptions: ClassVar[dict[str, str]] = {
        "secret": "The secret in the Authorization header is wrong.",
        "jwt": "The JWT in the Authorization header does not prove who sends the event.",
    }


class UserNotFoundError(InvalidTokenError):
    """The token is valid, but the app's ``user_lookup_loader`` knows no such user."""

    code = "user_not_found"
    descriptions: ClassVar[dict[str, str]] = {"user_not_found": "This API does not know the user of the access token."}


class InsufficientUserAuthenticationError(AuthenticationError):
    """The token is valid, but the route requires another kind of login, or a more recent one (RFC 9470 §3).

    Attributes:
        acr_values: authentication context class references, any of which the route accepts, best first.
        max_age_seconds: the maximum age of the login.
    """

    code = "insufficient_user_authentication"
    error: ClassVar[str | None] = "insufficient_user_authentication"
    descriptions: ClassVar[dict[str, str]] = {
        "acr": "This route requires a different kind of login than the one behind the access token.",
        "max_age": "This route requires a more recent login than the one behind the access token.",
    }

    def __init__(
        self,
        reason: str | None = None,
        *,
        scope: tuple[str, ...] = (),
        acr_values: tuple[str, ...] = (),
        max_age_seconds: int | None = None,
    ) -> None:
        self.acr_values = acr_values
        self.max_age_seconds = max_age_seconds
        super().__init__(reason, scope=scope)


class AuthorizationError(Auth0Error):
    """The caller is known, but may not do this (RFC 6750 §3.1 ``insufficient_scope``)."""

    status = 403
    error: ClassVar[str | None] = "insufficient_scope"


class InsufficientScopeError(AuthorizationError):
    """The ``scope`` claim lacks what the route requires."""

    code = "insufficient_scope"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_scope": "The access token lacks a scope that this route requires."
    }


class InsufficientPermissionsError(AuthorizationError):
    """The ``permissions`` claim lacks what the route requires."""

    code = "insufficient_permissions"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_permissions": "The access token lacks a permission that this route requires."
    }


class InsufficientClaimsError(AuthorizationError):
    """A claim is missing or has no value that the route accepts."""

    code = "insufficient_claims"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_claims": "The access token lacks a claim value that this route requires.",
        "organization": "The access token is not for an organization that this route accepts.",
        "actor": "The access token names no actor that this route accepts.",
        "tenant": "This route concerns every tenant of the app, and admins of this token's tenant may not use it.",
    }


class InsufficientAuthorizationDetailsError(AuthorizationError):
    """No authorization details of the required type authorize this (RFC 9396 §9).

    The error code is the one of the Internet-Draft *OAuth 2.0 RAR Metadata and Error Signaling*.

    Attributes:
        types: the types of authorization details that the route requires.
    """

    code = "insufficient_authorization_details"
    error: ClassVar[str | None] = "insufficient_authorization_details"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_authorization_details": ("The access token lacks authorization details that this route requires.")
    }

    def __init__(self, reason: str | None = None, *, scope: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> None:
        self.types = types
        super().__init__(reason, scope=scope)


class UnavailableError(Auth0Error):
    """This cannot be decided now. Not the client's fault: no challenge, and ``Retry-After`` says when to try again."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"


class KeySetUnavailableError(UnavailableError):
    """No usable key set, or an unknown key while the issuer cannot be asked."""

    code = "key_set_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "key_set_unavailable": "The keys for verifying access tokens are not available right now."
    }


class RevocationUnavailableError(UnavailableError):
    """The shared revocations cannot be read or changed, and this request depends on them."""

    code = "revocation_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "out_of_touch": "Access tokens cannot be checked for revocation right now.",
        "loading": "Revocations are still being loaded.",
        "not_stored": "Revocations cannot be changed right now.",
    }

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason, retry_after_seconds=1)


class ReplayMemoryUnavailableError(UnavailableError):
    """Earlier use of a DPoP proof cannot be checked, or this use cannot be recorded."""

    code = "replay_memory_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "out_of_touch": "The DPoP proof cannot be checked for earlier use right now.",
        "full": "No further DPoP proofs can be accepted right now.",
    }

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason, retry_after_seconds=1)


class TokenExchangeError(Auth0Error):
    """The API got no token for a call of its own. Not the caller's fault: neither a 401 nor a challenge.

    Attributes:
        endpoint_error: the error code of the token endpoint (RFC 6749 §5.2), such as ``invalid_grant`` or
            ``mfa_required``, if it gave one of that form. It is for decisions of the app and never in our answer.
    """

    status = 502
    error: ClassVar[str | None] = "server_error"
    code = "token_exchange_failed"
    descriptions: ClassVar[dict[str, str]] = {
        "refused": "This API was refused a token that it needs to answer the request.",
        "invalid_answer": "This API got no usable answer when it asked for a token that it needs.",
        "bound_subject": (
            "This API cannot act on behalf of the caller: the access token is bound to a key or certificate that only "
            "the caller has."
        ),
    }

    def __init__(
        self, reason: str | None = None, *, endpoint_error: str | None = None, retry_after_seconds: int = 0
    ) -> None:
        self.endpoint_error = endpoint_error
        super().__init__(reason, retry_after_seconds=retry_after_seconds)

    def again(self) -> TokenExchangeError:
        """Return an equal error, for another thread to raise."""
        return type(self)(self.reason, endpoint_error=self.endpoint_error, retry_after_seconds=self.retry_after_seconds)


class TokenExchangeUnavailableError(TokenExchangeError):
    """The token endpoint cannot be reached, is out of order, or wants to be asked later."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"
    code = "token_exchange_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "unreachable": "This API cannot reach the server that issues a token it needs.",
        "out_of_order": "The server that issues a token this API needs is out of order.",
        "rate_limited": "This API asks for too many tokens right now.",
    }

    def __init__(
        self, reason: str | None = None, *, endpoint_error: str | None = None, retry_after_seconds: int = 0
    ) -> None:
        # A client always learns when to try again.
        super().__init__(reason, endpoint_error=endpoint_error, retry_after_seconds=max(1, retry_after_seconds))


class InvalidRequestError(Auth0Error):
    """The body or query is not what one of the package's own routes accepts. Names only fields of ours."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    code = "invalid_request"
    descriptions: ClassVar[dict[str, str]] = {
        "not_json": "The body must be a JSON object, sent as application/json.",
        "not_form": "The body must be a form, sent as application/x-www-form-urlencoded.",
        "too_large": "The body is larger than this route accepts.",
        "unknown_field": "The body has a field that this route does not know.",
        "one_of": (
            "The body must have exactly one of token, jti, subject, client_id, session, organization and email."
        ),
        "token": "The field token must be one access token, as a string.",
        "token_not_ours": "The field token must be an access token of this API that is still valid.",
        "jti": "The field jti must be a string of 1 to 1024 characters.",
        "subject": "The field subject must be a string of 1 to 1024 characters.",
        "client_id": "The field client_id must be a string of 1 to 1024 characters.",
        "session": "The field session must be a string of 1 to 1024 characters.",
        "organization": "The field organization must be a string of 1 to 1024 characters.",
        "email": "The field email must be a string of 1 to 1024 characters.",
        "no_email_claim": "The field email is accepted only if a sender of events is configured with an email_claim.",
        "reason": "The field reason must be a string of at most 500 characters.",
        "token_type_hint": "The field token_type_hint must be given at most once.",
        "unknown_parameter": "The query has a parameter that this route does not know.",
        "kind": ("The parameter kind must be one of token, jti, subject, client_id, session, organization and email."),
        "source": (
            "The parameter source must be one of admin, command, logout, security, auth0 and global-token-revocation."
        ),
        "prefix": "The parameter prefix must be one string of at most 1024 characters.",
        "cursor": "The parameter cursor must be the next_cursor of an earlier answer.",
        "limit": "The parameter limit must be a whole number from 1 to 200.",
    }


class EventRefusedError(InvalidRequestError):
    """What was sent to one of the routes for events is not an event from a configured sender."""

    descriptions: ClassVar[dict[str, str]] = {
        "not_form": "The body must be a form, sent as application/x-www-form-urlencoded.",
        "logout_token": "The form must have the field logout_token exactly once.",
        "not_json": "The body must be well-formed, unambiguous JSON.",
        "sub_id": "The field sub_id must be a subject identifier, as a JSON object.",
        "not_set": "The body must be a security event token, sent as application/secevent+jwt.",
        "too_large": "The event or its body is larger than this API accepts.",
        "malformed": "The event is not a well-formed signed JWT.",
        "encrypted": "The event is encrypted; this API accepts only signed events.",
        "type": "The type of the token is not that of such an event.",
        "algorithm": "The event is signed with an algorithm this API does not accept.",
        "unknown_key": "The event is signed with a key that its issuer does not publish.",
        "signature": "The signature of the event is not valid.",
        "issuer": "The issuer of the event is not one that this API accepts events from.",
        "audience": "The event was issued for another audience.",
        "time": "A time in the event is missing, not a valid number, or in the future.",
        "too_old": "The event is too old.",
        "expired": "The event has expired.",
        "id": "The identifier of the event must be a string of 1 to 256 characters.",
        "not_an_event": "The token is not an event; it looks like an access token or an ID token.",
        "events": "The events claim of the token does not contain an acceptable event.",
        "subject": "The event does not name its subject in a way that this API understands.",
        "foreign_subject": "The event is about a user of another issuer.",
        "reused": "The JWT of the sender was already used for another subject.",
        "fields": "A member of the event is missing, or has the wrong type.",
    }


class NotFoundError(Auth0Error):
    """One of the package's own routes found nothing under that name, or is turned off."""

    status = 404
    error: ClassVar[str | None] = "not_found"
    code = "not_found"
    descriptions: ClassVar[dict[str, str]] = {
        "not_found": "Not found.",
        "no_revocation": "There is no such revocation.",
    }


class RateLimitedError(Auth0Error):
    """One of the package's own routes was called again too soon."""

    status = 429
    error: ClassVar[str | None] = "rate_limited"
    code = "rate_limited"
    descriptions: ClassVar[dict[str, str]] = {
        "rate_limited": "The key set was refreshed a moment ago; try again later."
    }


class MethodNotAllowedError(Auth0Error):
    """One of the package's own routes was called with a method that it does not support."""

    status = 405
    error: ClassVar[str | None] = "method_not_allowed"
    code = "method_not_allowed"
    descriptions: ClassVar[dict[str, str]] = {"method_not_allowed": "This route does not support the request method."}

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__()


class ConfigurationError(Exception):
    """The app cannot be protected with these settings. Lists every problem; the app is left unchanged.

    Attributes:
        problems: setting (or topic) -> what is wrong and what would be right.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{key}: {problem}" for key, problem in problems.items()))
