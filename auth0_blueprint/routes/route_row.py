"""The rows of `routes.table`: a path, who may use it, and what each of its methods accepts and returns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from flask import Response

from auth0_blueprint.errors import Auth0Error
from auth0_blueprint.settings import Settings

JSON, FORM, HEALTH_JSON = "application/json", "application/x-www-form-urlencoded", "application/health+json"

View = Callable[..., Response]

#: Who may use a route: ``anyone``; ``sender``: whoever sends events, and proves it by what is sent; ``optional``:
#: anyone, and some tokens show more; ``token``: any valid token; otherwise the member of `Settings` with the scope that
#: a token needs. Routes for ``admin_scope`` exist only with ``AUTH0_ADMIN``.
Guard = Literal["anyone", "sender", "optional", "token", "admin_scope", "introspection_scope"]


@functools.cache
def imported(name: str) -> Any:
    """Return the view or the schema that *name*, ``module:name`` in this package, names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), attribute)


class Operation(NamedTuple):
    """One method of one route. Schemas are named, for `imported`.

    Attributes:
        name: of the operation, in the OpenAPI document.
        method: in capitals.
        summary: what it is for.
        answers: status to schema, for every answer that is not an error; ``None`` for one without a body.
        body: schema of the request.
        body_type: media type of the request.
        query: schema of the query.
        answer_type: media type of the answers.
        refusals: its errors, apart from those of the guard.
    """

    name: str
    method: str
    summary: str
    answers: dict[int, str | None]
    body: str | None = None
    body_type: str = JSON
    answer_type: str = JSON
    refusals: tuple[type[Auth0Error], ...] = ()
    query: str | None = None


class Route(NamedTuple):
    """One path of the package's own.

    Attributes:
        path: below the prefix of the blueprint, as a rule of werkzeug.
        view: for all methods, named for `imported`. The name behind the colon is the last part of the endpoint.
        guard: who may use it.
        operations: one for each method.
        switch: the member of `Settings`, or of one of its members, that turns the route on. While it is off, those who
            may use the route get 404.
    """

    path: str
    view: str
    guard: Guard
    operations: tuple[Operation, ...]
    switch: str | None = None

    @property
    def module(self) -> str:
        """The name of the module that the view is in."""
        return f"{__package__}.{self.view.partition(':')[0]}"

    @property
    def name(self) -> str:
        """The name of the view, and the last part of the endpoint."""
        return self.view.partition(":")[2]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of its operations, without ``HEAD`` and ``OPTIONS``."""
        return tuple(operation.method for operation in self.operations)

    @property
    def is_open(self) -> bool:
        """Whether requests without an access token are answered."""
        return self.guard in {"anyone", "sender", "optional"}

    def is_hidden(self, settings: Settings) -> bool:
        """Return whether under *settings* the path answers 404 to everybody, whatever the method."""
        return (self.guard == "admin_scope" and not settings.admin) or (
            self.is_open and not self._is_switched_on(settings)
        )

    def is_on(self, settings: Settings) -> bool:
        """Return whether under *settings* those who may use the route get an answer."""
        return not self.is_hidden(settings) and self._is_switched_on(settings)

    def _is_switched_on(self, settings: Settings) -> bool:
        return self.switch is None or bool(attrgetter(self.switch)(settings))
