"""Base64url in its one canonical spelling."""

from __future__ import annotations

import base64

import pytest

from auth0_blueprint.jose import base64url


@pytest.mark.parametrize("data", [b"", b"\0", b"ab", b"abc", b"\xfb\xff\xbf", bytes(range(256))])
def test_what_an_encoder_wrote_is_read_back(data: bytes) -> None:
    assert base64url.decode(base64.urlsafe_b64encode(data).rstrip(b"=")) == data


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"a", "YQ"), (b"ab", "YWI"), (b"abc", "YWJj"), (b"\xfb\xff", "-_8")]
)
def test_an_encoder_of_ours_writes_that_spelling(data: bytes, text: str) -> None:
    """RFC 7515 §2: without padding."""
    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param("YQ==", id="padding"),
        pytest.param("YQ=", id="short padding"),
        pytest.param("YWI=YWI", id="padding inside"),
        pytest.param("=", id="padding alone"),
        pytest.param("YW Jj", id="space"),
        pytest.param("YWJj\n", id="newline at the end"),
        pytest.param(" YWJj", id="space in front"),
        pytest.param("+/+/", id="standard alphabet"),
        pytest.param("YWJj!", id="character of no alphabet"),
        pytest.param("YW.Jj", id="dot"),
        pytest.param("YWJjZ", id="impossible length"),
        pytest.param("YWJj\0", id="null"),
        pytest.param("YWJé", id="not ASCII"),
        pytest.param("\uff39\uff37\uff2a\uff4a", id="full-width letters"),
        pytest.param("YWJ\ud800", id="lone surrogate"),
    ],
)
def test_any_other_spelling_is_refused(segment: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(segment.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("canonical", "twins"), [("YQ", ("YR", "YS", "Yf")), ("YWI", ("YWJ", "YWK", "YWL"))])
def test_unused_bits_of_the_last_character_must_be_zero(canonical: str, twins: tuple[str, ...]) -> None:
    """Of all spellings that carry the same bytes only the canonical one is read."""
    base64url.decode(canonical.encode())
    for twin in twins:
        with pytest.raises(ValueError, match="not canonical"):
            base64url.decode(twin.encode())


@pytest.mark.parametrize("beginning", [b"", b"Y", b"YW", b"YWJ"], ids=lambda beginning: len(beginning))
def test_whatever_ends_a_segment_is_read_only_as_an_encoder_writes_it(beginning: bytes) -> None:
    for end in (bytes((first, second)) for first in range(256) for second in range(256)):
        segment = beginning + end
        try:
            data = base64url.decode(segment)
        except ValueError:
            data = None
        try:
            expected = base64.urlsafe_b64decode(segment + b"==")
        except ValueError:
            expected = None
        if expected is not None and base64.urlsafe_b64encode(expected).rstrip(b"=") != segment:
            expected = None
        assert data == expected
