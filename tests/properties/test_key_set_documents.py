"""Any document as key set: never an unexpected error, and never a key that the contract does not allow."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import event, given
from network_edge import KeySetServer

from auth0_blueprint.jose.algorithms import ALGORITHMS
from auth0_blueprint.keysets.key_set import KeySetError, parse_key_set
from properties.conftest import SLOW, forget_keys
from properties.issuing import good_tokens, published_keys
from properties.key_set_oracle import MAX_KEYS, KeySetVerdict, algorithm_names, judge_key_set, numbers_of
from properties.strategies import KEY_SETS
from properties.wire import answer_to_authorization

# A failure with a long document has to be shown all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

MAX_BYTES = 262_144


@given(KEY_SETS)
def test_any_document_yields_exactly_the_keys_that_the_contract_allows(document: bytes) -> None:
    """Good keys are found beside odd ones, odd ones never, and what is no key set is one known error."""
    verdict = judge_key_set(document)
    try:
        key_set = parse_key_set(document)
    except KeySetError:
        event("failure")
        assert verdict.may_fail
        return
    event(f"{min(len(key_set.keys), MAX_KEYS + 1)} keys")
    assert verdict.may_work
    assert 1 <= len(key_set.keys) <= MAX_KEYS
    for key_id in (None, "no such key", *{member.key_id for member in verdict.members}):
        for name in algorithm_names():
            key = key_set.select(key_id if isinstance(key_id, str) else None, ALGORITHMS[name])
            if key is None:
                assert verdict.may_choose_none(key_id, name)
            else:
                assert verdict.may_choose(key_id, name, numbers_of(key.material))


@SLOW
@given(KEY_SETS)
def test_an_app_whose_issuer_publishes_anything_answers_as_the_contract_says(
    app_without_keys: Flask, key_set_host: KeySetServer, document: bytes
) -> None:
    """A token passes if the document surely holds its key, and not if it surely does not; the rest is 401 or 503."""
    verdict = judge_key_set(document) if len(document) <= MAX_BYTES else KeySetVerdict(False)
    signer = published_keys()[0]
    ours = numbers_of(signer.private_key.public_key())
    key_set_host.body = document
    forget_keys(app_without_keys)
    answer = answer_to_authorization(app_without_keys.test_client(), f"Bearer {good_tokens()[0]}")
    event(f"{answer.status} {answer.body.get('code')}")
    if answer.status == 200:
        assert verdict.may_choose(signer.key_id, "EdDSA", ours)
    elif answer.status == 503:
        assert verdict.may_fail
    else:
        assert answer.body["code"] in {"unknown_key", "invalid_signature"}
        assert verdict.may_work
        if answer.body["code"] == "unknown_key":
            assert verdict.may_choose_none(signer.key_id, "EdDSA")
        else:
            assert any(member.numbers != ours for member in verdict.fitting(signer.key_id, "EdDSA"))
