"""What the schema of the settings is made of: fields of the basic types, and a schema, with marshmallow's names.

They take and refuse what marshmallow's take and refuse. Importing marshmallow costs a tenth of a cold start, and every
app reads its settings: the routes use it, and import it when they are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")
N = TypeVar("N", int, float)

_MISSING: Any = object()
_TRUE = frozenset({"t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1", 1})
_FALSE = frozenset({"f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0", 0})


class ValidationError(Exception):
    """A value, or several, that a field or a schema refuses.

    Attributes:
        messages: what is wrong; by field if a schema refuses.
    """

    def __init__(self, problems: str | list[str] | Mapping[str, list[str]]) -> None:
        super().__init__(problems)
        self.messages: list[str] | Mapping[str, list[str]] = [problems] if isinstance(problems, str) else problems

    @property
    def messages_dict(self) -> dict[str, list[str]]:
        """The problems by field, which only a schema names."""
        return dict(self.messages) if isinstance(self.messages, Mapping) else {"_schema": self.messages}


class Field(Generic[T]):
    """One setting, of any type.

    Args:
        load_default: its value where it is not set. ``None`` allows ``None`` as a value, too.
        required: whether it must be set.
        validate: raises ValidationError for a value that is of the type and wrong all the same.
        error_messages: texts in place of the general ones.
        metadata: what the documentation says of it.
    """

    default_error_messages: dict[str, Any] = {  # noqa: RUF012 - as marshmallow has it
        "required": "Missing data for required field.",
        "null": "Field may not be null.",
    }

    def __init__(
        self,
        *,
        load_default: Any = _MISSING,
        required: bool = False,
        validate: Callable[[Any], None] | None = None,
        error_messages: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.load_default = load_default
        self.required = required
        self.metadata: Mapping[str, Any] = metadata or {}
        self._validate = validate
        self._messages: dict[str, str] = {}
        for base in reversed(type(self).__mro__):
            self._messages.update(vars(base).get("default_error_messages", {}))
        self._messages.update(error_messages or {})

    @property
    def is_left_out(self) -> bool:
        """Whether a schema loads nothing where this is not set."""
        return self.load_default is _MISSING

    def error(self, kind: str) -> ValidationError:
        """Return the error of that *kind*, one of its messages."""
        return ValidationError(self._messages[kind])

    def deserialize(self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None) -> Any:
        """Return what *value* means.

        Raises:
            ValidationError: it means nothing here.
        """
        if value is None:
            if self.load_default is None:
                return None
            raise self.error("null")
        found = self._deserialize(value, attr, data)
        if self._validate is not None:
            self._validate(found)
        return found

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> T:  # noqa: ARG002
        found: T = value
        return found


class String(Field[str]):
    """Text, or bytes of UTF-8."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012
        "invalid": "Not a valid string.",
        "invalid_utf8": "Not a valid utf-8 string.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:  # noqa: ARG002
        if not isinstance(value, (str, bytes)):
            raise self.error("invalid")
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as exc:
            raise self.error("invalid_utf8") from exc


class Boolean(Field[bool]):
    """True or false, or one of the usual words for them."""

    default_error_messages: dict[str, Any] = {"invalid": "Not a valid boolean."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> bool:  # noqa: ARG002
        try:
            if value in _TRUE or value in _FALSE:
                return value in _TRUE
        except TypeError as exc:  # it cannot be hashed
            raise self.error("invalid") from exc
        raise self.error("invalid")


class Number(Field[N]):
    """A number, or the text of one."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012
        "invalid": "Not a valid number.",
        "too_large": "Number too large.",
    }
    _type: type[N]

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> N:  # noqa: ARG002
        if isinstance(value, bool):
            raise self.error("invalid")
        try:
            return self._type(value)
        except (TypeError, ValueError) as exc:
            raise self.error("invalid") from exc
        except OverflowError as exc:
            raise self.error("too_large") from exc


class Integer(Number[int]):
    """A whole number; others are cut off."""

    default_error_messages: dict[str, Any] = {"invalid": "Not a valid integer."}  # noqa: RUF012
    _type = int


class Float(Number[float]):
    """A finite number."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012
        "special": "Special numeric values (nan or infinity) are not permitted."
    }
    _type = float

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        number = super()._deserialize(value, attr, data, **kwargs)
        if not math.isfinite(number):
            raise self.error("special")
        return number


class Schema:
    """Several fields: the attributes of a subclass, after those of its bases.

    Attributes:
        fields: all of them, by name.
        takes_unknown: whether names without a field are ignored instead of refused.
    """

    fields: ClassVar[dict[str, Field[Any]]] = {}
    takes_unknown: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Collect the fields."""
        super().__init_subclass__()
        cls.fields = {**cls.fields, **{name: found for name, found in vars(cls).items() if isinstance(found, Field)}}

    def load(self, data: Mapping[str, Any]) -> Any:
        """Return what *data* means: see `made`.

        Raises:
            ValidationError: some of it is wrong, missing or unknown. It names every problem.
        """
        loaded: dict[str, Any] = {}
        problems: dict[str, list[str]] = {}
        for name, field in self.fields.items():
            try:
                if name in data:
                    loaded[name] = field.deserialize(data[name], name, data)
                elif field.required:
                    raise field.error("required")
                elif not field.is_left_out:
                    loaded[name] = field.load_default
            except ValidationError as exc:
                problems[name] = list(exc.messages)
        if not self.takes_unknown:
            problems.update({name: ["Unknown field."] for name in data if name not in self.fields})
        for name, found in self.problems_between(loaded, data).items():
            problems.setdefault(name, []).append(found)
        if problems:
            raise ValidationError(problems)
        return self.made(loaded)

    def problems_between(self, data: dict[str, Any], original: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG002
        """Return what is wrong between fields, one problem by field.

        Args:
            data: what was loaded: the fields that are right by themselves.
            original: what it was loaded from.
        """
        return {}

    def made(self, data: dict[str, Any]) -> Any:
        """Return what *data*, all of it right, is made into."""
        return data
