"""A guard that remembers tokens and one that verifies each time, side by side: they never differ."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from auth0_blueprint.errors import KeySetUnavailableError
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation, Step, VerificationSequence
from auth0_blueprint.verification.token_cache import RememberedToken, TokenCache, digest_of
from auth0_blueprint.verification.verifier import Verifier
from properties.guarded_apps import (
    DEMANDS,
    KEY_IDS,
    MATERIALS,
    SETTINGS,
    GuardedApp,
    MakeSequence,
    MakeVerifier,
    Tenant,
    sequence_of,
    tokens,
)

#: Fewer than there are tokens: the bound is reached.
CACHE_SIZE = 6

_MOVES = st.sampled_from([0.0, 0.5, 3.0, 30.0, 45.0, 55.0, 65.0, 300.0, 601.0, 1201.0])
_APPS = st.integers(0, len(SETTINGS) - 1)
_REQUESTS = st.lists(st.tuples(_APPS, st.integers(0, 10), st.sampled_from(DEMANDS)), min_size=1, max_size=8)
_REVOCATIONS = st.sampled_from([("subject", "user"), ("subject", "other"), ("client_id", "client"), ("jti", "1")])


class SideBySide(RuleBasedStateMachine):
    """Each request is answered twice, and views do to their tokens what they like."""

    make_verifier: MakeVerifier = Verifier
    make_sequence: MakeSequence = staticmethod(sequence_of)
    cache_count = len(SETTINGS)

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant()
        caches = [TokenCache(CACHE_SIZE) for _ in range(self.cache_count)] * (len(SETTINGS) // self.cache_count)
        self.pairs = [
            (
                GuardedApp(self.tenant, one, cache, type(self).make_verifier, type(self).make_sequence),
                GuardedApp(self.tenant, one, TokenCache(0), Verifier),
            )
            for one, cache in zip(SETTINGS, caches, strict=True)
        ]

    @rule(requests=_REQUESTS)
    def requests_come(self, requests: list[tuple[int, int, Any]]) -> None:
        for app, token, requirement in requests:
            remembering, forgetful = self.pairs[app]
            text = tokens()[token % len(tokens())]
            is_remembered = remembering.cache.find(digest_of(text.encode())) is not None
            (access_token, seen), (_, expected) = (one.answer(text, requirement) for one in (remembering, forgetful))
            event(f"{'remembered' if is_remembered else 'new'}, {'passes' if access_token else 'refused'}")
            assert seen == expected
            if access_token is not None:
                _do_what_views_do(access_token)

    @rule(seconds=_MOVES)
    def time_passes(self, seconds: float) -> None:
        self.tenant.clock.move(seconds)

    @rule(seconds=_MOVES)
    def the_wall_clock_is_set(self, seconds: float) -> None:
        self.tenant.clock.now -= seconds

    @rule(key_id=st.sampled_from(KEY_IDS), material=st.sampled_from(MATERIALS))
    def a_key_comes(self, key_id: str, material: str) -> None:
        self.tenant.keys[key_id] = material

    @rule(key_id=st.sampled_from(KEY_IDS))
    def a_key_goes(self, key_id: str) -> None:
        if len(self.tenant.keys) > 1:
            self.tenant.keys.pop(key_id, None)

    @rule(is_away=st.booleans())
    def the_issuer_goes_away_or_comes_back(self, is_away: bool) -> None:
        self.tenant.is_away = is_away

    @rule(app=_APPS)
    def an_operator_refreshes(self, app: int) -> None:
        for one in self.pairs[app]:
            with suppress(KeySetUnavailableError):
                one.source.refresh_now(1)

    @rule(app=_APPS, revocation=_REVOCATIONS)
    def an_operator_revokes(self, app: int, revocation: tuple[str, str]) -> None:
        for one in self.pairs[app]:
            one.revocations.revoke(*revocation, None)

    @rule(app=_APPS, token=st.integers(0, 3))
    def an_operator_revokes_a_token(self, app: int, token: int) -> None:
        for one in self.pairs[app]:
            one.revocations.revoke_token(AccessToken({"exp": 1_800_003_000}, {}), tokens()[token], None)

    @rule(app=_APPS, revocation=_REVOCATIONS)
    def an_operator_lifts(self, app: int, revocation: tuple[str, str]) -> None:
        for one in self.pairs[app]:
            one.revocations.lift(*revocation)

    @rule(app=_APPS)
    def the_cache_is_purged(self, app: int) -> None:
        self.pairs[app][0].cache.purge()


def _do_what_views_do(access_token: AccessToken) -> None:
    for found in (access_token.claims, access_token.header, *(access_token[name] for name in access_token)):
        if isinstance(found, dict):
            found["scope"] = "everything"
        elif isinstance(found, list):
            found.append("everything")


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(max_examples=2000, stateful_step_count=12)


class ForgetsTheTime(Verifier):
    """Fault: what was good once is good for ever."""

    def _check_time(self, token: RememberedToken) -> None:
        if all(token is not known for known in self._remembered._tokens.values()):
            super()._check_time(token)


class ForgetsTheEnd(Verifier):
    """Fault: a token that could not be used yet is looked at again, one that has expired is not."""

    def _check_time(self, token: RememberedToken) -> None:
        is_known = any(token is known for known in self._remembered._tokens.values())
        super()._check_time(replace(token, expires_at=float("inf")) if is_known else token)


class _OneGeneration:
    """The keys, as if there had never been others."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def snapshot(self) -> Any:
        return replace(self._keys.snapshot(), generation=1)

    def key_for(self, *arguments: Any) -> Any:
        return replace(self._keys.key_for(*arguments), generation=1)


def forgets_the_generation(loaded: Any, keys: Any, *arguments: Any, **options: Any) -> Verifier:
    """Fault: the key set may have changed."""
    forgetful = {issuer: _OneGeneration(found) for issuer, found in keys.items()}
    return Verifier(loaded, forgetful, *arguments, **options)  # type: ignore[arg-type]


class ForgetsTheKeySetsAge(Verifier):
    """Fault: the key set may be too old for any use."""

    def prove(self, token: str, *, cached_only: bool = False) -> AccessToken:
        known = self._remembered.find(digest_of(token.encode()))
        if known is None:
            return super().prove(token, cached_only=cached_only)
        self._check_time(known)
        return known.access_token


class ForgetsTheStep(VerificationSequence):
    """Fault: a token that was admitted once is spared one of the steps: whether it was revoked since, or its proof."""

    def __init__(self, name: str, verifier: Verifier, steps: tuple[Step, ...]) -> None:
        super().__init__(verifier.prove, steps)
        self._name, self._remembered = name, verifier._remembered

    def verify(self, presentation: Presentation, *, cached_only: bool = False) -> AccessToken:
        if self._remembered.find(digest_of(presentation.token.encode())) is None:
            return super().verify(presentation, cached_only=cached_only)
        return self.without(self._name).verify(presentation, cached_only=cached_only)


class _SharedClaims(AccessToken):
    __slots__ = ()

    @property
    def claims(self) -> dict[str, Any]:
        return self._claims  # type: ignore[return-value]


class SharesClaims(Verifier):
    """Fault: what one view changes, the next one sees."""

    def _prove_anew(self, token: bytes, digest: bytes = b"", *, cached_only: bool = False) -> RememberedToken:
        proven = super()._prove_anew(token, digest, cached_only=cached_only)
        good = proven.access_token
        shared = _SharedClaims(good._claims, good._header, scopes=good.scopes, permissions=good.permissions)
        return replace(proven, access_token=shared)


def _comes_to_light(**faults: Any) -> bool:
    machine: Any = type("Faulty", (SideBySide,), faults)
    run = settings(max_examples=2000, stateful_step_count=20, phases=[Phase.generate], print_blob=False)
    try:
        run_state_machine_as_test(machine, settings=run)
    except AssertionError:
        return True
    return False


FAULTS = [ForgetsTheTime, ForgetsTheEnd, forgets_the_generation, ForgetsTheKeySetsAge, SharesClaims]


@pytest.mark.parametrize("make_verifier", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_in_remembering_comes_to_light(make_verifier: Callable[..., Verifier]) -> None:
    """The comparison is worth something: it finds what others have done wrong."""
    assert _comes_to_light(make_verifier=staticmethod(make_verifier))


@pytest.mark.parametrize("step", ["revocation", "binding"])
def test_a_step_that_remembered_tokens_are_spared_comes_to_light(step: str) -> None:
    """Each use of a token takes every step."""
    assert _comes_to_light(make_sequence=staticmethod(partial(ForgetsTheStep, step)))


def test_one_cache_for_two_apps_would_come_to_light() -> None:
    """Each app's settings decide about its own tokens alone."""
    assert _comes_to_light(cache_count=1)
