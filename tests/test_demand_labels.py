"""What a guard demands can be said in a few words."""

from __future__ import annotations

import pytest

from auth0_blueprint.demands import (
    ANY_TOKEN,
    Demand,
    acr_demand,
    claim_demand,
    organization_demand,
    permission_demand,
    recent_login_demand,
    scope_demand,
)

TWO = ("read:a", "read:b")


@pytest.mark.parametrize(
    ("demand", "label"),
    [
        (ANY_TOKEN, "any valid token"),
        (scope_demand(TWO), "scope read:a, read:b"),
        (scope_demand(TWO, any_of=True), "scope read:a or read:b"),
        (permission_demand(TWO), "permission read:a, read:b"),
        (permission_demand(TWO, any_of=True), "permission read:a or read:b"),
        (claim_demand("https://example.com/tier", ("gold",), None), "claim https://example.com/tier"),
        (organization_demand(("org_1", "org_2")), "organization org_1 or org_2"),
        (acr_demand(("mfa", "phr"), claim="acr"), "acr value mfa or phr"),
        (recent_login_demand(1, claim="auth_time"), "login in the last 1 s"),
    ],
)
def test_a_demand_has_a_label(demand: Demand, label: str) -> None:
    """With each value that is demanded by name; those of a claim may be anything, or a secret of the app."""
    assert demand.label == label
