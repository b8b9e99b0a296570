"""What a guard demands can be said in a few words."""

from __future__ import annotations

import pytest

from auth0_blueprint.guards.requirements import (
    ANY_TOKEN,
    Requirement,
    acr_requirement,
    claim_requirement,
    organization_requirement,
    permission_requirement,
    recent_login_requirement,
    scope_requirement,
)

TWO = ("read:a", "read:b")


@pytest.mark.parametrize(
    ("requirement", "label"),
    [
        (ANY_TOKEN, "any valid token"),
        (scope_requirement(TWO), "scope read:a, read:b"),
        (scope_requirement(TWO, any_of=True), "scope read:a or read:b"),
        (permission_requirement(TWO), "permission read:a, read:b"),
        (permission_requirement(TWO, any_of=True), "permission read:a or read:b"),
        (claim_requirement("https://example.com/tier", ("gold",), None), "claim https://example.com/tier"),
        (organization_requirement(("org_1", "org_2")), "organization org_1 or org_2"),
        (acr_requirement(("mfa", "phr"), claim="acr"), "acr value mfa or phr"),
        (recent_login_requirement(1, claim="auth_time"), "login in the last 1 s"),
    ],
)
def test_a_demand_has_a_label(requirement: Requirement, label: str) -> None:
    """With each value that is demanded by name; those of a claim may be anything, or a secret of the app."""
    assert requirement.label == label
