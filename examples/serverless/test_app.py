import json
import threading

import pytest
from events import event_v1, event_v2

import app as module

FORMATS = pytest.mark.parametrize("event", [event_v1, event_v2])


def answer(handler, event):
    """Call *handler* as Lambda does; return status, body and headers, whichever format these are in."""
    result = handler(event, None)
    headers = result.get("headers") or {name: values[0] for name, values in result["multiValueHeaders"].items()}
    return result["statusCode"], json.loads(result["body"]), {name.lower(): value for name, value in headers.items()}


@FORMATS
def test_whoever_has_the_scope_reads(auth0_issuer, app, event):
    handler = module.make_handler(app)
    token = auth0_issuer.token(scope="read:messages", sub="auth0|ada")
    assert answer(handler, event("/api/messages", f"Bearer {token}"))[:2] == (200, {"subject": "auth0|ada"})


@FORMATS
def test_whoever_has_not_is_told_why(auth0_issuer, app, event):
    handler = module.make_handler(app)
    status, body, headers = answer(handler, event("/api/messages", f"Bearer {auth0_issuer.token(scope='openid')}"))
    assert (status, body["code"]) == (403, "insufficient_scope")
    assert 'scope="read:messages"' in headers["www-authenticate"]
    status, body, headers = answer(handler, event("/api/messages"))
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="api"')


def test_two_credentials_in_one_header_are_refused(auth0_issuer, app):
    """Format 2.0 joins headers of the same name with a comma."""
    both = ",".join([f"Bearer {auth0_issuer.token(scope='read:messages')}"] * 2)
    status, body, _ = answer(module.make_handler(app), event_v2("/api/messages", both))
    assert (status, body["code"]) == (400, "invalid_header")


def test_the_keys_are_there_before_the_first_request(auth0_issuer, app):
    handler = module.make_handler(app)
    assert auth0_issuer.fetch_count == 1
    with auth0_issuer.outage():
        token = auth0_issuer.token(scope="read:messages")
        assert answer(handler, event_v2("/api/messages", f"Bearer {token}"))[0] == 200


def test_an_instance_that_starts_during_an_outage_asks_again(auth0_issuer, app):
    with auth0_issuer.outage():
        handler = module.make_handler(app)
    event = event_v2("/api/messages", f"Bearer {auth0_issuer.token(scope='read:messages')}")
    status, body, headers = answer(handler, event)
    assert status == 200 or (body["code"] == "key_set_unavailable" and int(headers["retry-after"]) >= 1)


def test_nothing_is_left_to_run_when_the_answer_is_out(auth0_issuer):
    """Keys are old after a tenth of a second here: each request that finds them old has fetched them itself."""
    handler = module.make_handler(module.create_app({**auth0_issuer.settings, "AUTH0_JWKS_TTL": 0.1}))
    event = event_v2("/api/messages", f"Bearer {auth0_issuer.token(scope='read:messages')}")
    while auth0_issuer.fetch_count < 4:
        fetches = auth0_issuer.fetch_count
        assert answer(handler, event)[0] == 200
        if auth0_issuer.fetch_count > fetches:
            left = [thread for thread in threading.enumerate() if thread.name.startswith("auth0-blueprint")]
            [thread.join(1) for thread in left]  # the last steps of a thread whose keys are in use already
            assert not any(thread.is_alive() for thread in left)


def test_lambda_finds_the_handler(auth0_issuer, monkeypatch):
    for name, value in auth0_issuer.settings.items():
        if value is not None:
            monkeypatch.setenv(name, str(value))
    assert module.lambda_handler(event_v2("/auth/health"), None)["statusCode"] == 200
