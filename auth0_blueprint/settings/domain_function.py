"""``AUTH0_DOMAIN`` as a function of the app's own that says which issuers are ours, and what that rules out."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from auth0_blueprint.settings.event_sources import SETTINGS

#: ``package.module:function``. A port, which a host name may be followed by, is no identifier.
_REFERENCE = re.compile(r"\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*")
_ONE_ISSUER = "must not be set with a function in AUTH0_DOMAIN: {}"
_CONFLICTS = {
    "AUTH0_ISSUER": "it names one issuer",
    "AUTH0_JWKS_URL": "each issuer has a key set of its own",
    "AUTH0_SIGNING_SECRET": "one secret would sign in the name of every issuer",
    "AUTH0_ORGANIZATION": "an organization id means nothing in another tenant: use "
    '@requires_organization("org_...", issuer="https://.../")',
}
_SENDER = "its events name no tenant, and would reach the users of all: receive them in an app for each tenant"


@dataclass(frozen=True, slots=True, eq=False)
class DomainFunction:
    """A function of the app's own that says whether an issuer is one of ours.

    Attributes:
        function: called with the unverified issuer and Flask's request, ``None`` outside of one.
        name: ``module:function``, for operators.
    """

    function: Callable[[str, Any], object]
    name: str


def domain_function(value: Any) -> DomainFunction | None:
    """Return the function that *value* is or names; ``None`` if it is meant to be host names.

    Raises:
        ValidationError: it is no function, cannot be imported, or does not take two arguments.
    """
    name = None
    if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
        name = f"{found[1]}:{found[2]}"
        value = _imported(found[1], found[2])
    elif not callable(value):
        return None
    if not callable(value) or isinstance(value, type):
        raise ValidationError("must be a function, as module:function names one, or host names")
    if any(map(inspect.iscoroutinefunction, (value, type(value).__call__))):
        raise ValidationError("must be a plain function: what an async one returns would have to be awaited")
    try:
        inspect.signature(value).bind("", None)
    except TypeError:
        raise ValidationError("must be a function of two arguments, the issuer and the request") from None
    except ValueError:  # not every callable has a signature
        pass
    return DomainFunction(value, name or _name_of(value))


def domain_function_problems(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what does not go together with a function in ``AUTH0_DOMAIN``, or without one. By setting."""
    if "AUTH0_DOMAIN" not in data:
        return {}
    if not isinstance(data["AUTH0_DOMAIN"], DomainFunction):
        if not data.get("AUTH0_ADMIN_ISSUERS"):
            return {}
        return {"AUTH0_ADMIN_ISSUERS": "needs a function in AUTH0_DOMAIN: without one every admin is of the one tenant"}
    # Logout tokens come from the issuer whose users they name; other events would act on the users of every tenant.
    senders = {key: _SENDER for source, key in SETTINGS.items() if source != "logout"}
    problems = {key: _ONE_ISSUER.format(why) for key, why in {**_CONFLICTS, **senders}.items() if data.get(key)}
    if data.get("AUTH0_HEALTH_DETAILS") == "always":
        problems["AUTH0_HEALTH_DETAILS"] = _ONE_ISSUER.format("always would show every tenant to anyone")
    if any(audience.endswith("/userinfo") for audience in data.get("AUTH0_AUDIENCE", ())):
        problems["AUTH0_AUDIENCE"] = (
            "must not be the userinfo endpoint, which is in tokens for every API of a tenant: use the identifier of "
            "your own API"
        )
    return problems


def _imported(module: str, path: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except Exception as exc:
        # These texts name what is missing, perhaps in a module that this one imports; others may hold anything.
        is_about_names = isinstance(exc, (ImportError, AttributeError, NameError))
        said = f"{type(exc).__name__}: {exc}" if is_about_names else type(exc).__name__
        raise ValidationError(
            f"cannot be imported ({said}): name a function as module:function, and define it before the blueprint is "
            "registered"
        ) from exc
    return found


def _name_of(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"
