"""`Guard`: what ``requires_scope("a")`` and the like return. It decorates views, and refuses to be taken for an answer.

In other packages ``if requires_scope("a"):`` asks a question inside a view. A decorator is always true, so here the
same line would let every token in.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Container, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

from flask import has_request_context

logger: logging.Logger = logging.getLogger("auth0_blueprint")

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Decorates views, and keeps their signatures. As a truth value it raises ``TypeError``.

    Args:
        name: the function that returns it, such as ``requires_scope``.
        question: what to do inside a view instead, as an imperative.
        decorate: puts the guard around a view.
    """

    __slots__ = ("__weakref__", "_decorate", "_is_unused", "_name", "_question")

    def __init__(self, name: str, question: str, decorate: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        # While an app is put together, a guard may well be left unused. During a request somebody relies on it.
        self._is_unused: bool = has_request_context()
        self._name: str = name
        self._question: str = question
        self._decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = decorate

    def __call__(self, view: Callable[P, R], /) -> Callable[P, R]:
        """Return *view* behind this guard.

        Raises:
            TypeError: *view* is not a view function.
        """
        self._is_unused = False
        guarded: Callable[P, R] = self._decorate(view)
        return guarded

    def __bool__(self) -> NoReturn:
        self._is_unused = False
        raise TypeError(
            f"{self._name}() returns a decorator, not an answer: as a truth value it would let every caller in. To "
            f"solve this, put @{self._name} below the view's route decorator; inside a view, {self._question}."
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bool):
            self.__bool__()
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<decorator {self._name}()>"

    def __del__(self) -> None:
        if self._is_unused:
            logger.error(
                "%s() was called during a request and checked nothing: it returns a decorator, and none was applied. "
                "Put @%s below the view's route decorator; inside a view, %s.",
                *(self._name, self._name, self._question),
            )


def refuse_keywords(name: str, unknown: Mapping[str, object]) -> None:
    """Refuse the keywords *unknown* of the function *name*, which takes its values without.

    Raises:
        TypeError: there is one. Names the remedy.
    """
    for keyword, value in unknown.items():
        remedy = "" if isinstance(value, bool) else " To solve this, pass each value as a string without a keyword"
        example = f": {'@' * name.startswith('requires_')}{name}({value!r})" if isinstance(value, str) else ""
        raise TypeError(f"{name}() takes no keyword {keyword!r}.{remedy}{example}{'.' * bool(remedy)}")


def explain_missing_argument(
    error: TypeError, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Say what to do if the call of *view* failed because of a parameter that its route does not fill.

    What the view itself raised is left alone: a decorator may fill the parameter, and copy the view's signature.

    Other packages pass the claims to the view, often as ``payload``.

    Raises:
        TypeError: that is the reason.
    """
    has_begun = error.__traceback__ is not None and error.__traceback__.tb_next is not None
    missing = [] if has_begun else missing_parameters(view, len(args), kwargs)
    if missing:
        raise TypeError(
            f"The view {getattr(view, '__name__', view)!r} has the parameter {missing[0]!r}, which its route does "
            "not fill, and guards pass no claims to views. To solve this, read current_token instead of the "
            "parameter, or name it in the route."
        ) from error


def missing_parameters(view: Callable[..., Any], count: int, names: Container[str]) -> list[str]:
    """Return the parameters of *view* that a call with *count* arguments, and those named *names*, leaves out."""
    try:
        # A decorator of others around the view passes what it likes: only what is called here counts.
        parameters = inspect.signature(view, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):  # not every callable has one
        return []
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    by_name = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    required = [one for one in (*positional[count:], *by_name) if one.default is one.empty]
    return [one.name for one in required if one.name not in names]
