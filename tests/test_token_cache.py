"""Verified tokens of this process: kept within bounds, and asked again whatever can change."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import AppFactory, MovableClock, bearer, key_source
from flask import Flask
from flask_jwt_extended import get_jwt
from known_keys import KnownKeys
from refusals import UNKNOWN_KEY, answer_to, guarded, passes, with_signature
from servers import complete, in_a_child_process

from auth0_blueprint import Auth0Error, current_token, requires_auth
from auth0_blueprint.keysets.snapshot import Snapshot
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer
from auth0_blueprint.verification.access_token import AccessToken
from auth0_blueprint.verification.sequence import Presentation, Step, VerificationSequence
from auth0_blueprint.verification.token_cache import RememberedToken, TokenCache, digest_of
from auth0_blueprint.verification.verifier import Verifier

NOW = 1_800_000_000.0


class NeverAsked:
    """Stands in for the issuer's keys where nothing is verified."""

    def snapshot(self) -> Snapshot:
        raise AssertionError


def remembered(expires_at: float = NOW + 60, **claims: Any) -> RememberedToken:
    return RememberedToken(AccessToken(claims, {}), NOW, NOW, expires_at, 1, NeverAsked())


def fill(cache: TokenCache, *names: str, now: float = NOW, expires_at: float = NOW + 60) -> None:
    for name in names:
        cache.remember(digest_of(name.encode()), remembered(expires_at), now)


def known(cache: TokenCache, *names: str) -> str:
    return "".join(name for name in names if cache.find(digest_of(name.encode())))


class TestBounds:
    @pytest.mark.parametrize(
        ("size", "tokens", "kept"),
        [
            (3, "abcde", "cde"),
            # Two threads may verify one token at the same moment: it takes no place of another.
            (3, "abcaa", "abc"),
            (0, "a", ""),
        ],
    )
    def test_no_more_than_the_size_are_kept_and_the_oldest_goes_first(self, size: int, tokens: str, kept: str) -> None:
        cache = TokenCache(size)
        fill(cache, *tokens)
        assert (known(cache, *"abcde"), len(cache)) == (kept, size)

    @pytest.mark.parametrize(
        ("fills", "kept"),
        [
            ([("a", 0, 1), ("b", 0, 61), ("c", 59, 999)], "abc"),
            ([("a", 0, 1), ("b", 0, 61), ("c", 59, 999), ("d", 60, 999)], "bcd"),
            # A sweep in a future that was none does not put the next one off.
            ([("a", 10_000, 20_000), ("b", 0, -1), ("c", 0, 999), ("d", 60, 60)], "acd"),
            # What expires this very second has expired.
            ([("a", 0, 60), ("b", 0, 999), ("c", 60, 999)], "bc"),
        ],
    )
    def test_expired_ones_go_once_a_minute(self, fills: list[tuple[str, float, float]], kept: str) -> None:
        """Claims of people who are long gone are not kept until something else needs the place."""
        cache = TokenCache(9)
        for name, now, expires_at in fills:
            fill(cache, name, now=NOW + now, expires_at=NOW + expires_at)
        assert known(cache, *"abcd") == kept

    def test_forgetting_and_purging(self) -> None:
        cache = TokenCache(9)
        fill(cache, *"abc")
        cache.forget(digest_of(b"a"))
        cache.forget(digest_of(b"never"))
        assert known(cache, *"abc") == "bc"
        cache.purge()
        assert len(cache) == 0

    def test_every_character_of_a_token_counts(self) -> None:
        """The signature as well: another spelling of it is another token."""
        assert len({digest_of(text) for text in (b"h.p.s", b"h.p.t", b"h.p.", b"")}) == 4
        assert len(digest_of(b"h.p.s")) == 32


class TestThreads:
    def test_looking_up_waits_for_nobody(self) -> None:
        cache = TokenCache(9)
        fill(cache, "a")
        with cache._lock(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(known, cache, "a").result(10) == "a"

    def test_the_bound_holds_among_threads(self) -> None:
        cache = TokenCache(8)
        barrier = threading.Barrier(8)
        sizes: list[int] = []

        def work(number: int) -> None:
            barrier.wait(10)
            for step in range(300):
                fill(cache, f"{number}-{step % 20}", now=NOW + step)
                known(cache, f"{(number + 1) % 8}-{step % 20}")
                cache.forget(digest_of(b"%d-%d" % (number, (step + 5) % 20)))
                if step % 100 == 99:
                    cache.purge()
                sizes.append(len(cache))

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work, number) for number in range(8)]:
                done.result(30)
        assert max(sizes) <= 9  # a reader may see the one that is too much

    def test_a_child_process_can_write(self) -> None:
        """Although it was forked while a thread of the parent held the lock."""
        cache = TokenCache(9)
        fill(cache, "a")

        def work() -> str:
            fill(cache, "b")
            return known(cache, "a", "b")

        with cache._lock():
            assert in_a_child_process(work) == "ab"


class Rig:
    """A verifier that remembers, and what has happened to it."""

    def __init__(self, issuer: LocalIssuer, clock: MovableClock) -> None:
        self.keys, self.cache, self.happened = KnownKeys(*issuer.key_set["keys"]), TokenCache(9), list[str]()
        self.verifier = Verifier(
            load_settings(issuer.settings, {}),
            {issuer.issuer: self.keys},
            clock=clock,
            remembered=self.cache,
            sync_if_due=lambda: self.happened.append("kept up"),
            on_remembered=lambda: self.happened.append("remembered"),
            on_proven=lambda: self.happened.append("proven"),
        )
        steps = (Step("revocation", lambda *_: self.happened.append("asked")), Step("binding", Binding().check))
        self._sequence = VerificationSequence(self.verifier.prove, steps)

    def verify(self, token: str, **options: bool) -> AccessToken:
        return self._sequence.verify(Presentation(token), **options)

    def code_of(self, token: str) -> str:
        with pytest.raises(Auth0Error) as caught:
            self.verify(token)
        return caught.value.code


Mint = Callable[..., str]


@pytest.fixture
def rig(issuer: LocalIssuer, clock: MovableClock) -> Rig:
    return Rig(issuer, clock)


@pytest.fixture
def mint(issuer: LocalIssuer, clock: MovableClock) -> Mint:
    return lambda **claims: issuer.token(**{"iat": clock.now, "exp": clock.now + 60, **claims})


class TestAtEachUse:
    def test_a_token_is_proven_once(self, rig: Rig, mint: Mint) -> None:
        first, second = rig.verify(token := mint()), rig.verify(token)
        assert first is second
        assert len(rig.keys.asked) == 1
        assert rig.happened == ["kept up", "proven", "asked", "kept up", "remembered", "asked"]

    def test_a_refusal_is_not_remembered(self, rig: Rig, mint: Mint) -> None:
        """There is no end of bad tokens."""
        for token in (mint(aud="other"), mint(exp=1), mint() + "A", "a.b.c"):
            rig.code_of(token)
        assert len(rig.cache) == 0

    def test_another_signature_is_another_token(self, rig: Rig, mint: Mint) -> None:
        rig.verify(token := mint())
        assert rig.code_of(with_signature(token, bytes(256))) == "invalid_signature"

    def test_it_ends_with_its_token(self, rig: Rig, mint: Mint, clock: MovableClock) -> None:
        """At exp plus the leeway, not a moment later; until then it stays when expired ones go."""
        rig.verify(token := mint())
        clock.move(64.9)
        rig.verify(other := mint())
        rig.verify(token)
        assert (len(rig.keys.asked), len(rig.cache)) == (2, 2)
        clock.move(0.1)
        assert rig.code_of(token) == "token_expired"
        assert known(rig.cache, token, other) == other

    @pytest.mark.parametrize(("size", "searches"), [(None, 2), (1, 1)])
    def test_without_a_cache_each_use_is_the_first(self, issuer: LocalIssuer, size: int | None, searches: int) -> None:
        """With one, also a token of the maximum size is remembered."""
        keys, token = KnownKeys(*issuer.key_set["keys"]), issuer.token(filling="x" * 500)
        settings = load_settings({**issuer.settings, "AUTH0_MAX_TOKEN_BYTES": len(token)}, {})
        verifier = Verifier(settings, {issuer.issuer: keys}, remembered=None if size is None else TokenCache(size))
        for _ in range(2):
            verifier.prove(token)
        assert len(keys.asked) == searches

    def test_a_clock_that_is_set_back_counts(self, rig: Rig, mint: Mint, clock: MovableClock) -> None:
        """A token of the future is refused, also if it was one of the present before."""
        rig.verify(token := mint(nbf=clock.now))
        clock.move(-5.1)
        assert rig.code_of(token) == "token_not_yet_valid"
        assert len(rig.cache) == 1

    def test_another_key_set_has_it_proven_anew(self, rig: Rig, mint: Mint) -> None:
        rig.verify(token := mint())
        rig.keys.generation = 2
        rig.verify(token)
        rig.verify(token)
        assert (len(rig.keys.asked), len(rig.cache)) == (2, 1)

    def test_a_bound_token_is_asked_for_its_proof_each_time(self, rig: Rig, mint: Mint) -> None:
        token = mint(cnf={"jkt": "x"})
        assert [rig.code_of(token) for _ in range(2)] == ["binding_mismatch"] * 2

    def test_a_look_without_waiting_leaves_it_alone(self, rig: Rig, mint: Mint) -> None:
        """Health neither needs it, nor fills it."""
        token = mint()
        for _ in range(2):
            rig.verify(token, cached_only=True)
        assert (len(rig.keys.asked), len(rig.cache)) == (2, 0)

    def test_a_token_that_is_too_long_is_not_even_looked_up(self, rig: Rig) -> None:
        text = "a" * 20_000
        rig.cache.remember(digest_of(text.encode()), remembered(), 0)
        assert rig.code_of(text) == "token_malformed"


class TestHeaders:
    def test_headers_of_forged_tokens_are_not_remembered(self, rig: Rig, mint: Mint) -> None:
        """Only the issuer decides what is."""
        token = mint()
        rig.code_of(with_signature(token, bytes(256)))
        assert not rig.verifier._known_headers
        rig.code_of(mint(aud="other"))
        assert list(rig.verifier._known_headers) == [token.partition(".")[0].encode()]

    def test_they_are_bounded(self, rig: Rig, mint: Mint) -> None:
        """An issuer that writes something new into each of them fills nothing."""
        sizes = []
        for number in range(65):
            rig.verify(mint(headers={"note": number}))
            sizes.append(len(rig.verifier._known_headers))
        assert sizes == [*range(1, 65), 1]

    def test_one_that_is_known_is_not_checked_less(self, rig: Rig, mint: Mint) -> None:
        rig.verify(token := mint())
        header, payload, signature = token.split(".")
        for spoilt in (f"{header}.{payload}=.{signature}", f"{header}..{signature}", f"{token}=="):
            assert rig.code_of(spoilt) == "token_malformed"


def cache_of(app: Flask) -> TokenCache:
    cache: TokenCache = app.extensions["auth0"].sequence.prove.__self__._remembered
    return cache


def texts_in(thing: Any, seen: set[int]) -> set[str]:
    """Return every text, and every number of bytes as text, that can be reached from *thing*."""
    if id(thing) in seen or isinstance(thing, type):
        return set()
    seen.add(id(thing))
    if isinstance(thing, (str, bytes)):
        return {str(thing)}
    return set().union(*(texts_in(inner, seen) for inner in gc.get_referents(thing)))


class TestInAnApp:
    @pytest.mark.parametrize(("size", "remembered"), [(0, 0), (2, 2)])
    def test_hits_are_counted_and_the_setting_decides_how_many(
        self, make_app: AppFactory, issuer: LocalIssuer, size: int, remembered: int
    ) -> None:
        app = make_app(AUTH0_TOKEN_CACHE_SIZE=size)
        client = guarded(app)
        first, second, third = (issuer.token(jti=str(number)) for number in (1, 2, 3))
        for token in (first, first, first, second, third):
            assert client.get("/ours", headers=bearer(token)).status_code == 200
        counters = app.extensions["auth0"].counters
        assert (counters.verified, counters.remembered, len(cache_of(app))) == (5, remembered, size)

    def test_tokens_themselves_are_not_kept(self, app: Flask, issuer: LocalIssuer) -> None:
        """Whoever reads the memory of a process finds claims there, but nothing to use."""
        token = issuer.token(jti="kept")
        guarded(app).get("/ours", headers=bearer(token))
        texts = texts_in(cache_of(app)._tokens, set())
        assert "kept" in texts
        assert not [text for text in texts if token.rpartition(".")[2][:40] in text]

    def test_a_new_key_set_purges_it(self, app: Flask, issuer: LocalIssuer) -> None:
        """Also one that an operator asks for, with the same keys: then all is proven anew."""
        client, headers = guarded(app), bearer(issuer.token())
        client.get("/ours", headers=headers)
        complete()
        assert client.get("/ours", headers=headers).status_code == 200
        assert len(cache_of(app)) == 1
        key_source(app).refresh_now(5)
        complete()
        assert len(cache_of(app)) == 0

    def test_a_removed_key_is_out_for_remembered_tokens(self, app: Flask, issuer: LocalIssuer) -> None:
        client, token, old = guarded(app), issuer.token(), issuer.key_ids[-1]
        assert passes(client, token)
        issuer.rotate()
        issuer.remove_key(old)
        key_source(app).refresh_now(5)
        assert answer_to(client, token) == UNKNOWN_KEY

    def test_no_view_changes_what_the_next_one_sees(self, app: Flask, issuer: LocalIssuer) -> None:
        @app.get("/changes")
        @requires_auth
        def changes() -> dict[str, Any]:
            before = {"ours": current_token.claims, "theirs": get_jwt(), "header": current_token.header}
            seen: dict[str, Any] = json.loads(json.dumps(before))
            for found in (current_token.claims, get_jwt(), current_token.header, *before.values()):
                found["tiers"] = found["scope"] = "changed"
            current_token["tiers"].append("changed")
            get_jwt()["tiers"][0]["name"] = "changed"
            return {**seen, "after": current_token["tiers"]}

        client = app.test_client()
        headers = bearer(issuer.token(tiers=[{"name": "gold"}]))
        first, second = (client.get("/changes", headers=headers).get_json() for _ in range(2))
        assert first == second
        assert first["ours"]["tiers"] == first["after"] == [{"name": "gold"}]
        assert app.extensions["auth0"].counters.remembered == 1
