"""``flask auth0 inspect``: decodes a token, and says step by step whether this app would accept it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from flask import Flask, current_app, request
from werkzeug.routing import RequestRedirect

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.finding import WARN, worst
from auth0_blueprint.cli.given_token import given_token
from auth0_blueprint.cli.inspection.decryption import Content, open_and_take_apart
from auth0_blueprint.cli.inspection.inspected_token import InspectedToken
from auth0_blueprint.cli.inspection.mistakes import FoundMistake, mistakes_in
from auth0_blueprint.cli.inspection.steps import NOT_REACHED, VerificationTrace, trace_verification
from auth0_blueprint.cli.inspection.unverified import bare_token
from auth0_blueprint.cli.inspection.values import shown_claim
from auth0_blueprint.cli.output import json_option, mark, print_json, print_lines, printable, table
from auth0_blueprint.cli.protection import Protection, protection_of
from auth0_blueprint.cli.revocation_facts import document_of, facts_of
from auth0_blueprint.errors import UnavailableError
from auth0_blueprint.guards.authentication import AppState, app_state
from auth0_blueprint.guards.route_requirements import scopes_of_app
from auth0_blueprint.revocation.index import Revocation
from auth0_blueprint.settings import Settings


@click.command("inspect", cls=Command, short_help="Say step by step whether this app would accept a token.")
@click.argument("words", nargs=-1, metavar="[TOKEN|-]")
@click.option("--path", help="Also check what the guards of this route require, such as /api/messages.")
@click.option("--method", default="GET", show_default=True, help="Request method for --path.")
@json_option
@with_app
def command(words: tuple[str, ...], path: str | None, method: str, as_json: bool) -> None:
    """Decode an access token, and say step by step whether this app would accept it, and why.

    Pass the token as an argument, which others can see and the shell remembers, or on standard input; on a terminal
    you are prompted for it. "Bearer" and quotes around it are ignored. The token is never printed.

    Exits with 1 if the app would not accept it, or cannot decide.
    """
    state = app_state()
    # Several words are one token with its scheme, pasted without quotes.
    token = bare_token(given_token(" ".join(words), state.settings.max_token_bytes, "inspect"))
    if not token:
        raise click.UsageError("No token: pass it as an argument, or on standard input.")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    _enter_request(app, path or "/", method)
    protection = None if path is None else _protection_of_route(app, state.settings)
    requirements = () if protection is None else protection.requirements
    now = state.clock.time()
    content = open_and_take_apart(token, state.settings)
    trace = trace_verification(state, token, request.environ, protection)
    scopes = (
        scopes_of_app(app)
        if protection is None
        else [scope for requirement in requirements for scope in requirement.scopes]
    )
    inspected = InspectedToken(
        content.signed, state.settings, now, trace.error, trace.access_token, requirements, frozenset(scopes)
    )
    mistakes = mistakes_in(inspected)
    revocations = _revocations_of(state, token, trace)
    if as_json:
        print_json(_document(content, trace, mistakes, revocations))
    else:
        print_lines(_lines(content, trace, mistakes, now))
        print_lines(_lines_of_revocations(revocations))
    if trace.error is not None:
        raise click.exceptions.Exit(1)


def _enter_request(app: Flask, path: str, method: str) -> None:
    """Enter a request for *path*, which the guards and the app's own rules need, until the command ends.

    Raises:
        CommandError: the app cannot handle such a request.
    """
    hosts = app.config.get("TRUSTED_HOSTS")
    if hosts and "://" not in path:
        host = hosts if isinstance(hosts, str) else next(iter(hosts))
        path = f"https://{host.removeprefix('.')}{path}"
    try:
        click.get_current_context().with_resource(app.test_request_context(path, method=method))
    except Exception as exc:  # the path is arbitrary, and the session interface may be the app's own
        raise CommandError(f"The app cannot handle a request for {printable(path)}: {type(exc).__name__}.") from exc


def _protection_of_route(app: Flask, settings: Settings) -> Protection:
    rule = request.url_rule
    protection = None if rule is None else protection_of(app, settings, rule, request.method)
    if protection is None:
        what = printable(f"{request.method} {request.path}")
        raise click.BadParameter(f"no route matches {what}{_other_answer()}", param_hint="'--path'")
    return protection


def _other_answer() -> str:
    """Return what the app answers to this request instead, unless that is just 404 or 405."""
    answer = request.routing_exception
    if answer is None or answer.code in {404, 405}:
        return ""
    detail = answer.new_url if isinstance(answer, RequestRedirect) else answer.description
    return printable(f": the app answers {answer.code} {answer.name}, {detail}")


def _verdict(trace: VerificationTrace) -> str:
    if trace.error is None:
        return "accepted, with its proof" if worst(trace.steps) == WARN else "accepted"
    is_open = isinstance(trace.error, UnavailableError)
    return f"{'cannot be decided now' if is_open else 'refused'} ({trace.error.code})"


def _revocations_of(state: AppState, token: str, trace: VerificationTrace) -> list[Revocation]:
    """Return the revocations for which the app refuses *token*."""
    if state.revocations is None or trace.access_token is None:
        return []
    return state.revocations.matching(trace.access_token, token)


def _lines_of_revocations(revocations: list[Revocation]) -> Iterator[str]:
    for revocation in revocations:
        yield ""
        yield from facts_of(revocation)


def _document(
    content: Content, trace: VerificationTrace, mistakes: list[FoundMistake], revocations: list[Revocation]
) -> dict[str, Any]:
    error = trace.error
    return {
        "accepted": error is None,
        "code": None if error is None else error.code,
        "reason": None if error is None else error.reason,
        "signed": trace.is_signed,
        **({} if content.encryption is None else {"encryption": content.encryption}),
        "header": content.signed.header,
        "claims": content.signed.claims,
        "steps": [{"step": found.check, "status": found.status, "text": found.text} for found in trace.steps],
        "mistakes": [found._asdict() for found in mistakes],
        "revocations": [document_of(revocation) for revocation in revocations],
    }


def _lines(content: Content, trace: VerificationTrace, mistakes: list[FoundMistake], now: float) -> Iterator[str]:
    trust = "signed by the issuer" if trace.is_signed else "UNVERIFIED, anyone could have written this"
    parts = [("Header", content.signed.header, trust), ("Claims", content.signed.claims, trust)]
    if content.encryption is not None:
        parts.insert(0, ("Encryption", content.encryption, "decrypted with a key of this app; not signed"))
    for title, members, origin in parts:
        if members is None:
            yield f"{title}: cannot be decoded"
        else:
            yield f"{title}: {origin}"
            rows = [(f"  {printable(name)}", shown_claim(name, value, now)) for name, value in members.items()]
            yield from table(rows)
        yield ""
    yield from table((_marked(found.status), found.check, printable(found.text)) for found in trace.steps)
    yield ""
    yield f"This app: {_verdict(trace)}"
    for found in mistakes:
        yield f"{found.mistake}: {found.cause} {found.remedy}"


def _marked(status: str) -> str:
    return status if status == NOT_REACHED else mark(status)
