"""``flask auth0 token``: gets an access token for trying the API, by client credentials (RFC 6749 §4.4)."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

import click

from auth0_blueprint.cli.command_errors import Command, CommandError, with_app
from auth0_blueprint.cli.exchange import Answer, ExchangeError, exchange
from auth0_blueprint.cli.issuer_option import issuer_option, tenant_of
from auth0_blueprint.cli.output import json_option, print_json, printable
from auth0_blueprint.guards.authentication import app_state
from auth0_blueprint.jose import strict_json
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.loopback import is_loopback
from auth0_blueprint.token_requests.client_authentication import assertion_parameters, secret_parameters
from auth0_blueprint.token_requests.token_request import of_client

_TIMEOUT_SECONDS = 10.0
_MAX_QUOTED = 300

_WRONG_CREDENTIALS = "The client id or the client secret is wrong."
_NO_GRANT = (
    "The application is not authorized for this API: authorize it in the Auth0 dashboard, under APIs, this API, "
    "Machine to Machine Applications."
)
_NO_API = "Auth0 has no API with this identifier: compare AUTH0_AUDIENCE with the Auth0 dashboard, under APIs."

# RFC 6749 §5.2, and Auth0's own. For access_denied the description tells several causes apart.
_EXPLANATIONS = {
    "invalid_client": _WRONG_CREDENTIALS,
    "unauthorized_client": "The application may not use the client credentials grant: it must be a Machine "
    "to Machine application, or have that grant type in its advanced settings.",
    "invalid_grant": "Auth0 rejects the grant.",
    "invalid_scope": "The API has no such scope, or the application was not granted it: check both in Auth0.",
    "invalid_request": "Auth0 rejects the request: check that AUTH0_AUDIENCE is the identifier of the API.",
    "invalid_target": _NO_API,
    "too_many_requests": "Too many requests to Auth0: try again later.",
    "access_denied": "Auth0 denies the request.",
}
_DENIALS = {
    "service not": _NO_API,  # "Service not found", "Service not enabled within domain"
    "not authorized": _NO_GRANT,
    "unauthorized": _WRONG_CREDENTIALS,
}


@click.command("token", cls=Command)
@click.option("--client-id", help="Client id of a Machine to Machine application; default: AUTH0_CLIENT_ID.")
@click.option("--secret-stdin", is_flag=True, help="Read the client secret from standard input.")
@click.option("--audience", help="Audience of the token; default: the first of AUTH0_AUDIENCE.")
@click.option("--scope", "scopes", multiple=True, help="Scope to request. May be repeated.")
@click.option(
    "--endpoint", metavar="URL", help="Token endpoint; default: AUTH0_TOKEN_URL, else oauth/token of the first issuer."
)
@issuer_option
@json_option
@with_app
def command(
    client_id: str | None,
    secret_stdin: bool,
    audience: str | None,
    scopes: tuple[str, ...],
    endpoint: str | None,
    issuer: str | None,
    as_json: bool,
) -> None:
    """Get an access token for trying out this API.

    Prints the token and nothing else: TOKEN=$(flask auth0 token).

    The client secret is never an argument, where others could see it. It comes from AUTH0_CLIENT_SECRET, from standard
    input, or from a prompt. With AUTH0_CLIENT_KEY the client signs an assertion instead (private_key_jwt).
    """
    settings = app_state().settings
    # A tenant is needed to know where the endpoint is.
    if not endpoint and settings.own_client.token_url is None:
        issuer = tenant_of(app_state(), issuer)
    issuer = issuer or next(iter(settings.issuers), None)
    client_id = client_id or settings.own_client.client_id
    if not client_id:
        raise click.UsageError("No client id: use --client-id, or set AUTH0_CLIENT_ID.")
    url = _endpoint(endpoint or settings.own_client.endpoint_of(issuer or ""))
    form = {
        **of_client(audience or settings.audience[0], " ".join(scopes)).parameters,
        **_authentication(client_id, settings, issuer or url, is_on_stdin=secret_stdin),
    }
    token = _token(url, form, settings.jwks_user_agent)
    if as_json:
        print_json(token)
    else:
        click.echo(token["access_token"])


def _endpoint(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and is_loopback(url)):
        raise click.BadParameter("must be https: it receives the client secret", param_hint="'--endpoint'")
    return url


def _authentication(client_id: str, settings: Settings, audience: str, *, is_on_stdin: bool) -> dict[str, str]:
    key = settings.own_client.key
    if key is not None and not is_on_stdin:
        return assertion_parameters(client_id, key, audience, app_state().clock)
    return secret_parameters(client_id, _secret(settings, is_on_stdin=is_on_stdin))


def _secret(settings: Settings, *, is_on_stdin: bool) -> str:
    if is_on_stdin:
        secret = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")  # None if it is closed
    elif settings.own_client.secret is not None:
        secret = settings.own_client.secret
    elif sys.stdin is not None and sys.stdin.isatty():
        # Prompt on standard error: standard output carries the token alone.
        secret = click.prompt("Client secret", hide_input=True, err=True, type=str)
    else:
        secret = ""
    if not secret:
        raise click.UsageError("No client secret: set AUTH0_CLIENT_SECRET, or use --secret-stdin.")
    return secret


def _token(url: str, form: dict[str, str], user_agent: str) -> dict[str, Any]:
    """Return the members of a successful response (RFC 6749 §5.1), and no others.

    Raises:
        CommandError: there is none; it says why.
    """
    try:
        answer = exchange("POST", url, _TIMEOUT_SECONDS, user_agent=user_agent, form=form)
    except ExchangeError as exc:
        raise CommandError(f"{url} returned no token: {exc}.") from exc
    document = _document(answer)
    if answer.status != 200:
        secret = form.get("client_secret") or form["client_assertion"]
        raise CommandError(_explanation(url, answer.status, document, secret))
    token = document.get("access_token")
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token and token):
        raise CommandError(f"{url} returned no token: the response contains none.")
    members = ("access_token", "token_type", "expires_in", "scope")
    return {name: document[name] for name in members if name in document}


def _document(answer: Answer) -> dict[str, Any]:
    try:
        return strict_json.loads_object(answer.body)
    except strict_json.StrictJSONError:
        return {}


def _explanation(url: str, status: int, document: dict[str, Any], secret: str) -> str:
    error, description = document.get("error"), document.get("error_description")
    if not isinstance(error, str):
        return f"{url} returned no token: HTTP status {status}, without an OAuth error. Is it a token endpoint?"
    said = description if isinstance(description, str) else ""
    denials = (text for mark, text in _DENIALS.items() if error == "access_denied" and mark in said.lower())
    explanation = next(denials, _EXPLANATIONS.get(error, "Auth0 returned no token."))
    # Masked before it is cut or escaped, or it would not be found. An endpoint may echo what it was sent.
    quoted = ": ".join(printable(text.replace(secret, "***")[:_MAX_QUOTED]) for text in (error, said) if text)
    return f"{explanation} ({quoted})"
