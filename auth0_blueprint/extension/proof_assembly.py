"""Builds what checks the DPoP proofs of one app; imported where ``AUTH0_DPOP`` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wsgi import get_host

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.sender_constraining.binding import PROOF
from auth0_blueprint.sender_constraining.dpop import ProofChecker
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import base_of_host, target_uri
from auth0_blueprint.settings import Settings
from auth0_blueprint.sharing.shared_store import SharedStore


def assemble_proof_check(
    settings: Settings, store: SharedStore, trusted_hosts: list[str], clock: Clock
) -> Callable[[Mapping[str, Any], str, Any], None]:
    """Return what checks the proof of a request, as `Binding` takes it.

    Args:
        settings: of the app.
        store: where the fleet remembers the proofs that were used.
        trusted_hosts: Flask's setting.
        clock: tells the time.
    """
    replay_memory = ReplayMemory(store, is_denying=settings.revocation_on_error == "deny", clock=clock)
    proofs = ProofChecker(replay_memory, clock=clock)

    def check_proof(environ: Mapping[str, Any], token: str, confirmation: Any) -> None:
        target = target_uri(settings.public_url or _base_url(environ, trusted_hosts), environ)
        proofs.check(
            environ.get(PROOF),
            method=environ["REQUEST_METHOD"],
            target=target,
            access_token=token,
            confirmation=confirmation,
        )

    return check_proof


def _base_url(environ: Mapping[str, Any], trusted_hosts: list[str]) -> str:
    """Return scheme and authority, which Flask has checked against the trusted hosts.

    Raises:
        SecurityError: they are not trusted; Flask answers 400 before it gets here.
    """
    return base_of_host(environ["wsgi.url_scheme"], get_host(dict(environ), trusted_hosts), trusted_hosts)
