"""What the processes of a fleet share about issued tokens: encrypted, so that nobody can read a token in the store."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.polling import poll
from auth0_blueprint.errors import TokenExchangeError, TokenExchangeUnavailableError
from auth0_blueprint.jose.base64url import decode, encode
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.store import StoreError
from auth0_blueprint.token_requests.issued_token import IssuedToken

#: How long a failure is told to those who wait for the same token. Whoever comes later asks anew.
FAILURE_SECONDS = 5.0
# A request takes about 0.2 s, so polling starts fast.
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.05, 0.5
_NONCE_BYTES = 12
# Part of the key: processes that write another form never read each other's entries. Raise it with the form.
_FORM = b"auth0_blueprint issued tokens 1"
_ERRORS = {error.code: error for error in (TokenExchangeError, TokenExchangeUnavailableError)}


class SharedOutcome(NamedTuple):
    """What became of a request for a token.

    Attributes:
        at: when the endpoint was asked, or when that failed, in Unix time.
        token: what it issued; ``None`` if *error* says why there is none.
        until: when the token is no longer handed out, in Unix time.
        error: why there is none.
    """

    at: float
    token: IssuedToken | None = None
    until: float = 0
    error: TokenExchangeError | None = None

    def __repr__(self) -> str:
        return "<SharedOutcome>"


class SharedTokens:
    """Shares outcomes through the store of the fleet, and lets one process ask at a time for each name.

    Whatever fails, each process goes on by itself.

    Args:
        store: of the fleet.
        secret: ``AUTH0_CACHE_SECRET``, of 32 bytes or more.
        attempt_seconds: how long one request may take.
        clock: tells the time.
    """

    def __init__(self, store: SharedStore, secret: str, *, attempt_seconds: float, clock: Clock) -> None:
        self._store = store
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_FORM).derive(secret.encode("utf-8", "surrogatepass"))
        self._cipher = AESGCM(key)
        self._attempt_seconds = attempt_seconds
        self._clock = clock

    def find(self, name: str) -> SharedOutcome | None:
        """Return what another process has shared under *name*, if there is anything that can be trusted."""
        if self._store.reach() == "process":
            return None
        try:
            text = self._store.read(lambda store: store.value_of(_entry(name)))
        except StoreError:
            return None
        return None if text is None else self._opened(name, text)

    def put(self, name: str, outcome: SharedOutcome) -> None:
        """Share *outcome* for as long as it is of use."""
        seconds = FAILURE_SECONDS if outcome.error is not None else outcome.until - self._clock.time()
        if self._store.reach() == "process" or seconds <= 0:
            return
        text = self._sealed(name, outcome)
        with suppress(StoreError):
            self._store.write(lambda store: store.put(_entry(name), text, seconds))

    def wait_for_turn(self, name: str) -> Iterator[str | None]:
        """Yield ``None`` for each time that the caller should look for an outcome, then what `end_turn` takes.

        The caller looks when it has its turn, too: an outcome may have come just before. The wait takes no longer than
        the attempt of a process that died, and that of one which took over.
        """
        claim = secrets.token_hex(16)
        yield from poll(
            lambda: self._take(name, claim) or None,
            max_wait_seconds=2 * self._attempt_seconds,
            first_seconds=_FIRST_PAUSE_SECONDS,
            max_seconds=_MAX_PAUSE_SECONDS,
            clock=self._clock,
        )
        yield claim

    def end_turn(self, name: str, claim: str) -> None:
        """Let the next process have its turn. If the store is unavailable, this one expires instead."""
        if self._store.reach() != "process":
            with suppress(StoreError):
                self._store.write(lambda store: store.give_back(_turn(name), claim))

    def _take(self, name: str, claim: str) -> bool:
        if self._store.reach() == "process":
            return True
        try:
            return self._store.write(lambda store: store.take(_turn(name), claim, self._attempt_seconds))
        except StoreError:
            return True  # nobody shares anything now

    def _sealed(self, name: str, outcome: SharedOutcome) -> str:
        content = json.dumps({"at": outcome.at, "until": outcome.until, **_content(outcome)}).encode()
        nonce = os.urandom(_NONCE_BYTES)
        # The name is authenticated as well: an entry that is copied to another name is rejected.
        return encode(nonce + self._cipher.encrypt(nonce, content, name.encode()))

    def _opened(self, name: str, text: str) -> SharedOutcome | None:
        try:
            data = decode(text.encode())
            content = json.loads(self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode()))
        except (InvalidTag, ValueError):
            return None
        return _outcome(content)


def _content(outcome: SharedOutcome) -> dict[str, Any]:
    error, token = outcome.error, outcome.token
    if error is not None or token is None:
        error = error or TokenExchangeError()
        return {"error": [error.code, error.reason, error.endpoint_error, error.retry_after_seconds]}
    expires_at = None if token.expires_at is None else token.expires_at.timestamp()
    scopes = sorted(token.scopes)
    return {"token": [token.access_token, token.token_type, expires_at, scopes, token.issued_token_type]}


def _outcome(content: dict[str, Any]) -> SharedOutcome:
    if "error" in content:
        code, reason, endpoint_error, seconds = content["error"]
        error = _ERRORS[code](reason, endpoint_error=endpoint_error, retry_after_seconds=seconds)
        return SharedOutcome(content["at"], error=error)
    text, token_type, expires_at, scopes, issued_token_type = content["token"]
    token = IssuedToken(
        text,
        token_type=token_type,
        expires_at=None if expires_at is None else datetime.fromtimestamp(expires_at, UTC),
        scopes=frozenset(scopes),
        issued_token_type=issued_token_type,
    )
    return SharedOutcome(content["at"], token, content["until"])


def _entry(name: str) -> str:
    return f"issued-{name}"


def _turn(name: str) -> str:
    return f"issuing-{name}"
