"""``flask auth0 doctor``: checks settings, issuer, senders of events and cache, and prints a line for each check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from auth0_blueprint.cli.check_cache import examine_cache
from auth0_blueprint.cli.check_encryption import examine_encryption
from auth0_blueprint.cli.check_events import examine_events
from auth0_blueprint.cli.check_issuer import examine_issuer
from auth0_blueprint.cli.check_settings import examine_app
from auth0_blueprint.cli.command_errors import Command
from auth0_blueprint.cli.finding import FAIL, Finding, worst
from auth0_blueprint.cli.output import json_option, mark, print_json, print_lines

_STATUS_WIDTH = len("fail")
_CHECK_WIDTH = len("discovery")


@click.command("doctor", cls=Command, short_help="Check settings, issuer, clock and cache.")
@json_option
def command(as_json: bool) -> None:
    """Check settings, DNS, TLS, key set, clock, senders of events and cache: a line each, with a remedy for problems.

    Also works when the app cannot start, and then says why. Exits with 1 if a check fails; with 0 on warnings only.
    """
    findings: list[Finding] = []
    for found in _examine():
        findings.append(found)
        if not as_json:
            print_lines([_line(found)])  # right away: the next check may take a while
    if as_json:
        print_json({"status": worst(findings), "checks": [found._asdict() for found in findings]})
    if worst(findings) == FAIL:
        raise click.exceptions.Exit(1)


def _examine() -> Iterator[Finding]:
    subject = examine_app()
    yield from subject.findings
    if subject.settings is not None:
        yield from examine_encryption(subject.settings)
        for issuer in subject.settings.issuers:
            yield from examine_issuer(issuer, subject.settings.key_set_urls.get(issuer), subject.settings)
    if subject.state is not None and subject.app is not None:
        yield from examine_events(subject.app, subject.state.settings)
        config: dict[str, Any] = subject.app.config
        yield from examine_cache(subject.state, config)


def _line(found: Finding) -> str:
    status = mark(found.status) + " " * (_STATUS_WIDTH - len(found.status))
    text = f"{found.text}: {found.remedy}" if found.remedy else found.text
    return f"{status}  {found.check:{_CHECK_WIDTH}}  {text}"
