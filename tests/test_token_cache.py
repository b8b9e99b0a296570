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
from refusals import guarded, segment
from servers import complete, in_a_child_process

from auth0_blueprint import Auth0Error, current_token, requires_auth
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.keysets.key_set import parse_key_set
from auth0_blueprint.keysets.snapshot import FoundKey, Snapshot
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
    def test_the_oldest_goes_first(self) -> None:
        cache = TokenCache(3)
        fill(cache, *"abcde")
        assert (known(cache, *"abcde"), len(cache)) == ("cde", 3)

    def test_a_token_that_comes_again_takes_no_place_of_another(self) -> None:
        """Two threads may verify one token at the same moment."""
        cache = TokenCache(3)
        fill(cache, *"abcaa")
        assert known(cache, *"abc") == "abc"

    def test_size_0_remembers_nothing(self) -> None:
        cache = TokenCache(0)
        fill(cache, "a")
        assert len(cache) == 0

    def test_expired_ones_go_once_a_minute(self) -> None:
        """Claims of people who are long gone are not kept until something else needs the place."""
        cache = TokenCache(9)
        fill(cache, "a", expires_at=NOW + 1)
        fill(cache, "b", expires_at=NOW + 60 + 1)
        fill(cache, "c", now=NOW + 60 - 1, expires_at=NOW + 999)
        assert known(cache, *"abc") == "abc"
        fill(cache, "d", now=NOW + 60, expires_at=NOW + 999)
        assert known(cache, *"abcd") == "bcd"

    def test_they_also_go_after_the_clock_was_set_back(self) -> None:
        """A sweep in a future that was none does not put the next one off."""
        cache = TokenCache(9)
        fill(cache, "a", now=NOW + 10_000, expires_at=NOW + 20_000)
        fill(cache, "b", expires_at=NOW - 1)
        fill(cache, "c", expires_at=NOW + 999)
        fill(cache, "d", now=NOW + 60)
        assert known(cache, *"abcd") == "acd"

    def test_what_expires_this_very_second_has_expired(self) -> None:
        cache = TokenCache(9)
        fill(cache, "a", expires_at=NOW + 60)
        fill(cache, "b", now=NOW, expires_at=NOW + 999)
        fill(cache, "c", now=NOW + 60, expires_at=NOW + 999)
        assert known(cache, *"abc") == "bc"

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
        assert len(digest_of(b"h.p.s")) == 64


class TestThreads:
    def test_looking_up_waits_for_nobody(self) -> None:
        cache = TokenCache(9)
        fill(cache, "a")
        with cache._lock, ThreadPoolExecutor(1) as pool:
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

        with cache._lock:
            assert in_a_child_process(work) == "ab"


class CountingKeys:
    """A key set that is there; counts how often a key was looked for."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._key_set = parse_key_set(json.dumps(issuer.key_set).encode())
        self.searches = 0
        self.now_generation = 1

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        self.searches += 1
        key = self._key_set.select(key_id, algorithm)
        assert key is not None
        return FoundKey(key, self.now_generation)

    cached_key = key_for

    def snapshot(self) -> Snapshot:
        return Snapshot(self._key_set, 0, 0, 0, 0, 0, "network", self.now_generation)


class Verification:
    """The sequence of one verifier, with more steps or none."""

    def __init__(self, verifier: Verifier, steps: tuple[Step, ...] = ()) -> None:
        self._sequence = VerificationSequence(verifier.prove, steps)
        self.known_headers = verifier._known_headers

    def verify(self, token: str, **options: bool) -> AccessToken:
        return self._sequence.verify(Presentation(token), **options)


Rig = tuple[Verification, CountingKeys, TokenCache, list[str]]


@pytest.fixture
def rig(issuer: LocalIssuer, clock: MovableClock) -> Rig:
    keys, cache, happened = CountingKeys(issuer), TokenCache(9), list[str]()
    verifier = Verifier(
        load_settings(issuer.settings, {}),
        {issuer.issuer: keys},
        clock=clock,
        remembered=cache,
        sync_if_due=lambda: happened.append("kept up"),
        on_remembered=lambda: happened.append("remembered"),
        on_proven=lambda: happened.append("proven"),
    )
    steps = (Step("revocation", lambda *_: happened.append("asked")), Step("binding", Binding().check))
    return Verification(verifier, steps), keys, cache, happened


@pytest.fixture
def mint(issuer: LocalIssuer, clock: MovableClock) -> Callable[..., str]:
    return lambda **claims: issuer.token(**{"iat": clock.now, "exp": clock.now + 60, **claims})


def code_of(verifier: Verification, token: str) -> str:
    with pytest.raises(Auth0Error) as caught:
        verifier.verify(token)
    return caught.value.code


class TestAtEachUse:
    def test_a_token_is_proven_once(self, rig: Rig, mint: Callable[..., str]) -> None:
        verifier, keys, _, happened = rig
        first, second = verifier.verify(token := mint()), verifier.verify(token)
        assert first is second
        assert keys.searches == 1
        assert happened == ["kept up", "proven", "asked", "kept up", "remembered", "asked"]

    def test_a_refusal_is_not_remembered(self, rig: Rig, mint: Callable[..., str]) -> None:
        """There is no end of bad tokens."""
        verifier, _, cache, _ = rig
        for token in (mint(aud="other"), mint(exp=1), mint() + "A", "a.b.c"):
            code_of(verifier, token)
        assert len(cache) == 0

    def test_another_signature_is_another_token(self, rig: Rig, mint: Callable[..., str]) -> None:
        verifier, *_ = rig
        verifier.verify(token := mint())
        forged = token.rpartition(".")[0] + "." + segment(bytes(256))
        assert code_of(verifier, forged) == "invalid_signature"

    def test_it_ends_with_its_token(self, rig: Rig, mint: Callable[..., str], clock: MovableClock) -> None:
        verifier, _, cache, _ = rig
        verifier.verify(token := mint())
        clock.move(64.9)
        verifier.verify(token)
        clock.move(0.1)
        assert code_of(verifier, token) == "token_expired"
        assert len(cache) == 0

    def test_within_the_leeway_it_is_kept(self, rig: Rig, mint: Callable[..., str], clock: MovableClock) -> None:
        """When expired ones go, those that are accepted still stay."""
        verifier, keys, cache, _ = rig
        verifier.verify(token := mint())
        clock.move(64.9)
        verifier.verify(mint())
        verifier.verify(token)
        assert (keys.searches, len(cache)) == (2, 2)

    def test_a_verifier_without_a_cache_remembers_nothing(self, issuer: LocalIssuer) -> None:
        keys = CountingKeys(issuer)
        verifier = Verification(Verifier(load_settings(issuer.settings, {}), {issuer.issuer: keys}))
        token = issuer.token()
        for _ in range(2):
            verifier.verify(token)
        assert keys.searches == 2

    def test_a_token_of_the_maximum_size_is_remembered(self, issuer: LocalIssuer) -> None:
        keys, token = CountingKeys(issuer), issuer.token(filling="x" * 500)
        settings = load_settings({**issuer.settings, "AUTH0_MAX_TOKEN_BYTES": len(token)}, {})
        verifier = Verification(Verifier(settings, {issuer.issuer: keys}, remembered=TokenCache(1)))
        for _ in range(2):
            verifier.verify(token)
        assert keys.searches == 1

    def test_a_clock_that_is_set_back_counts(self, rig: Rig, mint: Callable[..., str], clock: MovableClock) -> None:
        """A token of the future is refused, also if it was one of the present before."""
        verifier, _, cache, _ = rig
        verifier.verify(token := mint(nbf=clock.now))
        clock.move(-5.1)
        assert code_of(verifier, token) == "token_not_yet_valid"
        assert len(cache) == 1

    def test_another_key_set_has_it_proven_anew(self, rig: Rig, mint: Callable[..., str]) -> None:
        verifier, keys, cache, _ = rig
        verifier.verify(token := mint())
        keys.now_generation = 2
        verifier.verify(token)
        verifier.verify(token)
        assert (keys.searches, len(cache)) == (2, 1)

    def test_a_bound_token_is_asked_for_its_proof_each_time(self, rig: Rig, mint: Callable[..., str]) -> None:
        verifier, *_ = rig
        token = mint(cnf={"jkt": "x"})
        assert [code_of(verifier, token) for _ in range(2)] == ["binding_mismatch"] * 2

    def test_a_look_without_waiting_leaves_it_alone(self, rig: Rig, mint: Callable[..., str]) -> None:
        """Health neither needs it, nor fills it."""
        verifier, keys, cache, _ = rig
        token = mint()
        for _ in range(2):
            verifier.verify(token, cached_only=True)
        assert (keys.searches, len(cache)) == (2, 0)

    def test_a_token_that_is_too_long_is_not_even_looked_up(self, rig: Rig) -> None:
        verifier, _, cache, _ = rig
        text = "a" * 20_000
        cache.remember(digest_of(text.encode()), remembered(), 0)
        assert code_of(verifier, text) == "token_malformed"


class TestHeaders:
    def test_headers_of_forged_tokens_are_not_remembered(self, rig: Rig, mint: Callable[..., str]) -> None:
        """Only the issuer decides what is."""
        verifier, *_ = rig
        token = mint()
        code_of(verifier, token.rpartition(".")[0] + "." + segment(bytes(256)))
        assert not verifier.known_headers
        code_of(verifier, mint(aud="other"))
        assert list(verifier.known_headers) == [token.partition(".")[0].encode()]

    def test_they_are_bounded(self, rig: Rig, issuer: LocalIssuer, mint: Callable[..., str]) -> None:
        """An issuer that writes something new into each of them fills nothing."""
        verifier, *_ = rig
        sizes = []
        for number in range(65):
            verifier.verify(mint(headers={"note": number}))
            sizes.append(len(verifier.known_headers))
        assert sizes == [*range(1, 65), 1]

    def test_one_that_is_known_is_not_checked_less(self, rig: Rig, mint: Callable[..., str]) -> None:
        verifier, *_ = rig
        header, payload, signature = mint().split(".")
        verifier.verify(f"{header}.{payload}.{signature}")
        for token in (
            f"{header}.{payload}=.{signature}",
            f"{header}..{signature}",
            f"{header}.{payload}.{signature}==",
        ):
            assert code_of(verifier, token) == "token_malformed"


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
    def test_hits_are_counted(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app()
        client = guarded(app)
        token = issuer.token()
        for _ in range(3):
            assert client.get("/ours", headers=bearer(token)).status_code == 200
        counters = app.extensions["auth0"].counters
        assert (counters.verified, counters.remembered) == (3, 2)

    @pytest.mark.parametrize("size", [0, 2])
    def test_the_setting_decides_how_many(self, make_app: AppFactory, issuer: LocalIssuer, size: int) -> None:
        app = make_app(AUTH0_TOKEN_CACHE_SIZE=size)
        client = guarded(app)
        first, second, third = (issuer.token(jti=str(number)) for number in (1, 2, 3))
        for token in (first, first, second, third):
            client.get("/ours", headers=bearer(token))
        assert len(cache_of(app)) == size
        assert app.extensions["auth0"].counters.remembered == min(size, 1)

    def test_tokens_themselves_are_not_kept(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        """Whoever reads the memory of a process finds claims there, but nothing to use."""
        app = make_app()
        client = guarded(app)
        token = issuer.token(jti="kept")
        client.get("/ours", headers=bearer(token))
        texts = texts_in(cache_of(app)._tokens, set())
        assert "kept" in texts
        assert not [text for text in texts if token.rpartition(".")[2][:40] in text]

    def test_a_new_key_set_purges_it(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        """Also one that an operator asks for, with the same keys: then all is proven anew."""
        app = make_app()
        client = guarded(app)
        token = issuer.token()
        client.get("/ours", headers=bearer(token))
        complete()
        assert client.get("/ours", headers=bearer(token)).status_code == 200
        assert len(cache_of(app)) == 1
        key_source(app).refresh_now(5)
        complete()
        assert len(cache_of(app)) == 0

    def test_a_removed_key_is_out_for_remembered_tokens(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app()
        client = guarded(app)
        token = issuer.token()
        assert client.get("/ours", headers=bearer(token)).status_code == 200
        old = issuer.key_ids[-1]
        issuer.rotate()
        issuer.remove_key(old)
        key_source(app).refresh_now(5)
        answer = client.get("/ours", headers=bearer(token))
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unknown_key")

    def test_no_view_changes_what_the_next_one_sees(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app()

        @app.get("/changes")
        @requires_auth
        def changes() -> dict[str, Any]:
            before = {"ours": current_token.claims, "theirs": get_jwt(), "header": current_token.header}
            seen: dict[str, Any] = json.loads(json.dumps(before))
            for found in (current_token.claims, get_jwt(), current_token.header, *before.values()):
                found["tiers"] = found["scope"] = "changed"
            current_token["tiers"].append("changed")
            get_jwt()["tiers"][0]["name"] = "changed"
            return seen

        client = app.test_client()
        headers = bearer(issuer.token(tiers=[{"name": "gold"}]))
        first, second = (client.get("/changes", headers=headers).get_json() for _ in range(2))
        assert first == second
        assert first["ours"]["tiers"] == [{"name": "gold"}]
        assert app.extensions["auth0"].counters.remembered == 1
