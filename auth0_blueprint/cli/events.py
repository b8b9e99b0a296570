"""``flask auth0 events send``: posts a test event to the app, to see that its route and its sender's settings work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click
from flask import Flask, current_app

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.event_routes import own_description, paths_of, senders_of
from auth0_blueprint.cli.exchange import Answer, ExchangeError, exchange
from auth0_blueprint.cli.output import json_option, print_json, print_lines
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.jose import strict_json
from auth0_blueprint.settings.event_sources import SETTINGS, Source
from auth0_blueprint.settings.loopback import is_loopback
from auth0_blueprint.testing.events import cloud_event

_TIMEOUT_SECONDS = 10.0
_DEFAULT_URL = "http://127.0.0.1:5000"
#: A user that nobody is: the event of somebody who only tries the command ends nobody's tokens.
_NOBODY = "auth0|test-event"

_NEXT_STEPS: Mapping[str, str] = {
    "logout": "log a user out of an application that has the route as its Back-Channel Logout URI",
    "security": "ask the transmitter for a verification event",
    "global-token-revocation": "have the identity provider end a user's sessions (Universal Logout)",
}


class _Target(NamedTuple):
    """Where the event goes, and what is needed to make it: an issuer that signs it, or a secret."""

    url: str
    issuer: str | None = None
    audience: str | None = None
    secret: str | None = None


@click.group("events", short_help="Send the app a test event.")
def command() -> None:
    """Test the routes that receive logouts, blocked users and other events."""


@command.command("send", cls=Command, short_help="Post a test event to the app.")
@click.option("--kind", type=click.Choice([*SETTINGS]), default="logout", show_default=True, help="Which event.")
@click.option("--subject", default=_NOBODY, show_default=True, help="The user that it is about: the sub of tokens.")
@click.option("--url", help=f"Base URL of the app; default: AUTH0_PUBLIC_URL, else {_DEFAULT_URL}.")
@click.option("--issuer", metavar="URL", help="The local issuer of flask auth0 demo; then no app of yours is loaded.")
@json_option
def send(kind: Source, subject: str, url: str | None, issuer: str | None, as_json: bool) -> None:
    """Post a test event to the app, and say what its answer means. Exits with 1 unless the app accepts it.

    An event of kind auth0 carries the secret in AUTH0_EVENT_SECRETS, is marked as a test, and has no effect: it can
    be sent to a deployed app. The other kinds are signed, and take effect. Only a local issuer signs them on request:
    that of flask auth0 demo.
    """
    if issuer is not None and kind == "auth0":
        raise click.UsageError("--issuer signs events, and those of kind auth0 are not signed: leave it out.")
    if issuer is None:
        target = with_app(lambda: _target_of_app(kind, url))()
    else:
        target = _Target(f"{_base(url or _DEFAULT_URL)}/auth/events/{kind}", _local(issuer))
    try:
        answer = exchange("POST", target.url, _TIMEOUT_SECONDS, **_request(kind, subject, target))
    except ExchangeError as exc:
        raise CommandError(f"{target.url} did not answer: {exc}.") from exc
    is_accepted = answer.status // 100 == 2
    text = _accepted(kind) if is_accepted else _refused(kind, answer)
    if as_json:
        print_json({"kind": kind, "url": target.url, "status": answer.status, "accepted": is_accepted, "text": text})
    else:
        print_lines([f"{target.url}: HTTP status {answer.status}", text])
    if not is_accepted:
        raise click.exceptions.Exit(1)


def _target_of_app(kind: Source, url: str | None) -> _Target:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    settings = app_state().settings
    path = paths_of(app, settings).get(kind)
    if path is None:
        raise CommandError(f"This app does not accept such events. To solve this, set {SETTINGS[kind]}.")
    target = f"{_base(url or settings.public_url or _DEFAULT_URL)}{path}"
    if kind == "auth0":
        return _Target(target, secret=settings.events.secrets[0])
    senders = [sender for sender in senders_of(settings) if sender.kind == kind]
    for sender in senders:
        if _is_local(sender.issuer):
            return _Target(target, sender.issuer, sender.audience[0])
    raise CommandError(
        f"Only {senders[0].issuer} can sign such an event. To test the route, {_NEXT_STEPS[kind]}; to see what events "
        "do, use flask auth0 demo."
    )


def _base(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))):
        raise click.BadParameter("must be https, or http on this machine", param_hint="'--url' or AUTH0_PUBLIC_URL")
    return url.rstrip("/")


def _local(issuer: str) -> str:
    if not _is_local(issuer):
        raise click.BadParameter("must be that of flask auth0 demo, on this machine", param_hint="'--issuer'")
    return f"{issuer.rstrip('/')}/"


def _is_local(issuer: str) -> bool:
    return urlsplit(issuer).scheme == "http" and is_loopback(issuer)


def _request(kind: Source, subject: str, target: _Target) -> dict[str, Any]:
    """Return the form, or body and headers, of the request that tells of the event."""
    if target.issuer is None:
        event = cloud_event("user.deleted", {"user_id": subject}, is_test=True)
        return _json(event, {"Authorization": f"Bearer {target.secret}"})
    token = _signed(kind, subject, target.issuer, target.audience)
    if kind == "logout":
        return {"form": {"logout_token": token}}
    if kind == "security":
        return {"body": token.encode(), "headers": {"Content-Type": "application/secevent+jwt"}}
    subject_id = {"format": "iss_sub", "iss": target.issuer, "sub": subject}
    return _json({"sub_id": subject_id}, {"Authorization": f"Bearer {token}"})


def _json(value: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    return {"body": json.dumps(value).encode(), "headers": {"Content-Type": "application/json", **headers}}


def _signed(kind: Source, subject: str, issuer: str, audience: str | None) -> str:
    """Return the event, signed by the local *issuer*.

    Raises:
        CommandError: it does not sign it.
    """
    wanted = {"kind": kind, "subject": subject, **({} if audience is None else {"audience": audience})}
    try:
        answer = exchange("POST", f"{issuer.rstrip('/')}/demo/events", _TIMEOUT_SECONDS, **_json(wanted, {}))
        token = strict_json.loads_object(answer.body).get("token") if answer.status == 200 else None
    except (ExchangeError, strict_json.StrictJSONError):
        token = None
    if not isinstance(token, str):
        raise CommandError(
            f"{issuer} has not signed the event: it is not the issuer of a running flask auth0 demo, which prints its "
            "address."
        )
    return token


def _accepted(kind: Source) -> str:
    if kind == "auth0":
        return "accepted: route and secret work; an event that is marked as a test has no effect"
    return "accepted: the tokens issued to the user so far are refused from now on"


def _refused(kind: Source, answer: Answer) -> str:
    said = own_description(answer)
    if answer.status == 503 and said is not None:
        return f"not accepted now: {said} A real sender would repeat it; see flask auth0 doctor"
    if answer.status == 401 and said is not None and kind == "auth0":
        return "refused: the app there has another secret; compare AUTH0_EVENT_SECRETS"
    if answer.status in {400, 401} and said is not None:
        return f"refused: {said}"
    if answer.status // 100 == 3:
        return "redirected, which senders do not follow: use the URL that it leads to"
    if answer.status // 100 == 5:
        return "the app has failed, or the proxy in front of it: see their logs"
    if answer.status == 404:
        return f"there is no such route: check the URL, and that the app there has {SETTINGS[kind]}"
    return "this is not the answer of the app: check the URL, and the proxy in front of the app"
