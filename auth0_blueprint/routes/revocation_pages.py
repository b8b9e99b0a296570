"""Revocations as the admin routes show them: one, or a page of a list that a cursor continues."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from auth0_blueprint.jose import base64url, strict_json
from auth0_blueprint.revocation.index import KINDS, MAX_VALUE_LENGTH, SOURCES, Revocation
from auth0_blueprint.revocation.service import Revocations

DEFAULT_LIMIT, MAX_LIMIT = 50, 200

#: The place of a revocation in the list: ``changed_at``, ``kind`` and ``value``.
Position = tuple[float, str, str]


class RevocationSchema(Schema):
    """One revocation."""

    kind: fields.String = fields.String(required=True, validate=validate.OneOf(KINDS))
    value: fields.String = fields.String(required=True, metadata={"description": "the claim; for a token, its digest"})
    issued_up_to: fields.Integer = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Unix time: tokens issued later are not affected"}
    )
    expires_at: fields.AwareDateTime = fields.AwareDateTime(
        required=True, metadata={"description": "when the last token it affects has expired"}
    )
    created_at: fields.AwareDateTime = fields.AwareDateTime(
        required=True, metadata={"description": "when it was made, or last changed"}
    )
    reason: fields.String = fields.String(required=True, allow_none=True)
    source: fields.String = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": f"{', '.join(SOURCES)}; null if an earlier release made it"},
    )
    event_id: fields.String = fields.String(
        required=True, allow_none=True, metadata={"description": "`jti` or `id` of the event"}
    )
    actor: fields.String = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the admin's `sub`, the user of the command line, or the issuer that sent the event"},
    )
    reach: fields.String = fields.String(required=True, validate=validate.OneOf(["process", "machine", "fleet"]))
    issuer: fields.String = fields.String(
        metadata={"description": "whose tokens it affects, where a function in AUTH0_DOMAIN decides"}
    )


class PageSize(fields.Integer):
    """A number in ASCII digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch("[0-9]{1,3}", value):
            raise ValidationError("not a number")
        return super()._deserialize(value, attr, data, **kwargs)


class Cursor(fields.String):
    """The end of a page: base64url of the JSON that `cursor_of` writes, and of nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            position = _position(strict_json.loads_object(base64url.decode(text.encode())))
        except ValueError as exc:
            raise ValidationError("not a cursor") from exc
        if position is None or cursor_of(position) != text:
            raise ValidationError("not a cursor")
        return position


class RevocationQuerySchema(Schema):
    """Which revocations to list."""

    kind: fields.String = fields.String(validate=validate.OneOf(KINDS))
    source: fields.String = fields.String(validate=validate.OneOf(SOURCES))
    prefix: fields.String = fields.String(
        validate=validate.Length(max=MAX_VALUE_LENGTH), metadata={"description": "only values that begin with it"}
    )
    cursor: Cursor = Cursor(metadata={"description": "the `next_cursor` of the page before"})
    limit: PageSize = PageSize(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class RevocationPageSchema(Schema):
    """Some revocations, the newest first."""

    revocations: fields.List[Any] = fields.List(fields.Nested(RevocationSchema), required=True)
    next_cursor: fields.String = fields.String(
        required=True, allow_none=True, metadata={"description": "of the next page; null on the last one"}
    )


def page(
    revocations: Revocations, reach: str, *, limit: int, cursor: Position | None = None, **filters: str | None
) -> dict[str, Any]:
    """Return the members of a `RevocationPageSchema`.

    Args:
        revocations: of the app.
        reach: of the app.
        limit: how many at most.
        cursor: where the page before ended.
        **filters: those of `Revocations.newest`.
    """
    found = revocations.newest(limit + 1, before=cursor, **filters)
    shown = found[:limit]
    return {
        "revocations": [members_of(revocation, reach) for revocation in shown],
        "next_cursor": cursor_of((shown[-1].changed_at, *shown[-1][:2])) if len(found) > limit else None,
    }


def members_of(revocation: Revocation, reach: str) -> dict[str, Any]:
    """Return the members of a `RevocationSchema`."""
    source, event_id, actor = revocation.origin or (None, None, None)
    return {
        "kind": revocation.kind,
        "value": revocation.value,
        "issued_up_to": revocation.issued_up_to,
        "expires_at": datetime.fromtimestamp(revocation.expires_at, UTC),
        "created_at": datetime.fromtimestamp(revocation.changed_at, UTC),
        "reason": revocation.reason,
        "source": source,
        "event_id": event_id,
        "actor": actor,
        "reach": reach,
        **({} if revocation.issuer is None else {"issuer": revocation.issuer}),
    }


def cursor_of(position: Position) -> str:
    """Return the cursor that continues after *position*."""
    members = dict(zip(("changed_at", "kind", "value"), position, strict=True))
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return base64url.encode(text.encode("utf-8", "surrogatepass"))


def _position(members: Mapping[str, Any]) -> Position | None:
    changed_at, kind, value = members.get("changed_at", ""), members.get("kind", ""), members.get("value")
    is_time = isinstance(changed_at, (int, float)) and not isinstance(changed_at, bool)
    return (changed_at, kind, value) if is_time and kind in KINDS and isinstance(value, str) else None
