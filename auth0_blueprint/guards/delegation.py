"""The guards for who acts on behalf of the user (RFC 8693), and for what exactly was authorized (RFC 9396)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from auth0_blueprint.guards.authentication import current_token
from auth0_blueprint.guards.decorators import requiring
from auth0_blueprint.guards.guard import Guard
from auth0_blueprint.guards.requirements import actor_requirement, authorization_details_requirement


def requires_actor(*ids: str, issuer: str | None = None) -> Guard:
    """Admit only access tokens that one of these parties uses on behalf of the subject (claim ``act``, RFC 8693 §4.1).

    The current actor decides, which is the outermost ``act``: whoever acted before it does not count. Tokens that
    their subject uses itself, which have no actor, are refused.

    Args:
        ids: subjects of actors (``act.sub``), one each: ids of clients, agents or users.
        issuer: who knows the actor by that subject (``act.iss``); by default the issuer of the token.
    """
    requirement = actor_requirement(ids, issuer)
    return requiring(requirement, "requires_actor", "ask has_actor()")


def requires_authorization_details(
    type: str,  # noqa: A002 - the name of RFC 9396
    check: Callable[[Any], object] | None = None,
    *,
    schema: Schema | type[Schema] | None = None,
) -> Guard:
    """Admit only access tokens with suitable ``authorization_details`` of this type (RFC 9396).

    One is enough that fits the schema, and for which the check is true.

    Args:
        type: of the details, such as ``payment_initiation``: without spaces or quotes.
        check: called with each detail of the type, an :class:`AuthorizationDetail`, or what the schema makes of it; a
            true answer admits. One that raises does not.
        schema: a marshmallow schema, which a detail must fit in order to count. Like any, it refuses members that it
            does not know, except ``type``, unless its ``Meta.unknown`` says otherwise.
    """
    requirement = authorization_details_requirement(type, check, schema)
    return requiring(requirement, "requires_authorization_details", "ask has_authorization_details()")


def has_actor(*ids: str, issuer: str | None = None) -> bool:
    """Tell, inside a guarded view, whether `requires_actor` with these arguments would admit the token."""
    return actor_requirement(ids, issuer).is_met_by(current_token)


def has_authorization_details(
    type: str,  # noqa: A002 - the name of RFC 9396
    check: Callable[[Any], object] | None = None,
    *,
    schema: Schema | type[Schema] | None = None,
) -> bool:
    """Tell, inside a guarded view, whether `requires_authorization_details` would admit the token."""
    return authorization_details_requirement(type, check, schema).is_met_by(current_token)
