"""A certified OpenID provider tells the app by back-channel logout that a user has logged out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest
from fleet.redis_server import empty_redis
from processes import eventually

from .conftest import MakeKey
from .servers import App, Browser, Provider, assert_refused, running_app

WORKERS = 4
INTERVAL_SECONDS = 1.0
PATH = "/api/private"


class Scene:
    """The provider, the app with four workers on one Redis, and the client that both know."""

    def __init__(self, provider: Provider, app: App, web: dict[str, Any]) -> None:
        self.provider, self.app, self.web = provider, app, web

    def passes(self, token: str) -> bool:
        return all(answer.ok for answer in self.app.get_from_every_worker(PATH, token))

    def is_refused(self, token: str) -> bool:
        return all(answer.status_code == 401 for answer in self.app.get_from_every_worker(PATH, token))


@pytest.fixture(params=[False, True], ids=["user", "session"])
def scene(
    request: pytest.FixtureRequest, rotating_provider: Provider, make_key: MakeKey, tmp_path: Path
) -> Iterator[Scene]:
    provider, key = rotating_provider, make_key("RS256")
    web = {
        "client_id": "web-app",
        "client_secret": secrets.token_urlsafe(32),
        "redirect_uris": ["https://web.example/callback"],
        "backchannel_logout_session_required": request.param,
    }
    settings = {
        "AUTH0_LOGOUT_CLIENT_IDS": "web-app",
        "AUTH0_CACHE_SECRET": secrets.token_urlsafe(32),
        "AUTH0_SYNC_INTERVAL": str(INTERVAL_SECONDS),
        **({"AUTH0_SESSION_CLAIM": "sid"} if request.param else {}),
    }
    provider.start(key)
    (tmp_path / "app").mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(empty_redis(tmp_path))
        app = stack.enter_context(running_app(tmp_path / "app", provider, redis.settings, WORKERS, **settings))
        provider.start(key, web={**web, "backchannel_logout_uri": f"{app.url}/auth/events/logout"})
        yield Scene(provider, app, web)


def test_who_logs_out_is_refused_by_every_worker_and_passes_after_a_new_login(scene: Scene) -> None:
    """Within the sync interval, and nobody else; in another session too, unless tokens say of which they are."""
    by_session = scene.web["backchannel_logout_session_required"]
    with ExitStack() as stack:
        ada, at_work, grace = (stack.enter_context(Browser(scene.provider, scene.web)) for _ in range(3))
        old, elsewhere, other = ada.log_in("auth0|ada"), at_work.log_in("auth0|ada"), grace.log_in("auth0|grace")
        claims = jwt.decode(old, options={"verify_signature": False})
        assert (claims["sub"], "sid" in claims) == ("auth0|ada", by_session)
        assert all(map(scene.passes, (old, elsewhere, other)))
        ada.log_out()
        scene.app.pass_over_line()  # for the request of the provider
        eventually(lambda: scene.is_refused(old), INTERVAL_SECONDS + 1)
        for refusal in scene.app.get_from_every_worker(PATH, old):
            assert_refused(refusal, 401, "token_revoked", "invalid_token", 'Bearer realm="api", %s')
        assert scene.passes(other)
        assert scene.passes(elsewhere) == by_session
        # A token of the same second is refused as well.
        eventually(lambda: scene.passes(ada.log_in("auth0|ada")))
        assert scene.is_refused(old)
