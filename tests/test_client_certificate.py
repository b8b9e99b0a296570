"""Client certificates: who is believed about them, what they look like, and tokens that are bound to one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from certificates import make_credential
from marshmallow import Schema, ValidationError
from refusals import NO_CERTIFICATE, OTHER_CERTIFICATE, UNREADABLE_CERTIFICATE, UNTRUSTED_PROXY, Answer
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ, run_wsgi_app

from auth0_blueprint.errors import BindingMismatchError
from auth0_blueprint.guards.challenge import response_body, response_headers
from auth0_blueprint.sender_constraining.client_certificate import matches, refuse_other_certificates, thumbprint
from auth0_blueprint.settings.certificate_source import FORM, CertificateSource, certificate_source
from auth0_blueprint.settings.fields import ClientCertificate

SERVER = certificate_source("environ:SSL_CLIENT_CERT")
PROXY = certificate_source("header:X-SSL-Client-Cert from 127.0.0.1, 10.1.0.0/16")
CLIENT, OTHER = make_credential("client"), make_credential("other")


def from_server(text: Any) -> dict[str, Any]:
    """Return the environ of a server that has put *text* there itself."""
    return {"SSL_CLIENT_CERT": text}


def from_peer(peer: str | None, text: str) -> dict[str, Any]:
    """Return the environ of a request of *peer* with *text* in the header."""
    return {"HTTP_X_SSL_CLIENT_CERT": text, "REMOTE_ADDR": peer}


def answer_to(call: Callable[..., Any], *arguments: Any) -> Answer:
    """Return what a client would be answered when *call* refuses."""
    with pytest.raises(BindingMismatchError) as caught:
        call(*arguments)
    error, headers = caught.value, dict(response_headers(caught.value, "api"))
    body = dict(response_body(error))
    return Answer(error.status, (headers["WWW-Authenticate"],), body, cache_control=headers["Cache-Control"])


def byte_sequence(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


LONGEST = CLIENT.pem.ljust(16_384)
UNREADABLE: list[object] = [
    *("x", ":", "::", ":x:", ":AA==:", ":ä:", "%", "%00", "%ff", "\ud800", "(null)", 7, object()),
    *("-----BEGIN CERTIFICATE-----", b"-----BEGIN CERTIFICATE-----"),
    *(f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----" for text in ("", "AA", "AAA=AAA=")),
    # The handshake proves the key of one: a chain, or a header that was sent twice, does not say which.
    *(CLIENT.pem + OTHER.pem, f"{CLIENT.escaped_pem},{OTHER.escaped_pem}", f"{CLIENT.escaped_pem},"),
    *(f"{CLIENT.byte_sequence},{OTHER.byte_sequence}", f"{CLIENT.byte_sequence}, {OTHER.byte_sequence}"),
    # Anything around it: a text, a parameter, a byte after the end.
    *("a comment\n" + CLIENT.pem, CLIENT.pem + "a comment", CLIENT.byte_sequence + ";a=1"),
    *(CLIENT.byte_sequence.replace(":", ": ", 1), CLIENT.pem.replace("\n", "\u00a0")),
    *(first + CLIENT.byte_sequence[1:-1] + last for first, last in ("A:", "0:", ":A", ":0", "AA", "00", ";;")),
    *(byte_sequence(CLIENT.der + b"\0"), CLIENT.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), LONGEST + " "),
    # RFC 5280 §4.1.2.1 ends with version 3, which is written as 2.
    byte_sequence(CLIENT.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)),
]


class TestForms:
    @pytest.mark.parametrize("form", ["pem", "escaped_pem", "byte_sequence"])
    def test_the_thumbprint_is_that_of_the_certificate_in_each_form(self, form: str) -> None:
        """PEM as mod_wsgi and uWSGI have it, with percent signs as nginx has it, and RFC 9440's byte sequence."""
        assert thumbprint(from_server(getattr(CLIENT, form)), SERVER) == CLIENT.thumbprint

    def test_pem_may_be_folded_and_escaped_as_proxies_do(self) -> None:
        """Apache puts spaces for line ends; AWS leaves ``+``, ``/`` and ``=`` as they are."""
        assert thumbprint(from_server(CLIENT.pem.replace("\n", " ")), SERVER) == CLIENT.thumbprint
        aws = CLIENT.pem.replace("\n", "%0A").replace(" ", "%20")
        assert thumbprint(from_server(aws), SERVER) == CLIENT.thumbprint

    @pytest.mark.parametrize("environ", [{}, from_server(""), from_server(None)])
    def test_a_request_without_certificate_has_no_thumbprint(self, environ: dict[str, Any]) -> None:
        assert thumbprint(environ, SERVER) is None

    @pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
    def test_what_is_no_single_certificate_is_refused(self, text: object) -> None:
        """Whatever it is: never an error of the server."""
        assert answer_to(thumbprint, from_server(text), SERVER) == UNREADABLE_CERTIFICATE

    def test_a_text_as_long_as_a_header_is_read(self) -> None:
        assert thumbprint(from_server(LONGEST), SERVER) == CLIENT.thumbprint

    def test_a_damaged_certificate_is_another_one_or_refused(self) -> None:
        def outcome(der: bytes) -> str | None:
            try:
                return thumbprint(from_server(byte_sequence(der)), SERVER)
            except BindingMismatchError as error:
                return error.reason

        outcomes = set()
        for position in range(len(CLIENT.der)):
            damaged = bytearray(CLIENT.der)
            damaged[position] ^= 0xFF
            outcomes.add(outcome(bytes(damaged)))
        assert "unreadable_certificate" in outcomes
        assert CLIENT.thumbprint not in outcomes


class TestWhoIsBelieved:
    @pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"])
    def test_a_header_is_believed_from_a_peer_that_the_setting_names(self, peer: str) -> None:
        """By address or network, also where a socket shows IPv4 as IPv6."""
        assert thumbprint(from_peer(peer, CLIENT.escaped_pem), PROXY) == CLIENT.thumbprint

    @pytest.mark.parametrize(
        "peer", ["127.0.0.2", "10.2.0.0", "::1", "::ffff:10.2.0.0", "", "unix", "127.0.0.1:80", "localhost", None, "é"]
    )
    def test_a_header_is_not_believed_from_anybody_else(self, peer: str | None) -> None:
        """Anybody who reaches the server can send one."""
        assert answer_to(thumbprint, from_peer(peer, CLIENT.escaped_pem), PROXY) == UNTRUSTED_PROXY

    def test_a_header_of_nobody_is_not_believed(self) -> None:
        """A server that does not say who the peer is."""
        environ = {"HTTP_X_SSL_CLIENT_CERT": CLIENT.pem}
        for setting in ("header:X-SSL-Client-Cert from 127.0.0.1", "header:X-SSL-Client-Cert from unix"):
            assert answer_to(thumbprint, environ, certificate_source(setting)) == UNTRUSTED_PROXY

    def test_a_peer_without_address_is_one_on_a_unix_socket(self) -> None:
        unix = certificate_source("header:X-SSL-Client-Cert from unix")
        assert thumbprint(from_peer("", CLIENT.escaped_pem), unix) == CLIENT.thumbprint
        assert answer_to(thumbprint, from_peer("127.0.0.1", CLIENT.escaped_pem), unix) == UNTRUSTED_PROXY
        both = certificate_source("header:X-SSL-Client-Cert from unix, ::1")
        assert thumbprint(from_peer("", CLIENT.escaped_pem), both) == CLIENT.thumbprint
        assert thumbprint(from_peer("::1", CLIENT.escaped_pem), both) == CLIENT.thumbprint

    @pytest.mark.parametrize(("peer", "is_believed"), [("127.0.0.1", True), ("192.0.2.1", False)])
    def test_proxy_fix_changes_nothing_about_who_the_peer_is(self, peer: str, is_believed: bool) -> None:
        """It puts into ``REMOTE_ADDR`` what a header says, here the other address of the two."""
        seen: list[str | None] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            assert environ["REMOTE_ADDR"] != peer
            if PROXY.is_trusted(environ):
                seen.append(thumbprint(environ, PROXY))
            start_response("204 No Content", [])
            return []

        claimed = "192.0.2.1" if is_believed else "127.0.0.1"
        headers = {"X-SSL-Client-Cert": CLIENT.escaped_pem, "X-Forwarded-For": claimed}
        environ = create_environ(headers=headers, environ_base={"REMOTE_ADDR": peer})
        run_wsgi_app(ProxyFix(app), environ)
        assert seen == ([CLIENT.thumbprint] if is_believed else [])

    def test_without_certificate_nobody_has_to_be_believed(self) -> None:
        """A proxy that hands on nothing, and a client that asks directly, look alike."""
        assert thumbprint(from_peer("192.0.2.1", ""), PROXY) is None


class TestSetting:
    def test_it_names_a_key_of_the_server_or_a_header_and_who_may_send_it(self) -> None:
        assert certificate_source(" environ:SSL_CLIENT_CERT ").key == "SSL_CLIENT_CERT"
        assert certificate_source("environ:HTTPS_CC").key == "HTTPS_CC"
        assert certificate_source("header:Client-Cert from ::1").key == "HTTP_CLIENT_CERT"
        assert certificate_source("header:x-a from  unix ,10.0.0.1 ").is_trusted({"REMOTE_ADDR": "10.0.0.1"})

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            *((text, FORM) for text in ("SSL_CLIENT_CERT", "env:X", "headers:X from 127.0.0.1")),
            *(("environ:", FORM), ("environ:A B", FORM)),
            *((f"header:{name} from 127.0.0.1", FORM) for name in ("", "X Y", "X:Y")),
            ("header:X_Y from 127.0.0.1", "with dashes"),
            ("environ:HTTP_X_SSL_CLIENT_CERT", "use header:X-Ssl-Client-Cert from"),
            *(("environ:http_x", "use header:X from"), ("environ:CONTENT_TYPE", "use header:Content-Type from")),
            *((f"environ:{key}", "that the client controls") for key in ("PATH_INFO", "QUERY_STRING", "RAW_URI")),
            *((f"environ:REQUEST_{key}", "that the client controls") for key in ("METHOD", "URI")),
            ("environ:SERVER_PROTOCOL", "that the client controls"),
            *((f"header:X{rest}", "whose header to trust") for rest in ("", " from", " from 127.0.0.1,")),
            *((f"header:X from {peer}", "addresses, networks") for peer in ("proxy.example.com", "10.0.0.1/8", "*")),
            ("header:X from unix, unix.example", "addresses, networks"),
            *((f"header:X from {peer}", "would trust everyone") for peer in ("0.0.0.0/0", "unix, ::/0")),
        ],
    )
    def test_a_form_that_a_client_could_fake_is_refused_at_startup(self, text: str, said: str) -> None:
        schema = Schema.from_dict({"AUTH0_MTLS_CERT": ClientCertificate()})()
        with pytest.raises(ValidationError) as caught:
            schema.load({"AUTH0_MTLS_CERT": text})
        (message,) = caught.value.messages_dict["AUTH0_MTLS_CERT"]
        assert said in message

    def test_a_sound_value_stays_as_it_was_written(self) -> None:
        values = {"AUTH0_MTLS_CERT": "header:X-SSL-Client-Cert from unix, 10.0.0.0/24"}
        assert Schema.from_dict({"AUTH0_MTLS_CERT": ClientCertificate()})().load(values) == values


CONFIRMATION = {"x5t#S256": CLIENT.thumbprint}


class TestBinding:
    def test_a_token_goes_with_the_certificate_that_it_names(self) -> None:
        refuse_other_certificates(CONFIRMATION, from_server(CLIENT.pem), SERVER)

    @pytest.mark.parametrize(
        ("environ", "source", "expected"),
        [
            # Whoever stole the token has a certificate of their own.
            (from_server(OTHER.pem), SERVER, OTHER_CERTIFICATE),
            # A bound token is never a bearer token.
            ({}, SERVER, NO_CERTIFICATE),
            # Certificates are no secret: whoever has seen the client's can send it in a header.
            (from_peer("192.0.2.1", CLIENT.escaped_pem), PROXY, UNTRUSTED_PROXY),
        ],
    )
    def test_anything_else_is_refused(
        self, environ: dict[str, Any], source: CertificateSource, expected: Answer
    ) -> None:
        assert answer_to(refuse_other_certificates, CONFIRMATION, environ, source) == expected

    def test_what_cannot_be_compared_does_not_match(self) -> None:
        """Other types, other members, other spellings: RFC 7800 §3.1 has one key in a confirmation."""
        shown = CLIENT.thumbprint
        assert matches({"x5t#S256": shown}, shown)
        thumbprints: list[Any] = [None, [shown], "", shown[:-1], f"{shown}=", shown.swapcase()]
        thumbprints += [f"é{shown[1:]}", f"\ud800{shown[1:]}"]
        confirmations: list[Any] = [None, shown, [shown], {}, {"x5t": shown}, {"x5t#S256": shown, "jkt": shown}]
        confirmations += [{"x5t#S256": value} for value in thumbprints]
        assert not any(matches(confirmation, shown) for confirmation in confirmations)
