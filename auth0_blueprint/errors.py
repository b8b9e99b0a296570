"""Every way in which a request, a token or a configuration is refused.

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
    │       └── UserNotFoundError                    401  user_not_found
    ├── AuthorizationError                           403
    │   ├── InsufficientScopeError                   403  insufficient_scope
    │   ├── InsufficientPermissionsError             403  insufficient_permissions
    │   └── InsufficientClaimsError                  403  insufficient_claims
    ├── UnavailableError                             503
    │   ├── KeySetUnavailableError                   503  key_set_unavailable
    │   ├── RevocationUnavailableError               503  revocation_unavailable
    │   └── ReplayMemoryUnavailableError             503  replay_memory_unavailable
    ├── InvalidRequestError                          400  invalid_request
    ├── NotFoundError                                404  not_found
    ├── MethodNotAllowedError                        405  method_not_allowed
    └── RateLimitedError                             429  rate_limited
    ConfigurationError                            raised at startup, never answered to a client

Each error class lists its reasons: a short name for logs and signals, and the one fixed sentence that a client may
read. Nothing of a token or a request ever becomes part of either.
"""

from __future__ import annotations

from typing import ClassVar


class Auth0Error(Exception):
    """The root of all that this package answers to a client. Handle it to render errors your own way.

    Attributes:
        status: the HTTP status code.
        error: the RFC 6750 §3.1 error code, or ``None`` where the challenge has to be bare.
        code: the finer, stable code of this package.
        reason: the finest, for logs and signals: a key of ``descriptions``.
        description: the fixed sentence for that reason.
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
    """The request does not prove who is calling, or not well enough."""

    status = 401


class MissingCredentialsError(AuthenticationError):
    """No credentials at all. RFC 6750 §3.1: no error code without credentials."""

    code = "authorization_header_missing"
    error: ClassVar[str | None] = None
    descriptions: ClassVar[dict[str, str]] = {
        "authorization_header_missing": "The request has no Authorization header."
    }


class InvalidHeaderError(AuthenticationError):
    """The header names another scheme or carries no token: as good as no credentials for us."""

    code = "invalid_header"
    error: ClassVar[str | None] = None
    descriptions: ClassVar[dict[str, str]] = {
        "other_scheme": "The Authorization header must use the Bearer scheme.",
        "no_token": "The Authorization header holds no token after the scheme.",
    }


class AmbiguousHeaderError(InvalidHeaderError):
    """More than one credential. RFC 6750 §3.1: ``invalid_request`` is a 400."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    descriptions: ClassVar[dict[str, str]] = {
        "several_credentials": "The Authorization header must be one scheme, one space and one token.",
    }


class InvalidProofError(AuthenticationError):
    """The DPoP proof is missing, or does not prove that the sender holds the key (RFC 9449 §4.3, §7.1)."""

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
        "key": "The DPoP proof must hold one public key that this API can use, and nothing private.",
        "key_of_other_algorithm": "The key in the DPoP proof does not fit its algorithm.",
        "signature": "The signature of the DPoP proof is not valid.",
        "method": "The DPoP proof was made for another method.",
        "uri": "The DPoP proof was made for another URI.",
        "access_token": "The DPoP proof was made for another access token.",
        "time": "The time in the DPoP proof is missing or not a usable number.",
        "too_old": "The DPoP proof is too old; make a new one for each request.",
        "in_future": "The DPoP proof was made in the future; check the clocks.",
        "token_id": "The identifier of the DPoP proof must be text of 1 to 256 characters.",
        "replayed": "The DPoP proof was used before; make a new one for each request.",
    }


class InvalidTokenError(AuthenticationError):
    """There is a token, and it is not acceptable (RFC 6750 §3.1 ``invalid_token``)."""

    error: ClassVar[str | None] = "invalid_token"


class MalformedTokenError(InvalidTokenError):
    """The token is not a JWS of the shape that an access token has (RFC 7515 §7.1, RFC 8725 §3)."""

    code = "token_malformed"
    descriptions: ClassVar[dict[str, str]] = {
        "too_long": "The access token is longer than this API accepts.",
        "encrypted": "The access token is encrypted; this API accepts signed access tokens only.",
        "opaque": "The access token is not a JWT; request it with this API's audience.",
        "not_base64url": "The access token is not made of three base64url segments.",
        "header_not_json": "The header of the access token is not an acceptable JSON object.",
        "payload_not_json": "The payload of the access token is not an acceptable JSON object.",
        "key_id": "The key id of the access token is not usable.",
        "critical_extension": "The access token uses a header extension that this API does not understand.",
        "type": "The token is not of a type that this API accepts as an access token.",
    }


class UnsupportedAlgorithmError(InvalidTokenError):
    """The header's ``alg`` is not one of ``AUTH0_ALGORITHMS`` (RFC 8725 §3.1)."""

    code = "unsupported_algorithm"
    descriptions: ClassVar[dict[str, str]] = {
        "unsupported_algorithm": "The access token is signed with an algorithm this API does not accept."
    }


class UnknownKeyError(InvalidTokenError):
    """No key of the issuer fits the token, and the key set is known to be current."""

    code = "unknown_key"
    descriptions: ClassVar[dict[str, str]] = {
        "unknown_key": "The access token is signed with a key the issuer does not publish."
    }


class InvalidSignatureError(InvalidTokenError):
    """The signature is not that of the key it names."""

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
    """A claim is absent, of the wrong type, or not the value this API demands."""

    code = "invalid_claims"
    descriptions: ClassVar[dict[str, str]] = {
        "issuer": "The access token was issued by another issuer.",
        "audience": "The access token was issued for another audience.",
        "missing_claim": "The access token lacks a claim that this API requires.",
        "subject": "The subject of the access token is missing or not text.",
        "time": "A time in the access token is missing or not a usable number.",
        "number": "The access token holds a number that is out of range.",
        "lifetime": "The access token is valid for longer than this API accepts.",
        "scope": "The scope of the access token is neither text nor a list of texts.",
        "permissions": "The permissions of the access token are not a list of texts.",
        "identifier": "An identifier in the access token is not text.",
        "organization": "The access token is not for an organization that this API accepts.",
        "app": "The access token was refused by a rule of this API.",
    }


class RevokedTokenError(InvalidTokenError):
    """The token was withdrawn before it expired."""

    code = "token_revoked"
    descriptions: ClassVar[dict[str, str]] = {"token_revoked": "The access token was revoked."}


class BindingMismatchError(InvalidTokenError):
    """The token is bound to a key or certificate that this request does not prove (RFC 7800 §3)."""

    code = "binding_mismatch"
    descriptions: ClassVar[dict[str, str]] = {
        "sender_constrained": "The access token is bound to a key or certificate that the request does not prove in a "
        "way this API takes.",
        "no_certificate": "The access token is bound to a client certificate, and the request shows none.",
        "other_certificate": "The access token is bound to another client certificate.",
        "unreadable_certificate": "The client certificate of the request cannot be read.",
        "untrusted_proxy": "The client certificate does not come from a proxy that this API trusts.",
        "not_bound": "The access token is not bound to a key and cannot be used with the DPoP scheme.",
        "proof_beside_bearer": "A DPoP proof belongs to the DPoP scheme; it cannot go with a bearer token.",
        "proof_required": "This API takes access tokens that are bound to a DPoP key only.",
        "other_key": "The access token is bound to another key than that of the DPoP proof.",
    }


class UserNotFoundError(InvalidTokenError):
    """The token is good, but the app's ``user_lookup_loader`` knows no such user."""

    code = "user_not_found"
    descriptions: ClassVar[dict[str, str]] = {
        "user_not_found": "The user of the access token is not known to this API."
    }


class InsufficientUserAuthenticationError(AuthenticationError):
    """The token is good; how or when the user has logged in is not enough for the route (RFC 9470 §3).

    Attributes:
        acr_values: authentication context class references of which the route takes one, best first.
        max_age_seconds: how long ago the login may have been.
    """

    code = "insufficient_user_authentication"
    error: ClassVar[str | None] = "insufficient_user_authentication"
    descriptions: ClassVar[dict[str, str]] = {
        "acr": "This route requires a login of another kind than the one behind the access token.",
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
    """The caller is known, and may not do this (RFC 6750 §3.1 ``insufficient_scope``)."""

    status = 403
    error: ClassVar[str | None] = "insufficient_scope"


class InsufficientScopeError(AuthorizationError):
    """The ``scope`` claim lacks what the route demands."""

    code = "insufficient_scope"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_scope": "The access token lacks a scope that this route requires."
    }


class InsufficientPermissionsError(AuthorizationError):
    """The ``permissions`` claim lacks what the route demands."""

    code = "insufficient_permissions"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_permissions": "The access token lacks a permission that this route requires."
    }


class InsufficientClaimsError(AuthorizationError):
    """A claim is absent or has no value that the route admits."""

    code = "insufficient_claims"
    descriptions: ClassVar[dict[str, str]] = {
        "insufficient_claims": "The access token lacks a claim value that this route requires.",
        "organization": "The access token is not for an organization that this route admits.",
    }


class UnavailableError(Auth0Error):
    """We cannot decide now. Not the client's fault: no challenge, and ``Retry-After`` says when to come back."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"


class KeySetUnavailableError(UnavailableError):
    """No usable key set, or an unknown key while the issuer cannot be asked."""

    code = "key_set_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "key_set_unavailable": "The keys to verify access tokens are not available right now."
    }


class RevocationUnavailableError(UnavailableError):
    """The store of revocations cannot be reached, and it matters."""

    code = "revocation_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "out_of_touch": "Whether access tokens were revoked cannot be told right now.",
        "not_stored": "The revocations that all processes share cannot be changed right now.",
    }

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason, retry_after_seconds=1)


class ReplayMemoryUnavailableError(UnavailableError):
    """Whether a DPoP proof was used before cannot be told, or not be remembered."""

    code = "replay_memory_unavailable"
    descriptions: ClassVar[dict[str, str]] = {
        "out_of_touch": "Whether the DPoP proof was used before cannot be told right now.",
        "full": "No more DPoP proofs can be remembered right now.",
    }

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason, retry_after_seconds=1)


class InvalidRequestError(Auth0Error):
    """The body of a request to one of the package's own routes is not what the route takes. Names our own field."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    code = "invalid_request"
    descriptions: ClassVar[dict[str, str]] = {
        "not_json": "The body must be a JSON object, sent as application/json.",
        "not_form": "The body must be a form, sent as application/x-www-form-urlencoded.",
        "too_large": "The body is larger than this route accepts.",
        "unknown_field": "The body has a field that this route does not know.",
        "one_of": "The body must have exactly one of token, jti, subject and client_id.",
        "token": "The field token must be one access token, as text.",
        "token_not_ours": "The field token must be an access token of this API that is still valid.",
        "jti": "The field jti must be text of 1 to 1024 characters.",
        "subject": "The field subject must be text of 1 to 1024 characters.",
        "client_id": "The field client_id must be text of 1 to 1024 characters.",
        "reason": "The field reason must be text of at most 500 characters.",
        "token_type_hint": "The field token_type_hint must be given once at most.",
    }


class NotFoundError(Auth0Error):
    """One of the package's own routes has nothing under that name, or is switched off."""

    status = 404
    error: ClassVar[str | None] = "not_found"
    code = "not_found"
    descriptions: ClassVar[dict[str, str]] = {
        "not_found": "There is nothing here.",
        "no_revocation": "There is no such revocation.",
    }


class RateLimitedError(Auth0Error):
    """One of the package's own routes was asked again too soon."""

    status = 429
    error: ClassVar[str | None] = "rate_limited"
    code = "rate_limited"
    descriptions: ClassVar[dict[str, str]] = {
        "rate_limited": "The key set was refreshed a moment ago; try again later."
    }


class MethodNotAllowedError(Auth0Error):
    """One of the package's own routes was asked with a method that it does not have."""

    status = 405
    error: ClassVar[str | None] = "method_not_allowed"
    code = "method_not_allowed"
    descriptions: ClassVar[dict[str, str]] = {
        "method_not_allowed": "This route does not have the method of the request."
    }

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__()


class ConfigurationError(Exception):
    """The app cannot be protected with these settings. Lists every wrong one; nothing was left on the app.

    Attributes:
        problems: setting (or topic) -> what is wrong and what would be right.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{key}: {problem}" for key, problem in problems.items()))
