"""The revocations that all processes of the app share, for the commands that list and change them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from auth0_blueprint.cli.command_errors import CommandError
from auth0_blueprint.errors import RevocationUnavailableError
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.revocation.index import Origin
from auth0_blueprint.revocation.service import Revocations

_OFF = "AUTH0_REVOCATION is off: this app revokes nothing."
_NOT_SHARED = (
    "The processes of this app share no revocations, so a command can neither see nor change those of its workers. "
    "To solve this, configure a shared cache (CACHE_TYPE=RedisCache and AUTH0_CACHE_SECRET), or use the admin route "
    "/auth/admin/revocations of each worker."
)
_UNAVAILABLE = (
    "The shared cache cannot be used right now, so revocations can be neither listed nor changed. "
    "To solve this, run flask auth0 doctor, which says why, and repeat the command."
)


@contextmanager
def shared_revocations() -> Iterator[Revocations]:
    """Enter with all revocations of the app's processes.

    Raises:
        CommandError: they share none, or the store cannot be used, on entering or later.
    """
    state = app_state()
    if state.revocations is None:
        raise CommandError(_OFF)
    if state.reach() == "process":
        raise CommandError(_NOT_SHARED)
    try:
        state.revocations.sync()
        yield state.revocations
    except RevocationUnavailableError as exc:
        raise CommandError(_UNAVAILABLE) from exc


def origin_of_command() -> Origin:
    """Return where a change by this command comes from: the user whose process it is, if it has a name."""
    return Origin("command", actor=_local_user())


def check_text(value: str, max_length: int, hint: str) -> None:
    """Check that *value* is at most that long, and can be stored.

    Raises:
        click.BadParameter: it is not.
    """
    try:
        value.encode()
    except UnicodeEncodeError as exc:  # an argument may be any bytes
        raise click.BadParameter("must be text in UTF-8.", param_hint=hint) from exc
    if len(value) > max_length:
        raise click.BadParameter(f"must be at most {max_length} characters long.", param_hint=hint)


def _local_user() -> str | None:
    try:
        import pwd
    except ImportError:  # not a Unix
        return None
    try:
        # Not what the environment says, which the user may set.
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of a container, without an entry
        return None
