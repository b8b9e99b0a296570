"""What is asked of the token endpoint: the parameters of a grant, and on whose behalf."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from auth0_blueprint.verification.access_token import AccessToken

CLIENT_CREDENTIALS = "client_credentials"  # RFC 6749 §4.4
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - RFC 8693 §2.1
#: Auth0's Token Vault.
CONNECTION_TOKEN = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"  # noqa: S105
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - RFC 8693 §3
CONNECTION_TOKEN_TYPE = "http://auth0.com/oauth/token-type/federated-connection-access-token"  # noqa: S105


class Subject(NamedTuple):
    """The caller that a token is asked for: its verified access token.

    Attributes:
        access_token: what was verified.
        text: the token as it was received.
    """

    access_token: AccessToken
    text: str

    def __repr__(self) -> str:
        return f"<Subject {self.access_token!r}>"


@dataclass(frozen=True, slots=True, repr=False)
class TokenRequest:
    """One request for a token, without what authenticates the client.

    Attributes:
        parameters: those of the grant.
        subject: on whose behalf; ``None`` for the API itself.
    """

    parameters: Mapping[str, str]
    subject: Subject | None = None

    def name(self, url: str, client_id: str) -> str:
        """Return what stands for this request to *url* by *client_id*: two share an answer only if they are equal.

        The text of the subject's token is part of it. So no caller gets what another one's token was exchanged for,
        nor what an earlier token of the same user was: it may have had more scopes, an actor or an organization.
        """
        whole = json.dumps([url, client_id, sorted(self.parameters.items())])
        return hashlib.sha256(whole.encode()).hexdigest()


def on_behalf_of(subject: Subject, audience: str | None, scope: str) -> TokenRequest:
    """Return a request for a token for another API, on behalf of *subject* (RFC 8693 §2.1)."""
    parameters = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": subject.text,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "requested_token_type": ACCESS_TOKEN_TYPE,
        **_target(audience, scope),
    }
    return TokenRequest(parameters, subject)


def of_connection(subject: Subject, connection: str, login_hint: str | None) -> TokenRequest:
    """Return a request for the token of *subject* at an external provider, from Auth0's Token Vault."""
    parameters = {
        "grant_type": CONNECTION_TOKEN,
        "subject_token": subject.text,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "requested_token_type": CONNECTION_TOKEN_TYPE,
        "connection": connection,
        **({} if login_hint is None else {"login_hint": login_hint}),
    }
    return TokenRequest(parameters, subject)


def of_client(audience: str | None, scope: str) -> TokenRequest:
    """Return a request for a token of the API's own client (RFC 6749 §4.4.2)."""
    return TokenRequest({"grant_type": CLIENT_CREDENTIALS, **_target(audience, scope)})


def _target(audience: str | None, scope: str) -> dict[str, str]:
    return {**({} if audience is None else {"audience": audience}), **({"scope": scope} if scope else {})}
