"""Which texts can be an issuer identifier at all (RFC 8414 §2): asked before a function of the app's own sees one."""

from __future__ import annotations

import re

from auth0_blueprint.settings.loopback import is_loopback

MAX_ISSUER_LENGTH = 512

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: A segment of dots alone would be another path for whoever resolves it; percent-encoding has several spellings.
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+"
_ISSUER = re.compile(
    rf"(https?)://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?!0|80\b|443\b)[0-9]{{1,5}})?(?:/{_SEGMENT})*/?"
)


def is_issuer_identifier(text: str) -> bool:
    """Tell whether *text* is an https URL (http on loopback) in its one canonical spelling.

    Host names are in lower case; user, password, query, fragment, percent-encoding, dot segments and the default port
    are not part of one.
    """
    if len(text) > MAX_ISSUER_LENGTH or (found := _ISSUER.fullmatch(text)) is None:
        return False
    try:
        return found[1] == "https" or is_loopback(text)
    except ValueError:  # no address between the brackets
        return False
