"""The types of security events that have short names, by the family that defines them."""

from __future__ import annotations

FAMILIES: dict[str, tuple[str, ...]] = {
    # CAEP 1.0 §3
    "caep": (
        "session-revoked",
        "token-claims-change",
        "credential-change",
        "assurance-level-change",
        "device-compliance-change",
        "session-established",
        "session-presented",
        "risk-level-change",
    ),
    # RISC 1.0 §2
    "risc": (
        "account-credential-change-required",
        "account-purged",
        "account-disabled",
        "account-enabled",
        "identifier-changed",
        "identifier-recycled",
        "credential-compromise",
        "opt-in",
        "opt-out-initiated",
        "opt-out-cancelled",
        "opt-out-effective",
        "recovery-activated",
        "recovery-information-changed",
        "sessions-revoked",
    ),
    # SSF 1.0 §8.1.4 and §8.1.5
    "ssf": ("verification", "stream-updated"),
}
#: The whole URI of each type, by its short name.
URIS: dict[str, str] = {
    name: f"https://schemas.openid.net/secevent/{family}/event-type/{name}"
    for family, names in FAMILIES.items()
    for name in names
}
