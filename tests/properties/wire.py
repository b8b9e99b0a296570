"""Asking an app with any text as credentials, and checking that the answer is one that the contract knows."""

from __future__ import annotations

import refusals
from flask.testing import FlaskClient
from refusals import KEY_SET_UNAVAILABLE, Answer, seen
from werkzeug.test import TestResponse

from properties.oracle import Verdict

#: Every answer that the other tests have pinned to the byte.
KNOWN_ANSWERS = [value for value in vars(refusals).values() if isinstance(value, Answer)]


def answer_to_authorization(client: FlaskClient, authorization: str) -> Answer:
    """Present *authorization* as it is to both views of `refusals.guarded`, which have to answer alike.

    The header is put into the WSGI environment: werkzeug's client refuses some of what a server might let through.
    """
    ours, theirs = (
        client.get(path, environ_overrides={"HTTP_AUTHORIZATION": authorization}) for path in ("/ours", "/theirs")
    )
    for response in (ours, theirs):
        check_is_of_section_5(response)
    assert seen(ours) == seen(theirs)
    return seen(ours)


def check_is_of_section_5(response: TestResponse) -> None:
    """Assert that *response* is the view's own, or one of the contract's answers in every header and the body."""
    answer = seen(response)
    if answer.status == 200:
        assert "WWW-Authenticate" not in response.headers
        assert set(answer.body) == {"subject"}
        return
    assert answer in KNOWN_ANSWERS
    if answer == KEY_SET_UNAVAILABLE:
        assert 1 <= int(response.headers["Retry-After"]) <= 300
    else:
        assert "Retry-After" not in response.headers


def check_agrees(answer: Answer, verdict: Verdict) -> None:
    assert verdict.may_pass if answer.status == 200 else (answer.status, answer.body["code"]) in verdict.refusals
