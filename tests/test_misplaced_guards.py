"""A guard above the route decorator leaves the route open: found at the first request."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conftest import AppFactory
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.views import MethodView
from flask_jwt_extended import jwt_required

from auth0_blueprint import protect, public, requires_auth, requires_scope
from auth0_blueprint.guards.decorators import guarded_functions

View = Callable[[], str]


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stand around *function*, as decorators of other packages do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def refuses_to_start(app: Flask) -> bool:
    """Tell whether the first request, to anywhere, finds the mistake."""
    app.testing = True
    try:
        app.test_client().get("/anywhere")
    except RuntimeError as exc:
        return "stands above" in str(exc)
    return False


def on_blueprint(app: Flask, view: View) -> None:
    blueprint = Blueprint("inner", "inner")
    requires_auth(blueprint.get("/")(view))
    app.register_blueprint(blueprint)


MISTAKES: list[Callable[[Flask, View], object]] = [
    lambda app, view: requires_scope("a")(app.get("/")(view)),
    # A blueprint's route decorator returns the bare function, too.
    on_blueprint,
    # Decorators of others in between do not hide it.
    lambda app, view: requires_auth(plain(app.get("/")(view))),
    # The outer of two guards is as much without effect as a single one.
    lambda app, view: requires_scope("a")(app.get("/")(requires_auth(view))),
]


@pytest.mark.parametrize("register", MISTAKES)
def test_a_guard_above_the_route_decorator_is_found_at_each_request_until_it_is_mended(
    app: Flask, register: Callable[[Flask, View], object]
) -> None:
    """The registered function is the one inside the guard, and the route would be open from the second request on."""
    register(app, lambda: "")
    assert refuses_to_start(app)
    assert refuses_to_start(app)


def named() -> str:
    return ""


@pytest.mark.parametrize("around", [plain, lambda function: function])
@pytest.mark.parametrize("guard", [jwt_required(), jwt_required(optional=True), requires_auth])
def test_a_guard_above_the_decorator_of_a_route_or_hook_has_taken_the_name(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, guard: Any, around: Callable[..., Any]
) -> None:
    """That finds `@jwt_required()` too, which leaves nothing else behind."""
    for register in (Flask.get, lambda app, _: app.before_request):
        app = make_app()
        monkeypatch.setitem(globals(), "named", named)
        monkeypatch.setitem(globals(), "named", around(guard(register(app, "/")(around(named)))))
        assert refuses_to_start(app)
        app = make_app()
        app.get("/")(around(globals()["named"]))
        assert not refuses_to_start(app)
        monkeypatch.undo()


def test_guards_below_the_route_decorator_in_any_order_are_fine(app: Flask) -> None:
    @app.get("/")
    @requires_scope("a")
    @plain
    @requires_auth
    def view() -> str:
        return ""

    assert not refuses_to_start(app)


def test_a_class_based_view_with_decorators_is_fine(app: Flask) -> None:
    """``as_view`` guards a function of its own for each call."""

    class View(MethodView):
        decorators: ClassVar = [requires_auth]

        def get(self) -> str:
            return ""

    app.add_url_rule("/", view_func=View.as_view("view"))
    assert not refuses_to_start(app)


def test_a_view_registered_bare_on_purpose_is_marked_public(app: Flask) -> None:
    @public
    def view() -> str:
        return ""

    app.add_url_rule("/open", "open", view)
    app.add_url_rule("/guarded", "guarded", requires_auth(view))
    assert not refuses_to_start(app)
    assert app.test_client().get("/open").status_code == 200
    assert app.test_client().get("/guarded").status_code == 401


@pytest.mark.parametrize("kind", ["after_request", "teardown_request", "before_request", "url_value_preprocessor"])
@pytest.mark.parametrize("owner", [Flask, Blueprint])
def test_a_guard_above_a_hook_is_found(app: Flask, kind: str, owner: type[Flask | Blueprint]) -> None:
    blueprint = Blueprint("inner", "inner")
    register = getattr(app if owner is Flask else blueprint, kind)
    requires_auth(plain(register(lambda *values: values[-1] if values else None)))
    app.register_blueprint(blueprint)
    assert refuses_to_start(app)


@pytest.mark.parametrize("kind", ["after_request", "teardown_request"])
def test_a_guard_of_a_hook_that_runs_after_the_view_is_found(app: Flask, kind: str) -> None:
    """The view has done what it does, and the refusal would be a 500."""

    def hook(value: Any) -> Any:
        return value

    getattr(app, kind)(plain(requires_auth(optional=True)(hook)))
    app.testing = True
    with pytest.raises(RuntimeError, match=rf"an @{kind} function, runs when the view has already answered"):
        app.test_client().get("/anywhere")


def test_a_guard_inside_the_wrapper_of_another_route_is_none_here(app: Flask) -> None:
    """As a framework does that registers a wrapper: between two routes it guards the outer one only."""

    def view() -> str:
        return ""

    app.add_url_rule("/guarded", "guarded", plain(requires_scope("a")(requires_auth(view))))
    app.add_url_rule("/further-inside", "further_inside", requires_auth(plain(view)))
    app.add_url_rule("/open", "open", plain(plain(plain(view))))
    assert refuses_to_start(app)


def test_a_blueprint_that_only_shares_its_name_with_a_protected_one_is_fine(app: Flask) -> None:
    outer, inner, namesake = Blueprint("outer", "outer"), Blueprint("v1", "inner"), Blueprint("v1", "namesake")
    protect(inner)
    namesake.add_url_rule("/open", "open", lambda: "open")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(namesake)
    assert not refuses_to_start(app)
    assert app.test_client().get("/open").text == "open"


def test_an_object_that_answers_everything_is_no_obstacle(app: Flask) -> None:
    """A remote procedure, say, of which each attribute is one more."""

    class Remote:
        __name__ = "remote"

        @property
        def __wrapped__(self) -> Any:
            return Remote()

        def __getattr__(self, name: str) -> Any:
            if name == "__qualname__":
                return Remote()
            raise AttributeError(name)

        def __call__(self) -> str:
            return "reached"

    app.add_url_rule("/", "remote", Remote())
    assert not refuses_to_start(app)
    assert app.test_client().get("/").text == "reached"


def test_the_check_leaves_the_row_of_hooks_after_a_good_request(app: Flask) -> None:
    """Later requests pay nothing for it."""
    app.test_client().get("/anywhere")
    assert app.before_request_funcs[None] == []


@pytest.mark.parametrize("hooks", [1, 3])
def test_the_hooks_of_the_app_still_run_at_the_first_request(app: Flask, hooks: int) -> None:
    """The check takes itself out of the row without skipping its neighbour."""
    ran: list[int] = []
    for number in range(hooks):
        app.before_request(lambda number=number: ran.append(number))
    app.test_client().get("/anywhere")
    assert ran == list(range(hooks))


class Unreferable:
    """A callable that nothing can refer to weakly."""

    __slots__ = ()
    __name__ = "unreferable"

    def __call__(self) -> str:
        return "reached"


class Unhashable:
    """A callable that is equal to others of its kind, and so has no hash."""

    __name__ = "unhashable"

    def __call__(self) -> str:
        return "reached"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable)

    __hash__ = None  # type: ignore[assignment]


class EqualToAll:
    """With a hash, and equal to everything."""

    __name__ = "equal"

    def __call__(self) -> str:
        return "reached"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class WrapsForEver:
    """Something like a proxy: what it stands around is another of its kind."""

    __name__ = "wraps"

    def __call__(self) -> str:
        return "reached"

    @property
    def __wrapped__(self) -> WrapsForEver:
        return WrapsForEver()


ODD = [Unreferable, Unhashable, EqualToAll, WrapsForEver]


@pytest.mark.parametrize("kind", ODD)
def test_a_view_of_any_kind_is_no_obstacle(app: Flask, client: FlaskClient, kind: type[Any]) -> None:
    """Nor is it taken for another one that is guarded: that one is not open."""
    app.add_url_rule("/guarded", "guarded", requires_auth(kind()))
    app.add_url_rule("/open", "open", kind())
    assert client.get("/guarded").status_code == 401
    assert client.get("/open").text == "reached"
    assert client.get("/auth/health/live").status_code == 200
    assert app.test_cli_runner().invoke(args=["auth0", "routes"]).exit_code == 0


@pytest.mark.parametrize("kind", ODD)
def test_a_view_of_any_kind_below_a_misplaced_guard_is_found(app: Flask, kind: type[Any]) -> None:
    requires_auth(app.route("/", endpoint="view")(kind()))
    assert refuses_to_start(app)


@pytest.mark.parametrize("is_same", [True, False])
def test_a_method_registered_without_its_guard_is_found(app: Flask, is_same: bool) -> None:
    """Each access to it makes another object."""

    class Holder:
        def view(self) -> str:
            return ""

    holder = Holder()
    app.add_url_rule("/guarded", "guarded", requires_auth(holder.view))
    app.add_url_rule("/open", "open", (holder if is_same else Holder()).view)
    assert refuses_to_start(app) is is_same


def test_what_is_guarded_is_not_kept_alive() -> None:
    def view() -> str:
        return ""

    gc.collect()
    before = len(guarded_functions)
    kept = [requires_auth(view), requires_auth(functools.partial(view))]
    assert len(guarded_functions) == before + 2
    del view, kept
    gc.collect()
    assert len(guarded_functions) == before


def test_a_function_may_be_behind_one_guard_here_and_behind_jwt_required_there(app: Flask, client: FlaskClient) -> None:
    """Each of the two is a guard: neither route is open."""

    def view() -> str:
        return "read"

    app.add_url_rule("/ours", "ours", requires_auth(view))
    app.add_url_rule("/theirs", "theirs", jwt_required()(view))
    assert [client.get(path).status_code for path in ("/ours", "/theirs")] == [401, 401]
