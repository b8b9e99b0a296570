"""Builds what one app has for sender-constrained tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from werkzeug.wsgi import get_host

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.sender_constraining.binding import PROOF, Binding
from auth0_blueprint.sender_constraining.dpop import ProofChecker
from auth0_blueprint.sender_constraining.replay import ReplayMemory
from auth0_blueprint.sender_constraining.target_uri import base_of_host, target_uri
from auth0_blueprint.settings import Settings
from auth0_blueprint.settings.certificate_source import certificate_source
from auth0_blueprint.sharing.shared_store import SharedStore


def assemble_binding(app: Flask, settings: Settings, store: SharedStore, clock: Clock) -> Binding:
    """Return what checks that a request proves possession of what its token is bound to.

    Args:
        app: the app.
        settings: of the app.
        store: where the fleet remembers which proofs were used.
        clock: tells the time.
    """
    source = None if settings.mtls_cert is None else certificate_source(settings.mtls_cert)
    if settings.dpop == "disabled":
        return Binding(certificate_source=source, is_certificate_required=settings.mtls == "required")
    replay_memory = ReplayMemory(store, is_denying=settings.revocation_on_error == "deny", clock=clock)
    proofs = ProofChecker(replay_memory, clock=clock)
    trusted_hosts = app.config.get("TRUSTED_HOSTS") or []

    def check_proof(environ: Mapping[str, Any], token: str, confirmation: Any) -> None:
        target = target_uri(settings.public_url or _base_url(environ, trusted_hosts), environ)
        proofs.check(
            environ.get(PROOF),
            method=environ["REQUEST_METHOD"],
            target=target,
            access_token=token,
            confirmation=confirmation,
        )

    return Binding(check_proof=check_proof, certificate_source=source, is_proof_required=settings.dpop == "required")


def _base_url(environ: Mapping[str, Any], trusted_hosts: list[str]) -> str:
    """Return scheme and authority, which Flask has checked against the trusted hosts.

    Raises:
        SecurityError: they are not trusted; Flask answers 400 before it gets here.
    """
    return base_of_host(environ["wsgi.url_scheme"], get_host(dict(environ), trusted_hosts), trusted_hosts)
