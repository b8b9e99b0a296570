"""A strict JSON parser for tokens and key sets: it accepts only what every parser reads the same way.

Python's own parser accepts duplicate names, ``NaN``, lone surrogates and any depth. Forged tokens exploit parsers
that disagree, so anything ambiguous is refused here (RFC 8259 §4, RFC 7493).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 32

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


class StrictJSONError(ValueError):
    """The text is not JSON, or is ambiguous JSON."""


class NonFiniteNumberError(StrictJSONError):
    """A number is too large for a double, such as ``1e400``."""


def loads_object(data: bytes) -> dict[str, Any]:
    """Read one JSON object from UTF-8 *data*.

    Raises:
        StrictJSONError: it is anything else: another encoding, another top-level value, a member named twice at any
            level, nesting beyond ``MAX_DEPTH``, ``NaN``, an infinity, or a lone surrogate.
    """
    try:
        text = data.decode("utf-8").strip(" \t\n\r")  # RFC 8259 §2
        value, end = _DECODER.raw_decode(text)  # decode() takes twice as long, looking for white space
    except StrictJSONError:
        raise
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise StrictJSONError("not JSON") from exc
    if end < len(text):
        raise StrictJSONError("more than one JSON text")
    if not isinstance(value, dict):
        raise StrictJSONError("not a JSON object")
    # Text with few brackets cannot be deep, and text without escapes cannot hold a lone surrogate. The check below is
    # for the rare rest.
    if "\\" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _refuse_depth_and_surrogates(value)
    return value


def loads_records(data: bytes) -> list[Any]:
    """Read JSON texts from UTF-8 *data*: one, an array of them, or one after another (JSON lines).

    For records of what other people did: they hold text that users chose, and that some program cut in the middle of a
    character. So lone surrogates are left in, and depth is limited by the parser alone: a user must not be able to keep
    the record that tells of them from being read.

    Raises:
        StrictJSONError: it is anything else; or a member is named twice, or a number is not finite.
    """
    try:
        text = data.decode("utf-8").strip(" \t\n\r")
        values: list[Any] = []
        end = 0
        while not values or end < len(text):
            value, end = _DECODER.raw_decode(text, end)
            values.append(value)
            end = _WHITE_SPACE.match(text, end).end()  # type: ignore[union-attr]
    except StrictJSONError:
        raise
    except (ValueError, RecursionError) as exc:
        raise StrictJSONError("not JSON") from exc
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise StrictJSONError("a member is named twice")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise StrictJSONError("NaN and infinities are not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NonFiniteNumberError("a number is out of range")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_refuse_constant, parse_float=_finite_float
)


def _refuse_depth_and_surrogates(value: Any) -> None:
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for node in level:
            if isinstance(node, str):
                _refuse_surrogates(node)
            elif isinstance(node, dict):
                below.extend(node)
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        depth += any(isinstance(node, (dict, list)) for node in level)
        if depth > MAX_DEPTH:
            raise StrictJSONError("nested too deeply")
        level = below


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise StrictJSONError("a lone surrogate") from exc
