"""A guard asked inside a view, as other packages have it, opens no route: it raises, or is found."""

from __future__ import annotations

import enum
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import bearer
from flask import Flask, request
from flask.views import MethodView

import auth0_blueprint
from auth0_blueprint import (
    current_token,
    has_permission,
    has_scope,
    requires_auth,
    requires_claim,
    requires_organization,
    requires_permission,
    requires_recent_login,
    requires_scope,
)
from auth0_blueprint import requires_scope as needs
from auth0_blueprint.guards.misused_guards import _functions_in, misused_guards, misused_guards_of
from auth0_blueprint.testing import LocalIssuer

GUARDS: list[tuple[Callable[[], Any], str]] = [
    (lambda: requires_scope("a"), r"requires_scope\(\) returns a decorator.* ask has_scope\(\)\."),
    (lambda: requires_permission("a"), r"@requires_permission .* ask has_permission\(\)\."),
    (lambda: requires_claim("tier", 1), r"read current_token\.get\('tier'\)\."),
    (lambda: requires_organization("org_1"), r"compare current_token\.organization_id\."),
    (lambda: auth0_blueprint.requires_acr("mfa"), r"read current_token\.get\('acr'\)\."),
    (lambda: requires_recent_login(300), r"read current_token\.get\('auth_time'\)\."),
    (lambda: requires_auth(), r"ask `if current_token:`"),
    (lambda: requires_auth(optional=True), r"ask `if current_token:`"),
]
WAYS: list[Callable[[Any], object]] = [
    *(bool, lambda guard: not guard, lambda guard: guard and "secret", lambda guard: guard or "secret"),
    *(lambda guard: "secret" if guard else "", lambda guard: list(filter(None, [guard])), lambda guard: any([guard])),
    *(lambda guard: [1 for _ in "a" if guard], lambda guard: guard == True, lambda guard: guard != False),  # noqa: E712
    *(lambda guard: True == guard, lambda guard: guard in (True, False), lambda guard: max(guard, True)),  # noqa: E712, SIM300
]


@pytest.mark.parametrize(("make", "remedy"), GUARDS)
def test_a_guard_as_a_truth_value_names_the_remedy(make: Callable[[], Any], remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        assert make()


@pytest.mark.parametrize("ask", WAYS)
def test_no_way_to_ask_a_guard_opens_the_view(app: Flask, issuer: LocalIssuer, ask: Callable[[Any], object]) -> None:
    app.add_url_rule("/", "view", requires_auth(lambda: f"secret {ask(requires_scope('a'))}"))
    assert app.test_client().get("/", headers=bearer(issuer.token(scope="a"))).status_code == 500


def test_a_guard_is_equal_to_itself_only_and_hides_nothing() -> None:
    guard, other = requires_scope("a"), requires_scope("a")
    assert (guard == guard, guard == other, guard == None, {guard: 1}[guard]) == (True, False, False, 1)  # noqa: E711
    assert repr(guard) == "<decorator requires_scope()>"


def test_a_guard_keeps_the_signature_of_its_view_for_type_checkers() -> None:
    """Read by mypy, which fails if one of the calls is accepted, or has another type."""

    def view(number: int) -> str:
        return f"{number}"

    async def slow(number: int) -> str:
        return f"{number}"

    for guard in (requires_scope("a"), requires_auth(), requires_auth(optional=True)):
        accepts_numbers: Callable[[int], str] = guard(view)
        accepts_texts: Callable[[str], str] = guard(view)  # type: ignore[arg-type]
        waits: Callable[[int], Coroutine[Any, Any, str]] = guard(slow)
        assert None not in {accepts_numbers, accepts_texts, waits}


class Permission(enum.Enum):
    GET = "get:things"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: requires_permission(permission="get:x"),  # type: ignore[arg-type]
            r"no keyword 'permission'. .* without a keyword: @requires_permission\('get:x'\)\.$",
        ),
        (lambda: requires_scope(required_scope="a"), r"without a keyword: @requires_scope\('a'\)\.$"),  # type: ignore[arg-type]
        (lambda: has_scope(scope="a"), r"without a keyword: has_scope\('a'\)\.$"),  # type: ignore[arg-type]
        (lambda: has_permission("a", payload={}), r"no keyword 'payload'.*without a keyword\.$"),  # type: ignore[arg-type]
        (lambda: requires_scope("a", anyof=True), r"requires_scope\(\) takes no keyword 'anyof'\.$"),  # type: ignore[arg-type]
        (lambda: requires_permission(Permission.GET), r"not as Permission\. Give its \.value\.$"),  # type: ignore[arg-type]
    ],
)
def test_a_name_that_is_given_in_another_way_names_the_remedy(call: Callable[[], object], says: str) -> None:
    """As other packages take it. Type checkers see it, too."""
    with pytest.raises(TypeError, match=says):
        call()


class TestRequiresAuthWithAPermission:
    @pytest.mark.parametrize(
        ("arguments", "options"),
        [
            *((("get:things",), {}), (("",), {}), (("get:things", "post:things"), {}), ((["get:things"],), {})),
            *(((), {"permission": "get:things"}), ((), {"permissions": ("get:things",)}), ((lambda: "", "a"), {})),
            *(((Permission.GET,), {}), ((), {"permission": Permission.GET})),
        ],
    )
    def test_the_error_names_requires_permission(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match=r"takes no permission.*@requires_permission\("):
            requires_auth(*arguments, **options)

    @pytest.mark.parametrize("call", [lambda: requires_auth(optonal=True), lambda: requires_auth(print, print)])  # type: ignore[call-overload]
    def test_another_mistake_is_told_apart(self, call: Callable[[], object]) -> None:
        with pytest.raises(TypeError, match="takes one view, or optional="):
            call()

    @pytest.mark.parametrize("guard", [requires_auth, requires_auth(), requires_scope("a")])
    def test_what_a_route_decorator_returned_may_be_none(self, guard: Any) -> None:
        with pytest.raises(TypeError, match=r"cannot decorate None.*the guard below it"):
            guard(None)


async def later(payload: Any) -> str:
    return f"later {payload}"


class Partly:
    def __call__(self, drink_id: int, payload: Any) -> str:
        return f"{drink_id} {payload}"

    __name__ = "partly"


class WithPayload(MethodView):
    @requires_auth
    def get(self, payload: Any) -> str:
        return "secret"


TAKES: dict[int, Any] = {0: lambda: "", 1: lambda payload: ""}


def passes_payload(view: Callable[[Any], str]) -> Callable[[], str]:
    return functools.wraps(view)(lambda: view("claims"))


def passes_payload_unseen(view: Callable[[Any], str]) -> Callable[[], str]:
    """Like decorators that copy the signature, although they fill a parameter."""
    wrapper = passes_payload(view)
    vars(wrapper)["__signature__"] = inspect.signature(view)
    return wrapper


class TestPayload:
    """Other packages pass the claims to the view."""

    @pytest.mark.parametrize(
        ("path", "view"),
        [
            *(("/", lambda payload: "secret"), ("/<int:drink_id>", lambda jwt, drink_id: "secret"), ("/", later)),
            *(
                ("/<int:drink_id>", Partly()),
                ("/", lambda payload, /: "secret"),
                ("/", lambda *, payload: "secret"),
                ("/", WithPayload.as_view("method")),
            ),
        ],
    )
    def test_a_parameter_that_the_route_does_not_fill_names_the_remedy(
        self, app: Flask, issuer: LocalIssuer, path: str, view: Any
    ) -> None:
        app.testing = True
        app.add_url_rule(path, "view", requires_auth(requires_permission("a")(view)))
        with pytest.raises(TypeError, match=r"has the parameter '(payload|jwt)'.*read current_token instead"):
            app.test_client().get(path.replace("<int:drink_id>", "7"), headers=bearer(issuer.token(permissions=["a"])))

    @pytest.mark.parametrize("view", [lambda payload: payload, lambda payload="": payload, later])
    def test_a_route_may_fill_it(self, app: Flask, issuer: LocalIssuer, view: Any) -> None:
        app.add_url_rule("/<payload>", "view", requires_auth(view))
        assert app.test_client().get("/7", headers=bearer(issuer.token())).text.endswith("7")

    @pytest.mark.parametrize(
        "view",
        [
            *(lambda: TAKES[0](1), lambda: TAKES[1](), lambda payload=None: TAKES[0](payload), next),
            *(passes(lambda payload: str(TAKES[0](payload))) for passes in (passes_payload, passes_payload_unseen)),
        ],
    )
    def test_another_error_stays_what_it_is(self, app: Flask, issuer: LocalIssuer, view: Any) -> None:
        app.testing = True
        app.add_url_rule("/", "view", requires_auth(view))
        with pytest.raises(TypeError) as caught:
            app.test_client().get("/", headers=bearer(issuer.token()))
        assert "current_token" not in str(caught.value)


def unasked() -> Any:
    """Everything that is no question."""

    @requires_scope("a")
    def inner() -> str:
        return ""

    guards = [requires_scope("b"), auth0_blueprint.requires_acr("c")]
    request.requires_scope("d")  # type: ignore[attr-defined]
    requires_auth(inner)
    return guards[0](inner), needs("e")(inner)()


def asked() -> Any:
    from auth0_blueprint import requires_claim as local

    if requires_scope("a"):
        return [one for one in "a" if not auth0_blueprint.requires_acr("b")]
    assert needs("c")
    local("d", 1)
    return requires_organization("org_1") is True or any([requires_permission("e")])


def importing() -> Any:
    from auth0_blueprint import requires_acr

    requires_acr("a")


def matched() -> Any:
    match requires_recent_login(1):
        case True:
            return "secret"


def enclosed() -> Callable[[], Any]:
    alias = requires_scope
    return lambda: alias("a") and "secret"


class Asking(MethodView):
    decorators: ClassVar = [requires_auth]

    def get(self) -> Any:
        return "secret" if requires_scope("a") else ""

    async def post(self) -> Any:
        auth0_blueprint.requires_permission("a")


class AskingObject:
    def __call__(self) -> Any:
        while requires_auth():
            pass


FROM_NO_FILE: dict[str, Any] = {"needs": needs}
exec("def view():\n    return needs('a') and 'secret'", FROM_NO_FILE)


@pytest.mark.parametrize(
    ("view", "found"),
    [
        *((unasked, []), (lambda: current_token.subject, []), (print, [])),
        (
            asked,
            [
                ("requires_scope", False), ("requires_acr", False), ("requires_scope", False),
                ("requires_organization", True), ("requires_permission", False),
            ],
        ),
        *((importing, [("requires_acr", True)]), (matched, [("requires_recent_login", True)])),
        (enclosed(), [("requires_scope", False)]),
        (requires_auth(matched), [("requires_recent_login", True)]),
        (Asking.as_view("asking"), [("requires_scope", False), ("requires_permission", True)]),
        *((AskingObject(), [("requires_auth", False)]), (FROM_NO_FILE["view"], [("requires_scope", False)])),
    ],
)  # fmt: skip
def test_questions_inside_a_view_are_found(view: Any, found: list[tuple[str, bool]]) -> None:
    misused = list(misused_guards(view))
    assert sorted((one.name, one.is_silent) for one in misused) == sorted(found)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert all(one.file != __file__ or "(" in lines[one.line - 1] for one in misused)


def drops() -> str:
    requires_scope("a")
    return "secret"


def drops_in_a_hook() -> None:
    requires_scope("a")


@pytest.mark.parametrize(
    "register", [lambda app: app.get("/")(requires_auth(drops)), lambda app: app.before_request(drops_in_a_hook)]
)
def test_a_guard_that_is_dropped_is_found_at_each_request_until_it_is_mended(
    app: Flask, register: Callable[[Flask], object]
) -> None:
    register(app)
    app.testing = True
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"requires_scope\(\) checks nothing in .*, in drops.*: .*has_scope\(\)"):
            app.test_client().get("/nowhere")


def test_a_file_is_read_once_for_all_its_views(app: Flask) -> None:
    """The time of the first request would grow with the square of their number."""
    _functions_in.cache_clear()
    for number, view in enumerate((asked, unasked, unasked_but_dropped)):
        app.add_url_rule(f"/{number}", str(number), view)
    assert list(misused_guards_of(app))
    assert _functions_in.cache_info()[:2] == (2, 1)


def test_one_that_is_dropped_where_nobody_reads_is_logged(
    app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """A helper, say. One that is applied or asked is not, nor one that is left over when the app is made."""
    views: list[tuple[Callable[[], Any], int]] = [
        *((lambda: drops(), 1), (unasked_but_dropped, 2), (lambda: requires_auth(lambda: "")(), 0)),
        (lambda: str(type(requires_scope("a")(lambda: ""))), 0),
    ]
    for number, (view, _) in enumerate(views):
        app.add_url_rule(f"/{number}", str(number), requires_auth(view))
    for number, (_, logged) in enumerate(views):
        caplog.clear()
        requires_scope("a")
        app.test_client().get(f"/{number}", headers=bearer(issuer.token()))
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert [line.split("()")[0] for line in lines] == ["requires_scope"] * logged


def unasked_but_dropped() -> str:
    kept = [requires_scope("a"), needs("b")]
    return str(len(kept))


def test_routes_names_the_questions_and_strict_fails(app: Flask) -> None:
    """Also where each route is guarded."""
    app.get("/")(requires_auth(asked))
    run = app.test_cli_runner().invoke
    lenient, strict, as_json = (run(args=["auth0", "routes", *more]) for more in ((), ("--strict",), ("--json",)))
    assert (lenient.exit_code, strict.exit_code, lenient.stdout) == (0, 1, strict.stdout)
    assert strict.stderr == f"Error: {lenient.stderr}"
    first = next(misused_guards_of(app))
    assert lenient.stderr.startswith(
        "These functions call guards inside, where they check nothing:\n"
        f"  requires_scope() in test_questions_in_views.py, line {first.line}, in asked. To solve this, put "
        "@requires_scope below the route decorator, or ask has_scope() inside the view.\n"
    )
    assert '"asked_inside": [' in as_json.stdout
    assert '"function": "asked"' in as_json.stdout
