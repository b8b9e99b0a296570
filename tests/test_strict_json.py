"""JSON that can be read in one way only."""

from __future__ import annotations

from typing import Any

import pytest

from auth0_blueprint.jose.strict_json import NonFiniteNumberError, StrictJSONError, loads_object


def nested(depth: int) -> bytes:
    """Return objects in each other, *depth* deep."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("{}", {}, id="empty"),
        pytest.param(' \r\n\t{"a" : [1, -2.5, true, null, "x"]} ', {"a": [1, -2.5, True, None, "x"]}, id="every type"),
        pytest.param('{"a": {"b": 1}, "c": {"b": 1}}', {"a": {"b": 1}, "c": {"b": 1}}, id="name on two levels"),
        pytest.param('{"é": "日本 😀"}', {"é": "日本 😀"}, id="UTF-8"),
        pytest.param(r'{"a": "\ud83d\ude00"}', {"a": "😀"}, id="surrogate pair"),
        pytest.param('{"a": "' + "{[" * 20 + '"}', {"a": "{[" * 20}, id="brackets in text"),
        pytest.param('{"a": 1e308}', {"a": 1e308}, id="large number"),
    ],
)
def test_an_unambiguous_object_is_read(text: str, value: dict[str, Any]) -> None:
    assert loads_object(text.encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{} {}", b"{'a': 1}", b'{"a": 1,}', b'{"a": 01}', b'{"a": "\n"}', b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"), b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\xc0\xaf"}',
        b'{"a": ' + b"9" * 5000 + b"}", b"<!doctype html>",
    ],
    ids=[
        "empty", "cut", "two values", "single quotes", "trailing comma", "leading zero", "control character",
        "byte order mark", "UTF-16", "no UTF-8", "surrogate in UTF-8", "overlong UTF-8", "5,000 digits", "HTML",
    ],
)  # fmt: skip
def test_what_is_not_json_in_utf8_is_refused(data: bytes) -> None:
    with pytest.raises(StrictJSONError):
        loads_object(data)


REASONS = {
    # A token's header and payload, and a key set, are objects.
    "not a JSON object": ("[]", '"text"', "1", "null", "true"),
    # Two readers could take two different values.
    "named twice": (
        '{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}', '{"a": [{"b": 1, "b": 2}]}', r'{"a": 1, "\u0061": 2}',
    ),
    # RFC 8259 knows no such numbers.
    "NaN": ('{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}'),
    # A text that has no UTF-8 form would fail wherever it is written next.
    "lone surrogate": (
        r'{"a": "\ud800"}', r'{"a": "\udc00\ud800"}', r'{"\udfff": 1}', r'{"a": [{"b": "x\uD83D"}]}',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), [(text, reason) for reason, texts in REASONS.items() for text in texts])
def test_what_can_be_read_in_two_ways_is_refused(text: str, reason: str) -> None:
    with pytest.raises(StrictJSONError, match=reason):
        loads_object(text.encode())


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1.5E+999"])
def test_a_number_beyond_a_double_is_refused_by_an_error_of_its_own(number: str) -> None:
    """The verifier tells such a number apart from a broken text."""
    with pytest.raises(NonFiniteNumberError):
        loads_object(f'{{"a": [{number}]}}'.encode())


@pytest.mark.parametrize(
    "data",
    [nested(32), b'{"a":' + b"[" * 31 + b"]" * 31 + b', "b": []}'],
    ids=["objects", "lists"],
)
def test_nesting_up_to_the_limit_is_read(data: bytes) -> None:
    loads_object(data)


@pytest.mark.parametrize(
    "data",
    [
        nested(33),
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"b": {}, "a":' + nested(32) + b"}",
        nested(100_000),
        b'{"a":' + b"[" * 100_000,
    ],
    ids=["objects", "lists", "beside a flat one", "100,000 objects", "100,000 open lists"],
)
def test_nesting_beyond_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(StrictJSONError):
        loads_object(data)


def test_many_containers_on_one_level_are_not_deep() -> None:
    assert len(loads_object(b'{"a": [' + b"[]," * 1000 + b"[]]}")["a"]) == 1001
