"""Rules whose functions for ``url_for`` are compiled at their first use: most of what adding a rule costs.

Werkzeug compiles two functions for every rule when it is added to a map. Few apps ever build a URL of this package's
routes, and registration adds each of them twice (see `blueprint`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

_KNOWN_PARAMETERS = ("self", "append_unknown")


@contextmanager
def lazy_url_builders(app: Flask) -> Iterator[None]:
    """Let the rules added to *app* within this context compile them late; they are of the app's own class otherwise."""
    own = app.url_rule_class
    is_set_on_app = "url_rule_class" in vars(app)
    app.url_rule_class = _lazy(own)
    try:
        yield
    finally:
        if is_set_on_app:
            app.url_rule_class = own
        else:
            del app.url_rule_class


@functools.cache
def _lazy(base: type[Rule]) -> type[Rule]:
    # Internal to Werkzeug, as there is no other way. Where it is another or gone, rules are compiled early again.
    code = getattr(getattr(base, "_compile_builder", None), "__code__", None)
    if code is None or code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] != _KNOWN_PARAMETERS:
        return base

    class LazyRule(base):  # type: ignore[valid-type, misc]
        def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:
            made: list[Callable[..., Any]] = []  # lighter than functools.cache, of which there would be two a rule

            def build(rule: Rule, **values: Any) -> Any:
                if not made:
                    made.append(super(LazyRule, self)._compile_builder(append_unknown))
                return made[0](rule, **values)

            return build

    return LazyRule
