"""Who acts on behalf of a user, and what exactly was authorized: in views, and as guards (RFC 8693 §4.1, RFC 9396)."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from conftest import bearer
from documents import ROOT, python_blocks, run_block
from flask import Blueprint, Flask, jsonify
from flask.views import MethodView
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate
from prometheus_client import CollectorRegistry
from refusals import Answer, chain_of, forbidden, seen

from auth0_blueprint import (
    AccessToken,
    Actor,
    Auth0Error,
    AuthorizationDetail,
    AuthorizationError,
    InsufficientAuthorizationDetailsError,
    current_token,
    get_current_token,
    has_actor,
    has_authorization_details,
    protect,
    requires_actor,
    requires_auth,
    requires_authorization_details,
    requires_scope,
    verify_token,
)
from auth0_blueprint.metrics import instrument
from auth0_blueprint.testing import LocalIssuer

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Claims = dict[str, Any]

NO_ACTOR = "The access token names no actor that this route accepts."
NO_DETAILS = "The access token lacks authorization details that this route requires."
PAYMENT: dict[str, Any] = {"type": "payment", "amount": "12.50", "to": {"iban": "DE02"}, "actions": ["initiate"]}
ADMITTED = 200


def lacking(*types: str, scope: str = "") -> Answer:
    """Return the answer to a caller whose token has no suitable details of *types*."""
    code = "insufficient_authorization_details"
    challenge = f'Bearer realm="api", error="{code}", error_description="{NO_DETAILS}"'
    challenge += (f', scope="{scope}"' if scope else "") + f', authorization_details_types="{" ".join(types)}"'
    return Answer(403, (challenge,), {"error": code, "error_description": NO_DETAILS, "code": code})


def view_behind(app: Flask, *guards: Decorator) -> str:
    """Add a view behind *guards*, outermost first, and return its path."""
    view: Callable[..., Any] = lambda: jsonify(current_token)  # noqa: E731
    for guard in reversed(guards):
        view = guard(view)
    path = f"/{len(app.view_functions)}"
    app.add_url_rule(path, path, view)
    return path


def answer(app: Flask, issuer: LocalIssuer, path: str, claims: dict[str, Any]) -> Answer:
    """Return what a token with *claims* gets there."""
    return seen(app.test_client().get(path, headers=bearer(issuer.token(**claims))))


class TestToken:
    def test_a_view_reads_who_acts_and_what_was_authorized(self, app: Flask, issuer: LocalIssuer) -> None:
        """The actors outermost first, each without those inside it; ``jsonify`` takes all of it."""
        app.get("/")(
            requires_auth(
                lambda: jsonify(
                    actor=current_token.actor,
                    chain=current_token.delegation_chain,
                    details=current_token.authorization_details,
                    names=[one.subject for one in current_token.delegation_chain],
                    issuers=[one.issuer for one in current_token.delegation_chain],
                    types=[one.type for one in current_token.authorization_details],
                    is_delegated=current_token.is_delegated,
                )
            )
        )

        def read(**claims: Any) -> Any:
            return app.test_client().get("/", headers=bearer(issuer.token(**claims))).get_json()

        act = {"sub": "agent", "sub_profile": "ai_agent", "act": {"sub": "first", "iss": "https://other.example/"}}
        agent, first = {"sub": "agent", "sub_profile": "ai_agent"}, {"sub": "first", "iss": "https://other.example/"}
        assert read(act=act, authorization_details=[PAYMENT, {"type": "b"}]) == {
            "actor": agent,
            "chain": [agent, first],
            "details": [PAYMENT, {"type": "b"}],
            "names": ["agent", "first"],
            "issuers": [None, "https://other.example/"],
            "types": ["payment", "b"],
            "is_delegated": True,
        }
        nothing: Claims = {"actor": None, "chain": [], "details": [], "names": [], "issuers": [], "types": []}
        assert read() == read(authorization_details=[]) == {**nothing, "is_delegated": False}
        assert len(read(act=chain_of(10))["chain"]) == 10

    def test_an_anonymous_caller_has_neither(self, app: Flask) -> None:
        app.get("/")(
            requires_auth(optional=True)(
                lambda: [
                    current_token.actor is None,
                    current_token.delegation_chain == current_token.authorization_details == (),
                    has_actor("agent") or has_authorization_details("payment"),
                ]
            )
        )
        assert app.test_client().get("/").get_json() == [True, True, False]

    def test_nothing_that_a_view_does_to_them_is_seen_by_another(self) -> None:
        claims = {"act": {"sub": "agent", "roles": ["a"]}, "authorization_details": [copy.deepcopy(PAYMENT)]}
        token = AccessToken(claims, {})
        assert token.actor is not None
        token.actor["roles"].append("b")
        dict(token.authorization_details[0])["to"].clear()
        for part in (token.actor, token.authorization_details[0]):
            for change in (setattr, lambda part, name, _: delattr(part, name)):
                with pytest.raises(AttributeError, match="immutable"):
                    change(part, "_members", {})
            with pytest.raises(TypeError, match="use dict"):
                pickle.dumps(part)
            assert copy.copy(part) is copy.deepcopy(part) is part
        assert (token.actor["roles"], token.authorization_details) == (["a"], (AuthorizationDetail(PAYMENT),))

    def test_an_actor_is_compared_by_its_subject_and_says_so(self) -> None:
        """``actor != "mallory"`` would be true of mallory."""
        actor = Actor({"sub": "agent", "secret": "s"})
        for compare in (operator.eq, operator.ne, lambda left, right: left in {"x": right}.values()):
            with pytest.raises(TypeError, match=r"compare its \.subject"):
                compare(actor, "agent")
        assert actor == Actor({"sub": "agent", "secret": "s"}) != Actor({"sub": "agent"})
        assert repr(actor) == "<Actor subject='agent'>"
        assert repr(AuthorizationDetail(PAYMENT)) == "<AuthorizationDetail type='payment'>"


#: The actor in ``act``, as far as a guard that names "agent" is concerned.
ISSUER = "https://partner.example/"
ACTORS: list[tuple[Any, dict[str, Any] | None, bool]] = [
    *(({}, {"sub": "agent"}, True), ({}, {"sub": "agent", "act": {"sub": "mallory"}}, True)),
    # Whoever acted before does not count, nor does a subject that acts for itself.
    *(({}, {"sub": "mallory", "act": {"sub": "agent"}}, False), ({}, None, False)),
    *(({}, {"sub": name}, False) for name in ("Agent", "agent ", "agen", "agent2", "other")),
    # Another issuer may call somebody else by the same name.
    *(({}, {"sub": "agent", "iss": ISSUER}, False), ({"issuer": ISSUER}, {"sub": "agent", "iss": ISSUER}, True)),
    *(({"issuer": ISSUER}, {"sub": "agent"}, False), ({"issuer": ISSUER}, {"sub": "agent", "iss": ISSUER[:-1]}, False)),
]


class TestActor:
    @pytest.mark.parametrize(("options", "act", "is_admitted"), ACTORS)
    def test_only_the_current_actor_decides(
        self, app: Flask, issuer: LocalIssuer, options: Any, act: Any, is_admitted: bool
    ) -> None:
        claims: Claims = {"sub": "agent"} if act is None else {"sub": "agent", "act": act}
        guards = requires_actor("agent", **options), requires_actor("nobody", "agent", **options)
        for path in [view_behind(app, guard) for guard in guards]:
            answered = answer(app, issuer, path, claims)
            assert (
                answered.status == ADMITTED if is_admitted else answered == forbidden("insufficient_claims", NO_ACTOR)
            )

    def test_the_issuer_of_the_token_may_be_said_twice(self, app: Flask, issuer: LocalIssuer) -> None:
        act = {"sub": "agent", "iss": issuer.issuer}
        guards = requires_actor("agent"), requires_actor("agent", issuer=issuer.issuer)
        paths = [view_behind(app, guard) for guard in guards]
        assert [answer(app, issuer, path, {"act": act}).status for path in paths] == [ADMITTED] * 2

    def test_a_refusal_is_logged_with_the_actor_and_nothing_more_of_it(
        self, app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Escaped and cut. Who is refused for lack of a valid token is nobody whom we know."""
        caplog.set_level("INFO", "auth0_blueprint")
        path = view_behind(app, requires_scope("pay"))
        answer(app, issuer, path, {"act": {"sub": "evil\n\u202e" + "x" * 900, "note": "private"}})
        answer(app, issuer, path, {})
        refusals = [line for line in caplog.messages if line.startswith("refused: ")]
        named, unnamed = refusals
        assert named.startswith("refused: insufficient_scope (insufficient_scope), actor 'evil\\n\\u202exx")
        assert (len(named) < 400, "private" in caplog.text) == (True, False)
        assert unnamed == "refused: insufficient_scope (insufficient_scope)"

    @pytest.mark.parametrize(("ids", "options"), [((), {}), ((["agent"],), {}), ((None,), {}), (("a",), {"issuer": 1})])
    def test_what_names_no_actor_is_refused_when_the_guard_is_applied(self, ids: Any, options: Any) -> None:
        for function in (requires_actor, has_actor):
            with pytest.raises(TypeError, match=r"[Aa]ctor"):
                function(*ids, **options)
        for empty in ({"issuer": ""}, {}):
            with pytest.raises(ValueError, match="empty"):
                requires_actor("a" if empty else "", **empty)


class Transfer(Schema):
    amount = fields.Decimal(required=True, validate=validate.Range(min=Decimal("0.01")))
    to = fields.Dict(required=True)
    actions = fields.List(fields.String())


class Careless(Transfer):
    @post_load
    def _only_with_reference(self, data: Claims, **_: object) -> Claims:
        return {"reference": data["actions"][1]}


class Lenient(Schema):
    class Meta:
        unknown = EXCLUDE

    type = fields.String(required=True, validate=validate.Equal("payment"))
    amount = fields.Decimal(required=True)


def raising(error: Exception) -> Callable[[Any], object]:
    def check(_value: Any) -> object:
        raise error

    return check


def async_answer(_value: Any) -> Any:
    async def answer_later() -> bool:
        return True

    coroutine = answer_later()
    coroutine.close()
    return coroutine


async def async_check(_value: Any) -> bool:
    return True


class AsyncCheck:
    async def __call__(self, _value: Any) -> bool:
        return True


JUDGEMENTS: list[Any] = [1, "x", 0, "", None, []]
Cases = list[tuple[Any, list[dict[str, Any]] | None, bool]]

#: Arguments beside the type "payment", the details of a token, and whether they do.
DETAILS: Cases = [
    *(({}, [PAYMENT], True), ({}, [{"type": "other"}, {"type": "payment"}], True)),
    *(({}, details, False) for details in (None, [], [{"type": "Payment"}], [{"type": "other", "payment": "payment"}])),
    # One of several is enough, and it has to be of the type.
    *(({"check": lambda one: one["amount"] == "1"}, [PAYMENT, {**PAYMENT, "amount": "1"}], True),),
    *(({"check": lambda one: one["amount"] == "1"}, [PAYMENT, {**PAYMENT, "amount": "1", "type": "b"}], False),),
    *(({"check": lambda one: one.type == "payment" and one["to"] == {"iban": "DE02"}}, [PAYMENT], True),),
    *(({"check": lambda _one, said=said: said}, [PAYMENT], bool(said)) for said in JUDGEMENTS),
    # A check that raises does not pass, and the next detail is looked at all the same.
    *(
        ({"check": raising(error)}, [PAYMENT], False)
        for error in (ValidationError("x"), KeyError("x"), TypeError(), ValueError(), IndexError())
    ),
    *(({"check": lambda one: one["reference"] == "r"}, [PAYMENT, {**PAYMENT, "reference": "r"}], True),),
    *(({"check": lambda one: Decimal(one["amount"]) < 99}, [{**PAYMENT, "amount": "much"}], False),),
    ({"check": async_answer}, [PAYMENT], False),
    # A schema makes types of them; what does not fit does not count.
    *(({"schema": schema}, [PAYMENT], True) for schema in (Transfer, Transfer(), Lenient)),
    *(({"schema": Transfer}, [{**PAYMENT, **odd}], False) for odd in ({"amount": "0"}, {"amount": "x"}, {"more": 1})),
    ({"schema": Transfer}, [{"type": "payment"}, PAYMENT], True),
    ({"schema": Careless}, [PAYMENT], False),
    ({"schema": Careless}, [PAYMENT, {**PAYMENT, "actions": ["a", "b"]}], True),
    ({"schema": Lenient}, [{**PAYMENT, "more": 1}], True),
    *(({"schema": Transfer, "check": lambda one: one["amount"] <= Decimal("12.5")}, [PAYMENT], True),),
    *(({"schema": Transfer, "check": lambda one: one["amount"] < Decimal("12.5")}, [PAYMENT], False),),
    ({"schema": Transfer, "check": lambda one: "type" in one}, [PAYMENT], False),
]


class TestAuthorizationDetails:
    @pytest.mark.parametrize(("options", "details", "is_admitted"), DETAILS)
    def test_one_suitable_detail_of_the_type_admits(
        self, app: Flask, issuer: LocalIssuer, options: Any, details: Any, is_admitted: bool
    ) -> None:
        """Whoever lacks it learns the type, and no value."""
        claims = {} if details is None else {"authorization_details": details}
        asked = requires_auth(lambda: [has_authorization_details("payment", **options)])
        app.add_url_rule("/asked", "asked", asked)
        path = view_behind(app, requires_authorization_details("payment", **options))
        answered = answer(app, issuer, path, claims)
        assert answered.status == ADMITTED if is_admitted else answered == lacking("payment")
        assert app.test_client().get("/asked", headers=bearer(issuer.token(**claims))).get_json() == [is_admitted]

    def test_what_a_check_raises_is_logged_by_its_class(
        self, app: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard = requires_authorization_details("payment", raising(ValueError("DE02")))
        answer(app, issuer, view_behind(app, guard), {"authorization_details": [PAYMENT]})
        assert "the check of authorization details payment raised ValueError: token refused" in caplog.messages
        assert "DE02" not in caplog.text

    @pytest.mark.parametrize(
        ("name", "options", "error"),
        [
            *((name, {}, ValueError) for name in ("", "two words", 'quo"te', "umläut", "a\n")),
            *((name, {}, TypeError) for name in (["payment"], None)),
            *(("payment", {"schema": schema}, TypeError) for schema in (Transfer(many=True), dict, {}, object())),
            ("payment", {"check": 1}, TypeError),
            # What an async function returns is true before it has run.
            *(("payment", {"check": check}, TypeError) for check in (async_check, AsyncCheck())),
        ],
    )
    def test_what_could_admit_nobody_or_anybody_is_refused_when_the_guard_is_applied(
        self, name: Any, options: Any, error: type[Exception]
    ) -> None:
        for function in (requires_authorization_details, has_authorization_details):
            with pytest.raises(error):
                function(name, **options)

    def test_the_error_is_one_of_authorization(self) -> None:
        error = InsufficientAuthorizationDetailsError(types=("a", "b"))
        assert isinstance(error, AuthorizationError)
        assert (error.status, error.code, error.types) == (403, "insufficient_authorization_details", ("a", "b"))


BOTH: list[Decorator] = [requires_actor("agent"), requires_authorization_details("payment"), requires_scope("pay")]


class TestComposition:
    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    def test_guards_stack_in_any_order(self, app: Flask, issuer: LocalIssuer, order: tuple[int, ...]) -> None:
        """The outermost that is not met refuses; the challenge names every scope, and every type it is about."""
        path = view_behind(app, *(BOTH[number] for number in order))
        met: list[Claims] = [{"act": {"sub": "agent"}}, {"authorization_details": [PAYMENT]}, {"scope": "pay"}]
        refused = [forbidden("insufficient_claims", NO_ACTOR, "pay"), lacking("payment", scope="pay")]
        refused += [forbidden("insufficient_scope", "The access token lacks a scope that this route requires.", "pay")]
        claims: Claims = {}
        for number in order:
            assert answer(app, issuer, path, claims) == refused[number]
            claims |= met[number]
        assert answer(app, issuer, path, claims).status == ADMITTED

    def test_the_challenge_names_each_type_that_the_route_requires_once(self, app: Flask, issuer: LocalIssuer) -> None:
        path = view_behind(app, *(requires_authorization_details(name) for name in ("b", "a", "b")))
        assert answer(app, issuer, path, {"authorization_details": [{"type": "b"}]}) == lacking("b", "a")

    def test_they_guard_async_views_methods_and_protected_blueprints(self, app: Flask, issuer: LocalIssuer) -> None:
        async def view() -> str:
            return "seen"

        class Methods(MethodView):
            decorators: ClassVar[list[Decorator]] = BOTH

            def get(self) -> str:
                return "seen"

        blueprint = Blueprint("protected", __name__)
        protect(blueprint, "pay")
        blueprint.get("/protected")(BOTH[0](BOTH[1](lambda: "seen")))
        app.register_blueprint(blueprint)
        app.get("/async")(BOTH[0](BOTH[1](BOTH[2](view))))
        app.add_url_rule("/methods", view_func=Methods.as_view("methods"))
        good: Claims = {"act": {"sub": "agent"}, "authorization_details": [PAYMENT], "scope": "pay"}
        for path in ("/protected", "/async", "/methods"):
            for without, status in ((None, 200), ("act", 403), ("authorization_details", 403), ("scope", 403)):
                claims = {name: value for name, value in good.items() if name != without}
                response = app.test_client().get(path, headers=bearer(issuer.token(**claims)))
                assert (response.status_code, path, without) == (status, path, without)

    def test_commands_and_metadata_know_what_they_require(self, make_app: Any, issuer: LocalIssuer) -> None:
        app = make_app(AUTH0_RESOURCE_METADATA=True)
        app.get("/pay")(BOTH[0](BOTH[1](lambda: "seen")))
        runner = app.test_cli_runner()
        assert "actor agent; authorization details payment" in runner.invoke(args=["auth0", "routes"]).stdout
        token = issuer.token(act={"sub": "agent"}, authorization_details=[{"type": "other"}])
        inspected = runner.invoke(args=["auth0", "inspect", "--path", "/pay", token])
        assert inspected.exit_code == 1
        assert "fail  demand      authorization details payment\n" in inspected.stdout
        metadata = app.test_client().get("/.well-known/oauth-protected-resource").get_json()
        assert metadata["authorization_details_types_supported"] == ["payment"]

    def test_a_guard_that_is_asked_inside_a_view_is_refused(self, app: Flask, issuer: LocalIssuer) -> None:
        for guard, question in ((BOTH[0], "has_actor"), (BOTH[1], "has_authorization_details")):
            with pytest.raises(TypeError, match=rf"ask {question}\(\)"):
                bool(guard)

        @app.get("/")
        @requires_auth
        def view() -> str:
            requires_actor("agent")
            return "secret"

        app.testing = True
        with pytest.raises(RuntimeError, match=r"requires_actor\(\) checks nothing in .*has_actor\(\)"):
            app.test_client().get("/", headers=bearer(issuer.token()))

    def test_an_error_handler_knows_the_actor_of_a_refused_caller(self, app: Flask, issuer: LocalIssuer) -> None:
        @app.errorhandler(Auth0Error)
        def refuse(error: Auth0Error) -> tuple[list[str], int]:
            token = get_current_token()
            return [token.actor.subject if token is not None and token.actor is not None else ""], error.status

        app.get("/")(requires_actor("agent")(lambda: "seen"))
        response = app.test_client().get("/", headers=bearer(issuer.token(act={"sub": "mallory"})))
        assert (response.status_code, response.get_json()) == (403, ["mallory"])


class TestPage:
    PAGE = ROOT / "docs" / "how-to" / "delegation.md"

    @pytest.mark.parametrize(
        ("agreed", "asked", "status"),
        [
            *(({}, {}, 201), ({"amount": "12.5"}, {}, 201), ({}, {"amount": "12.51"}, 403), ({}, {"amount": "x"}, 400)),
            *(
                ({"currency": "USD"}, {"currency": "USD"}, 403),
                ({"type": "other"}, {}, 403),
                ({"amount": "0"}, {}, 403),
            ),
        ],
    )
    def test_its_app_pays_what_was_agreed_and_says_so(
        self, issuer: LocalIssuer, agreed: Claims, asked: Claims, status: int
    ) -> None:
        app = run_block(self.PAGE, next(python_blocks(self.PAGE)).code)["create_app"](issuer.settings)
        payment = {"amount": "12.50", "currency": "EUR", "creditor": "Ada"}
        detail = {"type": "payment_initiation", **payment, **agreed}
        headers = bearer(issuer.token(scope="pay", authorization_details=[detail]))
        response = app.test_client().post("/payments", json={**payment, **asked}, headers=headers)
        assert response.status_code == status
        if status == 403:
            (challenge,) = response.headers.getlist("WWW-Authenticate")
            shown = " ".join(
                self.PAGE.read_text(encoding="utf-8").split("WWW-Authenticate: ")[1].split("```")[0].split()
            )
            assert challenge in {shown, shown.replace('scope="pay", ', "")}

    def test_its_app_knows_the_agent(self, issuer: LocalIssuer) -> None:
        app = run_block(self.PAGE, next(python_blocks(self.PAGE)).code)["create_app"](issuer.settings)
        answers = [
            app.test_client().get("/calendar", headers=bearer(issuer.token(scope="read:calendar", act={"sub": name})))
            for name in ("calendar-agent", "mallory")
        ]
        assert [one.status_code for one in answers] == [200, 403]
        assert answers[0].get_json() == {"of": "auth0|local-user", "read_by": "calendar-agent"}


def test_delegated_tokens_are_counted(app: Flask, issuer: LocalIssuer) -> None:
    """In requests, whether remembered or not, and by `verify_token`; no label says whose they are."""
    registry = CollectorRegistry()
    instrument(app, registry=registry)
    app.get("/")(requires_auth(lambda: "seen"))
    delegated = issuer.token(act={"sub": "agent"})
    for token in (issuer.token(), delegated, delegated):
        assert app.test_client().get("/", headers=bearer(token)).status_code == ADMITTED
    with app.app_context():
        verify_token(delegated)
    counters = app.extensions["auth0"].counters
    assert (counters.verified, counters.delegated) == (4, 3)
    assert registry.get_sample_value("auth0_tokens_delegated_total") == 3
