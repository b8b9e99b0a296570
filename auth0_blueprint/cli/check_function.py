"""A check of ``flask auth0 doctor``: does the function in ``AUTH0_DOMAIN`` accept the issuer that was named?"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from auth0_blueprint.cli.finding import FAIL, OK, WARN, Finding
from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.guards.authentication import AppState

_CHECK = "tenants"


def examine_function(app: Flask | None, state: AppState | None, issuer: str | None) -> Iterator[Finding]:
    """Yield a finding if a function decides which issuers are ours. Only it knows them, so one must be named."""
    if app is None or state is None or state.directory is None or state.settings.domain_function is None:
        return
    name = state.settings.domain_function.name
    if issuer is None:
        yield Finding(_CHECK, OK, f"{name} decides; no issuer is checked", "name one: flask auth0 doctor --issuer URL")
        return
    try:
        with app.app_context():
            is_ours = state.directory.get(issuer) is not None
    except KeySetUnavailableError:
        yield Finding(_CHECK, FAIL, f"{name} failed, and tokens get 503", "the log says how", issuer=issuer)
        return
    if is_ours:
        yield Finding(_CHECK, OK, f"{name} accepts it", issuer=issuer)
    else:
        text = f"{name} does not accept it, asked without a request"
        yield Finding(_CHECK, WARN, text, "name the exact iss of the tokens", issuer=issuer)
