"""Which files make a room, and which tests watch over it, the fastest first."""

from __future__ import annotations

#: Where it may wait for ever, a test that ends comes first.
KEYSETS = (
    "tests/test_backoff.py",
    "tests/test_leases.py",
    "tests/test_ordered_refresh.py",
    "tests/test_key_source.py",
    "tests/test_shared_key_set.py",
    "tests/test_fleet.py",
)

ROOMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "base64url": (("jose/base64url.py",), ("tests/test_base64url.py",)),
    "strict_json": (("jose/strict_json.py",), ("tests/test_strict_json.py",)),
    "credentials": (
        ("verification/credentials.py",),
        ("tests/test_credentials.py", "tests/attacks/test_header_tricks.py"),
    ),
    "client_certificate": (
        ("settings/certificate_source.py", "sender_constraining/client_certificate.py"),
        ("tests/test_client_certificate.py",),
    ),
    "binding": (
        ("sender_constraining/binding.py",),
        ("tests/test_sender_constrained.py", "tests/test_certificate_bound.py"),
    ),
    "verifier": (
        ("verification/verifier.py", "verification/sequence.py", "jose/jws.py"),
        (
            "tests/test_verifier.py",
            "tests/test_verification_sequence.py",
            "tests/test_token_cache.py",
            "tests/test_several_domains.py",
            "tests/test_organizations.py",
            "tests/attacks/test_algorithm_confusion.py",
            "tests/attacks/test_claim_tricks.py",
        ),
    ),
    "token_cache": (("verification/token_cache.py",), ("tests/test_token_cache.py",)),
    "key_set": (
        ("jose/jwk.py", "keysets/key_set.py"),
        ("tests/test_key_set.py", "tests/test_jwk.py", "tests/attacks/test_key_set_attacks.py"),
    ),
    "dpop": (
        ("sender_constraining/dpop.py", "sender_constraining/replay.py", "sender_constraining/target_uri.py"),
        ("tests/test_replay.py", "tests/test_target_uri.py", "tests/test_dpop_proofs.py"),
    ),
    "decorators": (
        ("guards/requirements.py", "guards/decorators.py", "guards/protect.py"),
        (
            "tests/test_decorators.py",
            "tests/test_requirement_labels.py",
            "tests/test_protect.py",
            "tests/test_misplaced_guards.py",
            "tests/test_signals_and_logs.py",
            "tests/test_step_up.py",
            "tests/test_organizations.py",
        ),
    ),
    "route": (
        ("guards/route_requirements.py",),
        (
            "tests/test_protect.py",
            "tests/test_resource_metadata.py",
            "tests/test_decorators.py",
            "tests/commands/test_routes_command.py",
        ),
    ),
    "key_source": (("keysets/backoff.py", "keysets/snapshot.py", "keysets/source.py"), KEYSETS),
    "fleet": (("keysets/refresh.py", "keysets/fleet.py", "keysets/shared.py"), KEYSETS),
    "single_flight": (("concurrency/single_flight.py",), ("tests/test_single_flight.py",)),
    "fleet_sync": (("sharing/fleet_sync.py",), ("tests/test_fleet_sync.py",)),
    "signed_cache": (("sharing/signed_cache.py", "sharing/entry_signer.py"), ("tests/test_signed_cache.py",)),
    "shared_store": (("sharing/shared_store.py",), ("tests/test_shared_store.py",)),
    "revocation_index": (("revocation/index.py",), ("tests/test_revocation_index.py", "tests/test_shared_set.py")),
    "shared_set": (
        ("revocation/shared_set.py", "revocation/log_layout.py", "revocation/blobs.py"),
        ("tests/test_shared_set.py", "tests/admin/test_revocation_faults.py"),
    ),
}
