"""The routes for events, and the setting that turns each of them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

#: The sources of events: the last part of their route's path.
Source = Literal["logout", "security", "auth0", "global-token-revocation"]
#: The setting that names the senders of each source, and so turns its route on.
SETTINGS: Mapping[Source, str] = {
    "logout": "AUTH0_LOGOUT_CLIENT_IDS",
    "security": "AUTH0_EVENT_TRANSMITTERS",
    "auth0": "AUTH0_EVENT_SECRETS",
    "global-token-revocation": "AUTH0_GLOBAL_REVOCATION",
}
