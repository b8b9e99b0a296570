"""Which modules are tested together, and by which tests, the fastest first."""

from __future__ import annotations

#: Where it may wait for ever, a test that ends comes first.
KEYSETS = "test_backoff test_leases test_ordered_refresh test_key_source test_shared_key_set test_fleet"

_ROOMS = {
    "base64url": ("jose/base64url", "test_base64url"),
    "strict_json": ("jose/strict_json", "test_strict_json"),
    "credentials": ("verification/credentials", "test_credentials attacks/test_header_tricks"),
    "client_certificate": (
        "settings/certificate_source sender_constraining/client_certificate",
        "test_client_certificate",
    ),
    "binding": ("sender_constraining/binding", "test_sender_constrained test_certificate_bound"),
    "verifier": (
        "verification/verifier verification/claims verification/sequence jose/jws",
        (
            "test_verifier test_verification_sequence test_token_cache test_several_domains test_organizations "
            "attacks/test_algorithm_confusion attacks/test_claim_tricks"
        ),
    ),
    "token_cache": ("verification/token_cache", "test_token_cache"),
    "key_set": ("jose/jwk keysets/key_set", "test_key_set test_jwk attacks/test_key_set_attacks"),
    "dpop": (
        "sender_constraining/dpop sender_constraining/replay sender_constraining/target_uri",
        "test_replay test_target_uri test_dpop_proofs",
    ),
    "decorators": (
        "guards/requirements guards/decorators guards/protect",
        (
            "test_decorators test_requirement_labels test_protect test_misplaced_guards test_signals_and_logs "
            "test_step_up test_organizations"
        ),
    ),
    "route": (
        "guards/route_requirements",
        "test_protect test_resource_metadata test_decorators commands/test_routes_command",
    ),
    "key_source": ("keysets/backoff keysets/snapshot keysets/source", KEYSETS),
    "fleet": ("keysets/refresh keysets/lease keysets/shared_copy concurrency/polling", KEYSETS),
    "single_flight": ("concurrency/single_flight", "test_single_flight"),
    "fleet_sync": ("sharing/fleet_sync", "test_fleet_sync"),
    "signed_cache": ("sharing/signed_cache sharing/entry_signer", "test_signed_cache"),
    "shared_store": ("sharing/shared_store", "test_shared_store"),
    "revocation_index": ("revocation/index", "test_revocation_index test_revocation_origins test_shared_set"),
    "shared_set": (
        "revocation/shared_set revocation/log_position revocation/log_layout revocation/tidying revocation/blobs",
        "test_shared_set admin/test_revocation_faults",
    ),
    "event_subjects": (
        "revocation/events/subjects revocation/events/security_event",
        "events/test_subjects events/test_security_events",
    ),
    "own_tokens": (
        (
            "token_requests/service token_requests/token_request token_requests/endpoint token_requests/kept_tokens "
            "token_requests/flights token_requests/client_authentication guards/own_calls settings/own_client"
        ),
        "test_own_tokens",
    ),
    "shared_tokens": ("token_requests/shared_tokens", "fleet/test_own_tokens_in_a_fleet"),
    "event_receiver": ("revocation/events/receiver", "events/test_receiver"),
    "auth0_events": (
        (
            "revocation/events/cloud_event revocation/events/log_record revocation/events/members "
            "revocation/events/timestamps"
        ),
        "events/test_auth0_events",
    ),
    "event_tokens": (
        "revocation/events/event_token revocation/events/logout revocation/events/global_revocation",
        (
            "events/test_event_readers events/test_backchannel_logout events/test_global_revocation "
            "events/test_event_tokens"
        ),
    ),
}

ROOMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    room: (tuple(f"{file}.py" for file in files.split()), tuple(f"tests/{test}.py" for test in tests.split()))
    for room, (files, tests) in _ROOMS.items()
}
