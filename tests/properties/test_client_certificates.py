"""Any text in the place of a client certificate: its thumbprint, or one known refusal."""

from __future__ import annotations

import base64
import hashlib

from certificates import make_credential
from hypothesis import event, given
from hypothesis import strategies as st

from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.sender_constraining.client_certificate import thumbprint
from auth0_blueprint.settings.certificate_source import certificate_source

SOURCE = certificate_source("environ:SSL_CLIENT_CERT")
CREDENTIAL = make_credential("client")
FORMS = (CREDENTIAL.pem, CREDENTIAL.escaped_pem, CREDENTIAL.byte_sequence)


@st.composite
def _spoilt(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(FORMS))
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 3)))
    return text[:start] + draw(st.text(max_size=3)) + text[end:]


@st.composite
def _spoilt_der(draw: st.DrawFn) -> str:
    der = bytearray(CREDENTIAL.der)
    der[draw(st.integers(0, len(der) - 1))] = draw(st.integers(0, 255))
    return f":{base64.b64encode(der).decode()}:"


@given(st.one_of(st.text(), _spoilt(), _spoilt_der(), st.sampled_from(FORMS)))
def test_any_text_has_the_thumbprint_of_the_certificate_in_it_or_is_refused(text: str) -> None:
    """Never an unexpected error. A thumbprint is that of the bytes in the text: two certificates never share one."""
    refused, found = None, None
    try:
        found = thumbprint({"SSL_CLIENT_CERT": text}, SOURCE)
    except BindingMismatchError as error:
        refused = error.reason
    event(refused or ("thumbprint" if found else "nothing"))
    assert refused in (None, "unreadable_certificate")
    if text in FORMS:
        assert found == CREDENTIAL.thumbprint
    elif text.startswith(":") and found:
        digest = hashlib.sha256(base64.b64decode(text[1:-1])).digest()
        assert found == base64.urlsafe_b64encode(digest).decode().rstrip("=")
