"""``flask auth0 doctor``: checks settings, issuer, senders of events and cache, and prints a line for each check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from auth0_blueprint.cli.check_cache import examine_cache
from auth0_blueprint.cli.check_encryption import examine_encryption
from auth0_blueprint.cli.check_events import examine_events
from auth0_blueprint.cli.check_function import examine_function
from auth0_blueprint.cli.check_issuer import examine_issuer
from auth0_blueprint.cli.check_settings import examine_app
from auth0_blueprint.cli.command_errors import Command
from auth0_blueprint.cli.finding import FAIL, Finding, worst
from auth0_blueprint.cli.output import json_option, mark, print_json, print_lines
from auth0_blueprint.keysets.issuer_identifier import is_issuer_identifier
from auth0_blueprint.settings import Settings

_STATUS_WIDTH = len("fail")
_CHECK_WIDTH = len("discovery")


@click.command("doctor", cls=Command, short_help="Check settings, issuer, clock and cache.")
@click.option("--issuer", metavar="URL", help="Check this issuer, where a function decides which are accepted.")
@json_option
def command(issuer: str | None, as_json: bool) -> None:
    """Check settings, DNS, TLS, key set, clock, senders of events and cache: a line each, with a remedy for problems.

    Also works when the app cannot start, and then says why. Exits with 1 if a check fails; with 0 on warnings only.
    """
    findings: list[Finding] = []
    for found in _examine(issuer):
        findings.append(found)
        if not as_json:
            print_lines([_line(found)])  # right away: the next check may take a while
    if as_json:
        print_json({"status": worst(findings), "checks": [found._asdict() for found in findings]})
    if worst(findings) == FAIL:
        raise click.exceptions.Exit(1)


def _examine(issuer: str | None) -> Iterator[Finding]:
    subject = examine_app()
    yield from subject.findings
    if subject.settings is not None:
        yield from examine_encryption(subject.settings)
        yield from examine_function(subject.app, subject.state, issuer)
        for known in _issuers(subject.settings, issuer):
            yield from examine_issuer(known, subject.settings.key_set_url(known), subject.settings)
    if subject.state is not None and subject.app is not None:
        yield from examine_events(subject.app, subject.state.settings)
        config: dict[str, Any] = subject.app.config
        yield from examine_cache(subject.state, config)


def _issuers(settings: Settings, given: str | None) -> tuple[str, ...]:
    if settings.domain_function is None:
        return settings.issuers
    return () if given is None or not is_issuer_identifier(given) else (given,)


def _line(found: Finding) -> str:
    status = mark(found.status) + " " * (_STATUS_WIDTH - len(found.status))
    text = f"{found.text}: {found.remedy}" if found.remedy else found.text
    return f"{status}  {found.check:{_CHECK_WIDTH}}  {text}"
