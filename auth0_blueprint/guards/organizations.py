"""The guard for Auth0 organizations. With several tenants it must say whose organization it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask

from auth0_blueprint.guards.authentication import AppState, app_state
from auth0_blueprint.guards.decorators import admit, guarded
from auth0_blueprint.guards.guard import Guard
from auth0_blueprint.guards.requirements import Requirement, organization_requirement
from auth0_blueprint.guards.route_requirements import requirements_of_app

P = ParamSpec("P")
R = TypeVar("R")

#: An organization id of one tenant means nothing in another.
_OF_NOBODY = (
    "requires_organization() does not say whose organization it requires, and AUTH0_DOMAIN is a function: each issuer "
    'is a tenant of its own. To solve this, add the issuer: requires_organization("org_...", issuer="https://.../").'
)


def requires_organization(*ids: str, issuer: str | None = None) -> Guard:
    """Admit only access tokens of one of these Auth0 organizations (claim ``org_id``).

    Args:
        ids: ids of organizations (``org_...``), not names, one each.
        issuer: of the tenant that has these organizations. Required where a function in ``AUTH0_DOMAIN`` decides which
            issuers are accepted: else the first request is a ``RuntimeError``.
    """
    requirement = organization_requirement(ids, issuer)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return guarded(function, lambda: _admit(requirement), requirement)

    return Guard("requires_organization", "compare current_token.organization_id", decorate)


def check_organizations(app: Flask, state: AppState) -> None:
    """Check, once *app* is complete, that its guards say whose organizations they mean.

    Raises:
        RuntimeError: one does not, and there are several tenants.
    """
    if state.directory is not None and any(map(_is_of_nobody, requirements_of_app(app))):
        raise RuntimeError(_OF_NOBODY)


def _is_of_nobody(requirement: Requirement) -> bool:
    return requirement.kind == "organization" and requirement.issuer is None


def _admit(requirement: Requirement) -> None:
    # Again, for guards on what is no view.
    if _is_of_nobody(requirement) and app_state().directory is not None:
        raise RuntimeError(_OF_NOBODY)
    admit(requirement)
