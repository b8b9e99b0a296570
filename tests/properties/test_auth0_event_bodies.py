"""Any body for Auth0's events: only documented answers, and no effect but those of good events."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

from conftest import bearer
from flask.testing import FlaskClient
from hypothesis import event, given
from hypothesis import strategies as st
from refusals import seen

from auth0_blueprint.errors import EventRefusedError
from auth0_blueprint.revocation.events.cloud_event import EFFECTS
from auth0_blueprint.revocation.events.log_record import REVOKING_TYPES
from properties.issuing import NOW, SECRET
from properties.strategies import ANY_JSON

numbers = itertools.count()
REFUSALS = {
    reason: EventRefusedError(reason).description for reason in ("fields", "id", "time", "too_large", "not_json")
}


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: good if number else ANY_JSON)


def _members(**good: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with those members, mostly; one may be left out."""
    whole = st.fixed_dictionaries({name: _mostly(value) for name, value in good.items()})
    left_out = st.sampled_from([*good, *[None] * 20])
    return st.builds(lambda made, name: {key: made[key] for key in made if key != name}, whole, left_out)


_AGES = st.sampled_from([0, 0, 60, 3600, 7 * 86_400 - 1, 7 * 86_400 + 1, -300, -301, NOW])
_ODD_TIMES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-23:59", "2027-01-15t08:00:60z"]
_TIMES = _AGES.map(lambda age: datetime.fromtimestamp(NOW - age, UTC).isoformat())
_STAMPS = _TIMES | _TIMES | _TIMES | st.sampled_from(_ODD_TIMES)
_IDS = st.integers(0, 10**9).map("evt_{}".format)
_USERS = st.sampled_from(["auth0|ada", "auth0|ada", "auth0|bob", "é", "", "\ud800"])
_CONTENTS = _members(user_id=_USERS, id=_USERS, user=_members(user_id=_USERS), blocked=st.booleans())
_EVENTS = _members(
    specversion=st.just("1.0"),
    id=_IDS,
    source=st.just("urn:auth0:acme"),
    type=st.sampled_from([*EFFECTS, "user.created"]),
    time=_STAMPS,
    data=_members(object=_CONTENTS),
    a0tenant=st.just("acme"),
    a0purpose=st.sampled_from(["test", "live", "live", "live"]),
)
_TYPES = st.sampled_from([*sorted(REVOKING_TYPES), "s"])
_DATA = _members(log_id=_IDS, type=_TYPES, date=_STAMPS, user_id=_USERS, tenant_name=st.just("acme"))
_RECORDS = _DATA | _members(log_id=_IDS, data=_DATA)
_ITEMS = _EVENTS | _EVENTS | _RECORDS | _RECORDS | ANY_JSON
_VALUES = _ITEMS | st.lists(_ITEMS, max_size=4) | st.fixed_dictionaries({"logs": st.lists(_ITEMS, max_size=3)})
_BODIES = (
    _VALUES.map(lambda value: json.dumps(value).encode())
    | st.lists(_ITEMS.map(json.dumps), max_size=4).map(lambda lines: "\n".join(lines).encode())
    | st.binary(max_size=40)
)


@given(_BODIES, st.sampled_from([None, "application/json", "multipart/form-data", "\xe9"]))
def test_any_body_gets_an_answer_of_the_page(hearing: FlaskClient, body: bytes, media_type: str | None) -> None:
    response = hearing.post("/auth/events/auth0", data=body, content_type=media_type, headers=bearer(SECRET))
    event(str(response.status_code))
    if response.status_code == 204:
        assert response.data == b""
        return
    answer = seen(response)
    assert (answer.status, answer.body["code"], answer.challenges) == (400, "invalid_request", ())
    assert answer.body["error_description"] in REFUSALS.values()


@given(_ITEMS)
def test_only_a_good_event_has_an_effect_and_no_other_than_its_own(hearing: FlaskClient, item: Any) -> None:
    """Said once more, by members: the type has an effect, the time is not out of bounds, somebody is named."""
    revocations = hearing.application.extensions["auth0"].revocations
    for found in revocations.newest(100):
        revocations.lift(found.kind, found.value)
    for name in ("id", "log_id"):
        if str(item.get(name) if isinstance(item, dict) else "").startswith("evt_"):
            item[name] += f"-{next(numbers)}"  # no repetition of an earlier example
    hearing.post("/auth/events/auth0", json=item, headers=bearer(SECRET))
    effects = {(found.kind, found.value) for found in revocations.newest(100)}
    event(f"{len(effects)} effects")
    assert len(effects) <= 1
    for kind, value in effects:
        record = item["data"] if isinstance(item.get("data"), dict) else item
        named = item["type"] if "specversion" in item else record["type"]
        assert named in EFFECTS.keys() | REVOKING_TYPES
        assert json.dumps(value) in json.dumps(item)
        assert (kind == "organization") == (named == "organization.deleted")
        assert (item.get("a0purpose"), item.get("specversion")) != ("test", "1.0")
