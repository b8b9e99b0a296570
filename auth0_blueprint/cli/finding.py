"""The result of one check, as a line of a report."""

from __future__ import annotations

from typing import NamedTuple

OK, WARN, FAIL = "ok", "warn", "fail"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        check: the short name of the check.
        status: ``ok``, ``warn`` or ``fail``.
        text: what was found.
        remedy: what to do about it; empty if nothing.
        issuer: the issuer that it concerns, if any.
    """

    check: str
    status: str
    text: str
    remedy: str = ""
    issuer: str | None = None


def worst(findings: list[Finding]) -> str:
    """Return the worst status of *findings*."""
    return max((found.status for found in findings), key=(OK, WARN, FAIL).index, default=OK)
