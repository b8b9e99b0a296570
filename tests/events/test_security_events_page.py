"""``docs/how-to/security-events.md`` says what happens: its settings, its curl lines, its tables."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from typing import Any

import pytest
import requests
from conftest import AppFactory, bearer
from documents import ROOT, blocks_of, run_block
from flask import Flask, request
from processes import completed
from refusals import by_hand
from servers import served

from auth0_blueprint.revocation.events.security_event import DEFAULT_EFFECTS, security_event
from auth0_blueprint.routes.events.security import ERRORS
from auth0_blueprint.settings.event_senders import EventSender
from auth0_blueprint.testing import LocalIssuer

PAGE = ROOT / "docs" / "how-to" / "security-events.md"
BLOCKS = list(blocks_of(PAGE))
(SENDER,) = run_block(PAGE, next(block.code for block in BLOCKS if block.language == "python"))[
    "AUTH0_EVENT_TRANSMITTERS"
]
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"


class Transmitter:
    """As SSF 1.0 §7 and §8 has one: it answers what is asked, and pushes with the keys of an issuer."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer
        self.stream: dict[str, Any] = {}
        self.answers: list[int] = []
        self.app = Flask("transmitter")
        self.app.get("/.well-known/ssf-configuration")(
            lambda: {"issuer": SENDER["issuer"], "jwks_uri": SENDER["jwks_url"]}
        )
        self.app.post("/ssf/stream")(self.create)
        self.app.post("/ssf/verify")(self.verify)

    def create(self) -> tuple[dict[str, Any], int]:
        self.stream = {**request.get_json(), "stream_id": "f67e", "aud": SENDER["audience"]}
        return self.stream, 201

    def verify(self) -> tuple[str, int]:
        assert request.get_json() == {"stream_id": "f67e"}
        subject = {"format": "opaque", "id": "f67e"}
        self.push(SSF + "verification", subject)
        return "", 204

    def push(self, uri: str, subject: dict[str, Any]) -> None:
        claims = {"iss": SENDER["issuer"], "aud": self.stream["aud"], "iat": int(time.time()), "sub_id": subject}
        header = {"alg": "RS256", "kid": self.issuer.key_ids[0], "typ": "secevent+jwt"}
        text = by_hand(self.issuer, header, {**claims, "jti": uri, "events": {uri: {}}})
        url, headers = self.stream["delivery"]["endpoint_url"], {"Content-Type": "application/secevent+jwt"}
        with requests.Session() as session:
            session.trust_env = False
            self.answers.append(session.post(url, text, headers=headers, timeout=10).status_code)


@pytest.fixture
def transmitter(issuer: LocalIssuer) -> Transmitter:
    return Transmitter(issuer)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines to paste need curl")
def test_the_curl_lines_set_up_a_stream(make_app: AppFactory, issuer: LocalIssuer, transmitter: Transmitter) -> None:
    """And what comes by it then has its effect."""
    told = {**SENDER, "jwks_url": f"{issuer.issuer}.well-known/jwks.json"}
    app = make_app(AUTH0_EVENT_TRANSMITTERS=json.dumps([told]))
    tokens = [(issuer.token(sub="okta|acme|00u1"), 401), (issuer.token(sub="00u1"), 200)]
    with served(app) as api, served(transmitter.app) as address:
        environment = {"PATH": os.environ["PATH"], "no_proxy": "*", "API": api, "TRANSMITTER": address}
        for block in BLOCKS:
            if block.language in {"console", "sh"}:
                line = block.code.strip().removeprefix("$ ")
                run = completed(
                    ["bash", "-c", f"{line} --silent --fail"], env={**environment, "TOKEN": "t", "STREAM": "f67e"}
                )
                assert run.returncode == 0, line
        assert transmitter.stream["delivery"] == {
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": f"{api}/auth/events/security",
        }
        for uri in transmitter.stream["events_requested"]:
            transmitter.push(uri, {"format": "iss_sub", "iss": SENDER["issuer"], "sub": "00u1"})
    assert transmitter.answers == [202] * (1 + len(transmitter.stream["events_requested"]))
    client = app.test_client()
    for token, status in tokens:
        assert client.get("/auth/me", headers=bearer(token)).status_code == status


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table below *title*, as code says them."""
    table = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ") and "`" in line]


def test_the_table_of_events_is_whole() -> None:
    sender = EventSender("https://ours.example/", "", ("api",))
    shown: dict[str, str] = {}
    for events, effect, *_ in rows("What events do"):
        family = events.partition(" ")[0].lower()
        for name in re.findall(r"`([a-z-]+)`", events):
            shown[name] = effect
            uri = f"https://schemas.openid.net/secevent/{family}/event-type/{name}"
            subject = {"format": "opaque", "id": "ann"}
            told = {"jti": "e", "iat": 1, "sub_id": subject, "events": {uri: {}}}
            actions = [one.action for one in security_event(told, sender, (sender.issuer,)).effects]
            assert effect.startswith(actions[0] if actions else "none"), name
    assert shown.keys() == DEFAULT_EFFECTS.keys()


def test_every_code_of_a_refusal_is_in_the_table() -> None:
    shown = {name for codes, *_ in rows("What is refused") for name in re.findall(r"`(\w+)`", codes)} - {"err"}
    assert shown == {"invalid_request", *ERRORS.values()}
