"""Base64url in its one canonical spelling."""

from __future__ import annotations

import base64
from contextlib import suppress

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
        # Padding.
        "YQ==", "YQ=", "YWI=YWI", "=",
        # White space, a null, characters of other alphabets.
        "YW Jj", "YWJj\n", " YWJj", "YWJj\0", "+/+/", "YWJj!", "YW.Jj",
        # An impossible length.
        "YWJjZ",
        # Not ASCII: an accent, full-width letters, a lone surrogate.
        "YWJé", "\uff39\uff37\uff2a\uff4a", "YWJ\ud800",
    ],
    ids=ascii,
)  # fmt: skip
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
        segment, data, expected = beginning + end, None, None
        with suppress(ValueError):
            data = base64url.decode(segment)
        with suppress(ValueError):
            expected = base64.urlsafe_b64decode(segment + b"==")
        if expected is not None and base64.urlsafe_b64encode(expected).rstrip(b"=") != segment:
            expected = None
        assert data == expected
