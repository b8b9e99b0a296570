"""``flask auth0 demo``: a guarded API to try, with its own local issuer. No account, no network."""

from __future__ import annotations

import os
from typing import Any

import click

from auth0_blueprint.cli.command_errors import Command
from auth0_blueprint.cli.output import json_option, print_json, print_lines
from auth0_blueprint.testing.demo import Demo, invitation, serve
from auth0_blueprint.testing.demo_app import create_app


@click.command("demo", cls=Command, short_help="Serve a guarded API to try, with its own local issuer.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0 picks a free one.")
@json_option
def command(port: int, as_json: bool) -> None:
    """Serve a small guarded API and an issuer for it, and print curl lines with tokens.

    Both listen on this machine only. Your app and your settings are not used. Stop with Ctrl+C.
    """
    # Settings of the user's own API, such as another audience or required DPoP, would make these tokens fail.
    for name in [name for name in os.environ if name.startswith("AUTH0_") or name == "API_ID"]:
        del os.environ[name]
    serve(create_app, port, _announce_as_json if as_json else _announce)


def _announce(demo: Demo) -> None:
    print_lines(invitation(demo))


def _announce_as_json(demo: Demo) -> None:
    requests: list[dict[str, Any]] = [request._asdict() for request in demo.requests]
    print_json({"issuer": demo.issuer, "api": demo.api, "requests": requests})
