"""Functions and schemas of the app's own that decide about values in tokens: a failing one never lets a token in."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from decimal import InvalidOperation
from typing import Any

from marshmallow import Schema, ValidationError

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: What code raises at values that it was not written for. Such a value must not become a 500.
_SURPRISED = (AttributeError, InvalidOperation, LookupError, TypeError, ValueError)


def passes(check: Callable[[Any], object], what: str, value: Any) -> bool:
    """Tell whether *check* accepts *value*, of *what*. One that raises does not."""
    try:
        answer = check(value)
        if inspect.isawaitable(answer):  # it would be true of every value
            raise TypeError("awaitable")
        return bool(answer)
    except ValidationError:
        return False
    except _SURPRISED as exc:
        logger.warning("the check of %s raised %s: token refused", what, type(exc).__name__)
        return False


def fits(detail: Mapping[str, Any], what: str, schema: Schema | None, check: Callable[[Any], object] | None) -> bool:
    """Tell whether *detail*, of *what*, fits *schema* and then, as it was loaded, *check*.

    Its ``type``, which is known, is loaded only if the schema has a field for it.
    """
    value: Any = detail
    if schema is not None:
        members = dict(detail)
        if not any((field.data_key or name) == "type" for name, field in schema.load_fields.items()):
            del members["type"]
        try:
            value = schema.load(members)
        except ValidationError:
            return False
        except _SURPRISED as exc:
            logger.warning("the schema of %s raised %s: token refused", what, type(exc).__name__)
            return False
    return check is None or passes(check, what, value)


def is_same_json(left: Any, right: Any) -> bool:
    """Compare as JSON does: ``True`` is not ``1``, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_same_json(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_same_json, left, right))
    return bool(left == right)
