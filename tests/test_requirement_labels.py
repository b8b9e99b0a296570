"""What a guard demands can be said in a few words."""

from __future__ import annotations

import pytest

from auth0_blueprint.guards import requirements
from auth0_blueprint.guards.requirements import ANY_TOKEN, Requirement

TWO = ("read:a", "read:b")


@pytest.mark.parametrize(
    ("requirement", "label"),
    [
        (ANY_TOKEN, "any valid token"),
        (requirements.scope_requirement(TWO), "scope read:a, read:b"),
        (requirements.scope_requirement(TWO, any_of=True), "scope read:a or read:b"),
        (requirements.permission_requirement(TWO), "permission read:a, read:b"),
        (requirements.permission_requirement(TWO, any_of=True), "permission read:a or read:b"),
        (requirements.claim_requirement("https://example.com/tier", ("gold",), None), "claim https://example.com/tier"),
        (requirements.organization_requirement(("org_1", "org_2")), "organization org_1 or org_2"),
        (requirements.acr_requirement(("mfa", "phr"), claim="acr"), "acr value mfa or phr"),
        (requirements.actor_requirement(("agent-1", "agent-2"), None), "actor agent-1 or agent-2"),
        (requirements.authorization_details_requirement("payment", bool, None), "authorization details payment"),
        (requirements.recent_login_requirement(1, claim="auth_time"), "login in the last 1 s"),
    ],
)
def test_a_demand_has_a_label(requirement: Requirement, label: str) -> None:
    """With each value that is demanded by name; those of a claim may be anything, or a secret of the app."""
    assert requirement.label == label
