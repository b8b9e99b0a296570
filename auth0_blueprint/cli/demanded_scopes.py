"""The scopes and permissions that the guards of an app demand, and of which routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from auth0_blueprint.cli.protected_routes import ProtectedRoute

#: In this order, wherever a value is demanded as both.
KINDS = ("scope", "permission")


class Need(NamedTuple):
    """Why a route demands a value.

    Attributes:
        route: that demands it.
        kinds: ``scope``, ``permission``, or both.
        any_of: whether for this route another value will do as well.
    """

    route: ProtectedRoute
    kinds: tuple[str, ...]
    any_of: bool


class DemandedScope(NamedTuple):
    """A value that Auth0 has to know, as a scope (permission) of the API.

    Attributes:
        value: as tokens carry it, in ``scope``, in ``permissions`` or in both.
        needs: by route, at least one.
    """

    value: str
    needs: tuple[Need, ...]

    @property
    def is_permission(self) -> bool:
        """Whether some route looks for it in ``permissions``."""
        return any("permission" in need.kinds for need in self.needs)


def demanded_scopes(routes: Iterable[ProtectedRoute]) -> list[DemandedScope]:
    """Return what *routes* demand, sorted by value. Scopes and permissions are one list in Auth0."""
    needs: dict[str, list[Need]] = {}
    for route in routes:
        for value, need in _needs_of(route).items():
            needs.setdefault(value, []).append(need)
    return [DemandedScope(value, tuple(needs[value])) for value in sorted(needs)]


def _needs_of(route: ProtectedRoute) -> dict[str, Need]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for requirement in route.protection.requirements:
        if requirement.kind in KINDS:
            is_choice = requirement.any_of and len(set(requirement.values)) > 1
            for value in requirement.values:
                found.setdefault(value, []).append((requirement.kind, is_choice))
    return {
        value: Need(
            route,
            tuple(kind for kind in KINDS if any(kind == one for one, _ in reasons)),
            all(is_choice for _, is_choice in reasons),
        )
        for value, reasons in found.items()
    }
