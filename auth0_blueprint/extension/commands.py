"""``flask auth0`` without its commands: each is imported when it is used, so that serving an app does not load them."""

from __future__ import annotations

import importlib

import click

#: The modules of `auth0_blueprint.cli` that each define a ``command``.
NAMES = ("demo", "doctor", "events", "inspect", "jwks", "lift", "revocations", "revoke", "routes", "scopes", "token")


class _Commands(click.Group):
    """A group that imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or ``None``."""
        if cmd_name not in NAMES:
            return None
        command: click.Command = importlib.import_module(f"auth0_blueprint.cli.{cmd_name}").command
        return command


#: Registered on the app and by the entry point ``flask.commands``, so that it exists even when the app cannot start.
auth0: click.Group = _Commands("auth0", help="Check and try out this app's protection with Auth0.")
