"""Builds what one app has for sender-constrained tokens."""

from __future__ import annotations

from flask import Flask

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.sender_constraining.binding import Binding
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
    from auth0_blueprint.extension.proof_assembly import assemble_proof_check  # few apps take proofs

    check_proof = assemble_proof_check(settings, store, app.config.get("TRUSTED_HOSTS") or [], clock)
    return Binding(check_proof=check_proof, certificate_source=source, is_proof_required=settings.dpop == "required")
