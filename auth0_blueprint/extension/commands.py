"""``flask auth0``, without its commands: each is imported when it is used, so a serving app pays nothing for them."""

from __future__ import annotations

import importlib

import click

#: The modules of `auth0_blueprint.cli`; each has its ``command``.
NAMES = ("demo", "doctor", "inspect", "jwks", "routes", "token")


class _Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the alphabet."""
        return sorted(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or ``None``."""
        if cmd_name not in NAMES:
            return None
        command: click.Command = importlib.import_module(f"auth0_blueprint.cli.{cmd_name}").command
        return command


#: Among the app's own commands, and by the entry point ``flask.commands``, where it is also when no app can start.
auth0: click.Group = _Commands("auth0", help="Ask about Auth0, the issuer of this app's access tokens.")
