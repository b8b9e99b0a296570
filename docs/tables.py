"""The tables of the reference pages, from what they describe: ``python docs/tables.py`` writes them anew.

A test fails when a page and the code differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auth0_blueprint import errors
from auth0_blueprint.settings.schema import SettingsSchema

HERE = Path(__file__).parent
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def configuration_table() -> str:
    """Return the settings, a row each."""
    rows = ["| setting | default | limits | meaning |", "|---|---|---|---|"]
    for key, field in SettingsSchema().fields.items():
        meta = field.metadata
        rows.append(f"| `{key}` | {_default(field)} | {_limits(meta)} | {meta['description']} |")
    return "\n".join(rows)


def errors_table() -> str:
    """Return the errors, a row for each description that a client may read."""
    rows = ["| `code` | status | `error` | class | `error_description` |", "|---|---|---|---|---|"]
    for error in _concrete(errors.Auth0Error):
        shown = "(bare)" if error.error is None else f"`{error.error}`"
        rows.extend(
            f"| `{error.code}` | {error.status} | {shown} | `{error.__name__}` | {description} |"
            for description in error.descriptions.values()
        )
    return "\n".join(rows)


TABLES = {"configuration.md": configuration_table, "errors.md": errors_table}


def with_table(page: str, table: str) -> str:
    """Return *page* with *table* between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _default(field: Any) -> str:
    if field.required:
        return "required"
    if "default" in field.metadata:
        return str(field.metadata["default"])
    value = field.load_default
    if value in (None, ()):
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def _limits(meta: dict[str, Any]) -> str:
    if "limits" in meta:
        return f"{meta['limits'][0]:g} to {meta['limits'][1]:.0f} {meta['unit']}"
    return ", ".join(f"`{choice}`" for choice in meta.get("choices", ())) or "-"


def _concrete(error: type[errors.Auth0Error]) -> Iterator[type[errors.Auth0Error]]:
    if "descriptions" in vars(error):
        yield error
    for subclass in error.__subclasses__():
        yield from _concrete(subclass)


if __name__ == "__main__":
    for name, table in TABLES.items():
        path = HERE / name
        path.write_text(with_table(path.read_text(encoding="utf-8"), table()), encoding="utf-8")
