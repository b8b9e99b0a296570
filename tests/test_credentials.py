"""The ``Authorization`` header, by itself: which scheme, which token. What is answered is in other tests."""

from __future__ import annotations

import pytest

from auth0_blueprint.errors import AmbiguousHeaderError, InvalidHeaderError, MissingCredentialsError
from auth0_blueprint.verification.credentials import is_by_dpop, scheme_and_token

BEARER, DPOP = ("bearer", "h.p.s"), ("dpop", "h.p.s")


@pytest.mark.parametrize(
    "header",
    [
        *("Bearer h.p.s", "bearer h.p.s", "BEARER h.p.s", "Bearer  h.p.s", " Bearer h.p.s ", "Bearer h.p.s\t"),
        "Bearer \th.p.s",
    ],
)
def test_white_space_around_and_case_do_not_matter(header: str) -> None:
    """RFC 9110 §5.6.3 and §11.1; whether DPoP is taken as well changes nothing."""
    assert scheme_and_token(header) == scheme_and_token(header, takes_dpop=True) == BEARER


@pytest.mark.parametrize("header", ["DPoP h.p.s", "dpop h.p.s", "DPOP  h.p.s", "\tDPoP h.p.s\t"])
def test_dpop_is_a_scheme_only_where_it_is_taken(header: str) -> None:
    assert scheme_and_token(header, takes_dpop=True) == DPOP
    with pytest.raises(InvalidHeaderError) as caught:
        scheme_and_token(header)
    assert caught.value.reason == "other_scheme"


@pytest.mark.parametrize("header", [None, "", " ", "\t \t"])
def test_no_credentials(header: str | None) -> None:
    with pytest.raises(MissingCredentialsError):
        scheme_and_token(header, takes_dpop=True)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer\t", "DPoP", "DPoP \t "])
def test_a_scheme_without_a_token(header: str) -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        scheme_and_token(header, takes_dpop=True)
    assert type(caught.value) is InvalidHeaderError
    assert caught.value.reason == "no_token"


@pytest.mark.parametrize(
    "header",
    [
        *("Bearer a b", "Bearer a,b", "Bearer a, Bearer b", "Bearer a,", "DPoP a b", "DPoP a, DPoP b"),
        *("Bearer a, DPoP b", "DPoP a, Bearer b", "Basic x, Bearer a", "Basic x, DPoP a", "Basic x,DPoP a"),
    ],
)
def test_more_than_one_token_is_ambiguous(header: str) -> None:
    """Whichever of two a server takes, somebody else takes the other one."""
    with pytest.raises(AmbiguousHeaderError):
        scheme_and_token(header, takes_dpop=True)


@pytest.mark.parametrize("header", ["Basic x", "Basic x, DPoP a", "Bearerx h.p.s", "Digest a, b", "h.p.s"])
def test_another_scheme(header: str) -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        scheme_and_token(header)
    assert type(caught.value) is InvalidHeaderError
    assert caught.value.reason == "other_scheme"


@pytest.mark.parametrize("header", ["DPoP", "DPoP x", "dpop x", " DPoP x y", "DPOP a, b"])
def test_an_attempt_by_dpop_is_told_by_the_scheme(header: str) -> None:
    """However badly it went: the challenge is for whoever tried."""
    assert is_by_dpop(header)


@pytest.mark.parametrize("header", [None, "", "Bearer x", "Bearer DPoP", "zzzz x", "aaaa x", "XX", "DPoPx y"])
def test_anything_else_is_no_attempt_by_dpop(header: str | None) -> None:
    assert not is_by_dpop(header)
