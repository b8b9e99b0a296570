"""The loaders of flask-jwt-extended that Auth0's tokens leave without effect: each is refused with the remedy."""

from __future__ import annotations

from typing import Any, NoReturn


def _refused(name: str) -> Any:
    def refuse(_self: Any, callback: Any) -> NoReturn:  # noqa: ARG001 - the name is part of the signature
        raise RuntimeError(
            f"{name} has no effect with auth0_blueprint. To render errors your own way, use "
            "@app.errorhandler(Auth0Error); tokens are issued by Auth0 and verified with its keys only."
        )

    return refuse


class RefusedLoaders:
    """Overrides the loaders that create tokens, choose keys or render answers."""

    additional_claims_loader: Any = _refused("additional_claims_loader")
    additional_headers_loader: Any = _refused("additional_headers_loader")
    decode_key_loader: Any = _refused("decode_key_loader")
    encode_key_loader: Any = _refused("encode_key_loader")
    expired_token_loader: Any = _refused("expired_token_loader")
    invalid_token_loader: Any = _refused("invalid_token_loader")
    needs_fresh_token_loader: Any = _refused("needs_fresh_token_loader")
    revoked_token_loader: Any = _refused("revoked_token_loader")
    token_verification_failed_loader: Any = _refused("token_verification_failed_loader")
    unauthorized_loader: Any = _refused("unauthorized_loader")
    user_identity_loader: Any = _refused("user_identity_loader")
    user_lookup_error_loader: Any = _refused("user_lookup_error_loader")
