"""Any header, any claims, any damage: a token passes exactly when section 4 of the contract says so."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask.testing import FlaskClient
from hypothesis import event, example, given
from hypothesis import strategies as st
from refusals import Answer

from properties.issuing import GOOD_CLAIMS, NOW, genuine, good_tokens, published_keys
from properties.oracle import Verdict, judge_authorization, judge_token
from properties.strategies import CLAIMS, HEADERS, LATIN_1
from properties.wire import answer_to_authorization, check_agrees

GOOD_TOKENS = st.deferred(lambda: st.sampled_from(good_tokens()))

_WORDS = ["Bearer", "bearer", "BEARER", "Basic", "DPoP", "Bearer ", " ", "  ", "\t", ",", ", ", "=", "\0", "é"]
_NEAR_MISSES = st.lists(st.sampled_from(_WORDS) | GOOD_TOKENS | GOOD_TOKENS, max_size=5).map("".join)
_AFTER_THE_SCHEME = st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer", "BEARER"]), _NEAR_MISSES)
_SPACED = st.builds("{}{}{}{}".format, st.sampled_from(["Bearer", "bEARER"]), LATIN_1, GOOD_TOKENS, LATIN_1)
_PLAIN = GOOD_TOKENS.map("Bearer {}".format)


@given(LATIN_1 | LATIN_1.map("Bearer {}".format) | _NEAR_MISSES | _AFTER_THE_SCHEME | _SPACED | _PLAIN)
def test_any_authorization_header_gets_an_answer_of_the_contract(asked_app: FlaskClient, authorization: str) -> None:
    """Whatever text the header holds, it is accepted only as one scheme, one space and one good token."""
    _check(asked_app, authorization, judge_authorization(authorization, published_keys()))


def _check(client: FlaskClient, authorization: str, verdict: Verdict) -> Answer:
    answer = answer_to_authorization(client, authorization)
    event(f"{answer.status} {answer.body.get('code')}")
    check_agrees(answer, verdict)
    return answer


def _check_token(client: FlaskClient, token: str) -> Answer:
    return _check(client, f"Bearer {token}", judge_token(token, published_keys()))


@given(HEADERS, st.just(json.dumps(GOOD_CLAIMS).encode()) | CLAIMS)
def test_any_signed_header_is_accepted_exactly_when_the_contract_allows_it(
    asked_app: FlaskClient, header: bytes, claims: bytes
) -> None:
    """A header of any shape over claims that are good, or of any shape as well."""
    _check_token(asked_app, genuine(header, claims))


def _claims(**changes: object) -> bytes:
    return json.dumps({**GOOD_CLAIMS, **changes}).encode()


@given(CLAIMS)
@example(_claims(exp=NOW - 5))
@example(_claims(exp=NOW - 4))
@example(_claims(nbf=NOW + 5))
@example(_claims(iat=NOW + 6))
@example(_claims(exp=NOW - 60 + 30 * 86_400))
def test_any_signed_claims_are_accepted_exactly_when_the_contract_allows_it(
    asked_app: FlaskClient, claims: bytes
) -> None:
    """With a good header and a genuine signature, the claims decide, and the view sees the subject that was signed."""
    answer = _check_token(asked_app, genuine(b'{"alg": "EdDSA", "kid": "ed"}', claims))
    if answer.status == 200:
        assert answer.body["subject"] == json.loads(claims)["sub"]


Damage = Callable[[str, int, str], str]

_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _last_character_respelled(token: str, number: int, _text: str) -> str:
    """Set bits of a segment's last character, which a loose reader does not look at."""
    segments = token.split(".")
    damaged = number % len(segments)
    if segments[damaged][-1:] in _BASE64URL and segments[damaged]:
        last = _BASE64URL.index(segments[damaged][-1])
        segments[damaged] = segments[damaged][:-1] + _BASE64URL[last ^ (1 + number % 15)]
    return ".".join(segments)


def _segment_of_another(token: str, number: int, _text: str) -> str:
    segments, others = token.split("."), good_tokens()[number % len(good_tokens())].split(".")
    damaged = number // 7 % len(segments)
    return ".".join([*segments[:damaged], others[damaged % 3], *segments[damaged + 1 :]])


def _segments_moved(token: str, number: int, _text: str) -> str:
    segments = token.split(".")
    return ".".join(segments[number % len(segments) :] + segments[: number % len(segments)])


DAMAGES: dict[str, Damage] = {
    "replace": lambda token, at, text: token[:at] + text + token[at + 1 :],
    "insert": lambda token, at, text: token[:at] + text + token[at:],
    "append": lambda token, at, text: token + text,
    "lengthen": lambda token, at, text: token + "A" * 4 * 3000 + "A" * 4 * at,
    "delete": lambda token, at, text: token[:at] + token[at + 1 :],
    "cut": lambda token, at, text: token[:at],
    "duplicate": lambda token, at, text: token[: at + 9] + token[at:],
    "change case": lambda token, at, text: token[:at] + token[at : at + 1].swapcase() + token[at + 1 :],
    "respell the last character": _last_character_respelled,
    "take a segment of another token": _segment_of_another,
    "move segments": _segments_moved,
}
_TEXTS = st.sampled_from([*_BASE64URL, "=", "==", "+", "/", ".", " ", "\t", "\n", ",", "%2e", "\0"]) | LATIN_1


_PLACES = st.integers(0, 5000) | st.integers(0, 80)


@given(GOOD_TOKENS, st.lists(st.tuples(st.sampled_from(sorted(DAMAGES)), _PLACES, _TEXTS), max_size=3))
def test_a_damaged_token_is_accepted_only_if_it_is_a_good_one_after_all(
    asked_app: FlaskClient, token: str, damages: list[tuple[str, int, str]]
) -> None:
    """Not a bit of a token can be changed: what passes is, to the byte, a token that was issued."""
    for name, number, text in damages:
        token = DAMAGES[name](token, number % (len(token) + 1), text)
    answer = _check(asked_app, f"Bearer {token}", judge_authorization(f"Bearer {token}", published_keys()))
    assert (answer.status == 200) == (token.strip(" \t") in good_tokens())
