"""``flask auth0 inspect``: what it takes for a token, what it prints, how it ends, and what it never prints."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, ClassVar

import flask_jwt_extended as fje
import pytest
from conftest import AppFactory
from flask import Flask, abort, request
from guarded_apps import guarded_by
from programs import command, environment_of, typed
from refusals import by_hand, segment, with_member
from servers import RawServer, respond
from werkzeug.routing import BaseConverter

from auth0_blueprint import (
    Auth0Blueprint,
    protect,
    public,
    requires_auth,
    requires_claim,
    requires_permission,
    requires_scope,
)
from auth0_blueprint.cli.inspection.steps import PROOF_STEPS
from auth0_blueprint.cli.inspection.unverified import bare_token
from auth0_blueprint.extension.assembly import assemble
from auth0_blueprint.keysets.fetch import FetchedKeySet, fetch
from auth0_blueprint.settings import load_settings
from auth0_blueprint.testing import LocalIssuer

ALL_STEPS = [*PROOF_STEPS, "revocation", "binding", "rules"]


run = command("inspect")


def document(app: Flask, *arguments: str, **options: Any) -> dict[str, Any]:
    result = run(app, "--json", *arguments, **options)
    assert result.stderr == ""
    assert result.stdout.isascii()
    (line,) = result.stdout.splitlines()
    printed: dict[str, Any] = json.loads(line)
    assert result.exit_code == (0 if printed["accepted"] else 1)
    return printed


def demands_of(printed: dict[str, Any]) -> list[tuple[str, str]]:
    """Return status and text of what *printed* has after the steps of every token, each of which is a demand."""
    demands = printed["steps"][len(ALL_STEPS) :]
    assert {step["step"] for step in demands} <= {"demand"}
    assert all(step.keys() == {"step", "status", "text"} for step in demands)
    return [(step["status"], step["text"]) for step in demands]


class Refusing(BaseConverter):
    def to_python(self, value: str) -> str:
        abort(400, f"not {value}")


@pytest.fixture
def routed(make_app: AppFactory) -> Flask:
    app = make_app(AUTH0_ADMIN=False)
    for method, path, *guards in (
        ("GET", "/scope", requires_scope("read:messages")),
        ("DELETE", "/scope", requires_scope("delete:messages"), requires_claim("tier", "gold")),
        ("GET", "/permission/<name>", requires_permission("read:reports")),
        ("GET", "/some", requires_scope("a", "b")),
        ("GET", "/one", requires_scope("a", "b", any_of=True)),
        ("GET", "/any", requires_auth),
        ("GET", "/public", public),
        ("GET", "/jwt", fje.jwt_required()),
        ("GET", "/optional", requires_auth(optional=True)),
        ("GET", "/open"),
        ("GET", "/folder/<name>/"),
    ):
        app.add_url_rule(path, f"{method} {path}", guarded_by(*guards), methods=[method])
    app.url_map.converters["refusing"] = Refusing
    app.add_url_rule("/refusing/<refusing:name>", "refusing", guarded_by())
    return app


class TestWhatIsTaken:
    AROUND: ClassVar = [
        "{}", "Bearer {}", "bearer\t{}\r\n", "DPoP {}", "Authorization: Bearer {}\n", "authorization:BEARER  {}",
        '"{}"', "'Authorization: Bearer {}'", 'Authorization: "Bearer {}"', "\ufeff \n{} \n\n", "`{}`",
    ]  # fmt: skip

    @pytest.mark.parametrize("around", AROUND)
    def test_what_is_copied_along_with_it_does_no_harm(self, app: Flask, issuer: LocalIssuer, around: str) -> None:
        text = around.format(issuer.token())
        results = (run(app, text), run(app, input=text.encode()), run(app, "-", input=text.encode()))
        assert [result.exit_code for result in results] == [0, 0, 0]

    def test_the_words_of_a_header_without_quotes_are_one_token(self, app: Flask, issuer: LocalIssuer) -> None:
        """The shell has taken them apart."""
        assert run(app, "Authorization:", "Bearer", issuer.token()).exit_code == 0

    @pytest.mark.parametrize("text", ["", " \n", '""', "Bearer", "Authorization: Bearer ", "authorization:", "-"])
    def test_no_token_is_wrong_usage(self, app: Flask, text: str) -> None:
        for arguments in ([text], []):
            result = run(app, *arguments, input=text if not arguments and text != "-" else "")
            assert (result.exit_code, result.stdout) == (2, "")
            assert "No token: pass it as an argument, or on standard input." in result.stderr

    @pytest.mark.parametrize("text", ["Bearerx", "dpop.x.y", "Authorizationx"])
    def test_what_only_begins_like_a_prefix_is_left_alone(self, text: str) -> None:
        assert bare_token(text) == text

    @pytest.mark.parametrize(
        "data", [b"\xff\xfe\x00", b"\x00", "é.ü.ñ".encode(), b"\xff.\xff.\xff", b"\xed\xa0\x80", b"\x1b[31m", b"."]
    )
    def test_any_bytes_are_a_token_to_ask_about(self, app: Flask, data: bytes) -> None:
        result = run(app, input=data)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert "\x1b" not in result.output
        assert document(app, input=data)["steps"][0]["status"] == "fail"

    @pytest.mark.parametrize("how", ["argument", "standard input"])
    def test_a_token_beyond_the_limit_is_not_read(self, app: Flask, issuer: LocalIssuer, how: str) -> None:
        text = issuer.token(filling="x" * 100_000)
        printed = document(app, text) if how == "argument" else document(app, input=text)
        assert (printed["code"], printed["reason"]) == ("token_malformed", "too_long")
        assert (printed["header"], printed["claims"]) == (None, None)
        (mistake,) = printed["mistakes"]
        assert mistake["cause"].startswith("The token is longer than 16384 bytes, the limit of this app")

    def test_not_all_of_a_giant_input_is_read(self, app: Flask) -> None:
        """Just more than the limit: there may be no end to it."""

        class Endless(io.RawIOBase):
            taken = 0

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                if self.taken > 1_000_000:  # so that a test that fails also ends
                    return 0
                buffer[:] = b"x" * len(buffer)
                self.taken += len(buffer)
                return len(buffer)

        endless = Endless()
        assert run(app, input=io.BufferedReader(endless)).exit_code == 1
        assert 16_384 < endless.taken < 100_000

    def test_a_token_of_the_limit_is_read_after_a_prefix(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        token = issuer.token(filling="x" * 300)
        app = make_app(AUTH0_MAX_TOKEN_BYTES=len(token))
        assert run(app, input=f"Authorization: Bearer {token}\n").exit_code == 0


class TestWhatIsPrinted:
    def test_an_accepted_token_is_shown_with_all_its_steps(self, app: Flask, issuer: LocalIssuer) -> None:
        result = run(app, issuer.token(scope="read:messages"))
        lines = result.stdout.splitlines()
        assert result.exit_code == 0
        assert lines[0] == "Header: signed by the issuer"
        assert '  alg  "RS256"' in lines
        assert '  scope  "read:messages"' in lines
        assert any(line.startswith("  exp    ") and line.endswith(" UTC (in 60 min)") for line in lines)
        assert [line.split()[1] for line in lines if line.startswith("ok")] == ALL_STEPS
        assert lines[-1] == "This app: accepted"

    def test_json_says_the_same(self, app: Flask, issuer: LocalIssuer) -> None:
        printed = document(app, issuer.token(sub="auth0|a"))
        assert (printed["accepted"], printed["code"], printed["reason"], printed["signed"]) == (True, None, None, True)
        assert (printed["header"]["alg"], printed["claims"]["sub"]) == ("RS256", "auth0|a")
        assert [step["status"] for step in printed["steps"]] == ["ok"] * len(ALL_STEPS)
        assert printed["mistakes"] == []

    def test_what_is_not_proven_is_marked(self, app: Flask, issuer: LocalIssuer) -> None:
        """A forged token may say anything."""
        result = run(app, issuer.forged_token())
        assert result.exit_code == 1
        titles = [line for line in result.stdout.splitlines() if line.startswith(("Header", "Claims"))]
        trust = "UNVERIFIED, anyone could have written this"
        assert titles == [f"Header: {trust}", f"Claims: {trust}"]
        assert "This app: refused (invalid_signature)" in result.stdout
        assert document(app, issuer.forged_token())["signed"] is False

    def test_what_cannot_be_read_is_said(self, app: Flask) -> None:
        lines = run(app, "opaque").stdout.splitlines()
        assert "Header: cannot be decoded" in lines
        assert "Claims: cannot be decoded" in lines
        assert lines[-1].startswith("opaque: The token is opaque")

    def test_an_outage_is_no_refusal(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        with RawServer(respond("503 Service Unavailable")) as server:
            result = run(make_app(AUTH0_JWKS_URL=server.url), issuer.token())
        assert result.exit_code == 1
        assert "This app: cannot be decided now (key_set_unavailable)" in result.stdout

    def test_a_bound_token_is_accepted_with_its_proof(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app(AUTH0_DPOP="allowed", TRUSTED_HOSTS=[".example.com"])
        result = run(app, issuer.token(cnf={"jkt": "x"}))
        assert result.exit_code == 0
        assert "warn  binding     accepted only with a DPoP proof by the key that it is bound to" in result.stdout
        assert result.stdout.splitlines()[-1] == "This app: accepted, with its proof"

    @pytest.mark.parametrize("arguments", [[], ["--json"], ["--path", "/nowhere"], ["--no-such-option"]])
    def test_no_output_holds_any_part_of_a_token(self, app: Flask, issuer: LocalIssuer, arguments: list[str]) -> None:
        opaque, good = "T3bY9sLx0", issuer.token()
        for token in (good, issuer.forged_token(), good[:-20], f"{good}=", opaque, f"v1.{opaque}", f"a.b.c.d.{opaque}"):
            for result in (run(app, *arguments, token), run(app, *arguments, token, token)):
                assert isinstance(result.exception, SystemExit | None)
                assert all(part not in result.output for part in token.split(".") if len(part) > 4)

    @pytest.mark.parametrize(
        "hostile", ["\x1b[31mred", "\x9b31m", "a\nok    form  fake", "\u202egnp", "\u2028", "\x00"]
    )
    def test_no_terminal_obeys_a_token(self, app: Flask, issuer: LocalIssuer, hostile: str) -> None:
        """Whether it says it in a value, in a name, in the header or in what a mistake quotes."""
        claims: dict[str, Any] = {"iss": hostile, "aud": hostile, "nested": {hostile: [hostile]}, hostile: 1}
        output = run(app, issuer.token(headers={"kid": hostile}, **claims)).output
        assert all(line.isprintable() for line in output.splitlines())
        assert hostile not in output
        assert "\nok    form  fake" not in output

    @pytest.mark.parametrize("value", ["auth0|日本\u202e\x1b[31m", "\x7f", "a\nb", {"\u2028": ["é\x00"]}])
    def test_what_a_terminal_would_obey_is_escaped_once(self, app: Flask, issuer: LocalIssuer, value: Any) -> None:
        lines = run(app, issuer.token(sub="auth0|日本", odd=value)).output.splitlines()
        assert '  sub  "auth0|日本"' in lines
        (shown,) = [line.removeprefix("  odd  ") for line in lines if line.startswith("  odd  ")]
        assert shown.isascii()
        assert shown.isprintable()
        assert json.loads(shown) == value

    def test_long_values_are_cut(self, app: Flask, issuer: LocalIssuer) -> None:
        token = issuer.token(filling="x" * 1000)
        assert max(map(len, run(app, token).output.splitlines())) < 400
        assert document(app, token)["claims"]["filling"] == "x" * 1000

    @pytest.mark.parametrize(
        "text",
        ["1" + "0" * 400, "-1", "1e400", "1e300", "-1e300", "NaN", "Infinity", "true", "null", '"1"', "[]", "{}"],
    )
    @pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
    def test_a_time_may_be_anything(self, app: Flask, issuer: LocalIssuer, name: str, text: str) -> None:
        result = run(app, by_hand(issuer, claims=with_member({"iss": "x"}, name, text)))
        assert isinstance(result.exception, SystemExit)
        assert "UTC" not in result.output

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (0, "0, 1970-01-01 00:00:00 UTC ("),
            (253_402_300_799, "253402300799, 9999-12-31 23:59:59 UTC (in "),
            (1.5, "1.5, 1970-01-01 00:00:01 UTC ("),
        ],
    )
    def test_every_acceptable_time_has_a_date(self, app: Flask, issuer: LocalIssuer, value: float, shown: str) -> None:
        assert f"  exp  {shown}" in run(app, issuer.token(exp=value)).output

    def test_deep_and_empty_content_is_shown(self, app: Flask, issuer: LocalIssuer) -> None:
        """As deep as a token may be; a header or payload of nothing has no lines."""
        deep: Any = 1
        for _ in range(31):
            deep = [deep]
        assert f"  deep  {json.dumps(deep)}" in run(app, issuer.token(deep=deep)).output
        output = run(app, f"{segment({})}.{segment({})}.").output
        assert "Header: UNVERIFIED, anyone could have written this\n\nClaims" in output


API = "api.example.com"
GENUINE, FORGED = LocalIssuer.token, LocalIssuer.forged_token
AS_SCOPE = "permission as scope"


class TestRoute:
    def test_the_demands_of_a_route_are_checked(self, routed: Flask, issuer: LocalIssuer) -> None:
        good = run(routed, "--path", "/scope", issuer.token(scope="read:messages"))
        assert (good.exit_code, "ok  demand      scope read:messages" in good.output) == (0, True)
        bad = run(routed, "--path", "/scope?page=2", issuer.token(scope="write:messages"))
        assert (bad.exit_code, "fail  demand      scope read:messages" in bad.output) == (1, True)
        assert "This app: refused (insufficient_scope)" in bad.output

    @pytest.mark.parametrize(
        ("claims", "statuses", "code"),
        [
            ({"scope": "delete:messages"}, ["ok", "fail"], "insufficient_claims"),
            ({"tier": "gold"}, ["fail", "ok"], "insufficient_scope"),
            ({"tier": "lead"}, ["fail", "fail"], "insufficient_scope"),
        ],
    )
    def test_the_first_demand_that_is_not_met_refuses(
        self, routed: Flask, issuer: LocalIssuer, claims: dict[str, Any], statuses: list[str], code: str
    ) -> None:
        printed = document(routed, "--path", "/scope", "--method", "delete", issuer.token(**claims))
        assert demands_of(printed) == list(zip(statuses, ["scope delete:messages", "claim tier"], strict=True))
        assert printed["code"] == code

    def test_the_demands_of_a_refused_token_are_not_reached(self, routed: Flask, issuer: LocalIssuer) -> None:
        """Nobody knows whose scope it is."""
        printed = document(routed, "--path", "/scope", issuer.forged_token(scope="read:messages"))
        assert demands_of(printed) == [("-", "scope read:messages")]

    @pytest.mark.parametrize("mint", [GENUINE, FORGED])
    def test_no_terminal_obeys_what_a_guard_demands(self, make_app: AppFactory, issuer: LocalIssuer, mint: Any) -> None:
        """The name of a claim may be any text, reached or not."""
        app = make_app()
        app.add_url_rule("/", view_func=requires_claim("\x1b[31mclaim", 1)(lambda: ""))
        output = run(app, "--path", "/", mint(issuer)).stdout
        assert all(line.isprintable() for line in output.splitlines())
        assert r"'claim \x1b[31mclaim'" in output

    def test_hooks_demand_as_well(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app()
        protect(app, "read:all")
        app.add_url_rule("/", view_func=lambda: "")
        assert demands_of(document(app, "--path", "/", issuer.token())) == [("fail", "scope read:all")]

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/any", "any valid token"),
            ("/jwt", "jwt_required"),
            ("/optional", "nothing: the route also accepts requests without a token"),
            ("/public", "nothing: the view is marked @public"),
            ("/static/a.txt", "nothing: one of Flask's own static files"),
            ("/open", "nothing: no guard of this route requires anything"),
            ("/scope --method OPTIONS", "nothing: Flask answers OPTIONS by itself"),
            ("/auth/me", "any valid token"),
            ("/auth/health", "nothing: the view is marked @public"),
        ],
    )
    def test_a_route_may_demand_no_more_than_a_token(
        self, issuer: LocalIssuer, routed: Flask, tmp_path: Path, path: str, text: str
    ) -> None:
        routed.static_folder = str(tmp_path)
        routed.add_url_rule("/static/<path:filename>", "static", routed.send_static_file)
        for token, status in ((issuer.token(), "ok"), (issuer.forged_token(), "-")):
            assert demands_of(document(routed, "--path", *path.split(), token)) == [(status, text)]

    def test_routes_of_ours_demand_what_the_settings_say(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        app = make_app(AUTH0_ADMIN_SCOPE="operate")
        printed = document(app, "--path", "/auth/admin/config", issuer.token(scope="operate"))
        assert demands_of(printed) == [("ok", "scope operate"), ("fail", "permission operate")]
        assert printed["code"] == "insufficient_permissions"

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            ("/nowhere", "GET /nowhere"),
            ("/scope/", "GET /scope/"),
            ("/scope --method PATCH", "PATCH /scope"),
            ("/\x1b[31m", r"'GET /\x1b[31m'"),
            ("/auth/me --method PATCH", "PATCH /auth/me"),
            ("/auth/admin/config", "GET /auth/admin/config"),
            ("/folder/a", "GET /folder/a: the app answers 308 Permanent Redirect, http://localhost/folder/a/"),
            ("/refusing/\x1b[31m", r"'GET /refusing/\x1b[31m'': the app answers 400 Bad Request, not \x1b[31m'"),
        ],
    )
    def test_a_path_without_a_route_is_wrong_usage(
        self, routed: Flask, issuer: LocalIssuer, words: str, problem: str
    ) -> None:
        """And so is one of our own that the settings switch off, or that only refuses a method."""
        result = run(routed, "--path", *words.split(" "), issuer.token())
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.endswith(f"no route matches {problem}\n")

    def test_a_path_that_is_none_is_a_sentence(self, routed: Flask, issuer: LocalIssuer) -> None:
        result = run(routed, "--path", "http://[", issuer.token())
        problem = "Error: The app cannot handle a request for http://[: ValueError.\n"
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", problem)

    @pytest.mark.parametrize(
        "hosts", [[API], [".example.com"], (API, "b.example.com"), {API, "b.example.com"}, API, ".example.com", None]
    )
    def test_the_host_is_one_that_the_app_trusts(self, routed: Flask, issuer: LocalIssuer, hosts: Any) -> None:
        routed.config["TRUSTED_HOSTS"] = hosts
        token = issuer.token(scope="read:messages")
        for path in ("/scope", f"https://{API}/scope"):
            assert run(routed, "--path", path, token).exit_code == 0
        elsewhere = run(routed, "--path", "https://example.org/scope", token)
        assert elsewhere.exit_code == (0 if hosts is None else 2)
        reason = "no route matches GET /scope: the app answers 400 Bad Request, Host 'example.org' is not trusted.\n"
        assert (reason in elsewhere.stderr) is (hosts is not None)

    def test_a_scope_that_is_a_permission_is_named(self, routed: Flask, issuer: LocalIssuer) -> None:
        token = issuer.token(permissions=["read:messages", "delete:messages"])
        (of_route,) = document(routed, "--path", "/scope", token)["mistakes"]
        assert (of_route["mistake"], '"read:messages" in scope' in of_route["cause"]) == ("scope as permission", True)
        (of_app,) = document(routed, token)["mistakes"]
        assert '"delete:messages read:messages" in scope' in of_app["cause"]

    def test_a_permission_that_is_a_scope_is_named(self, routed: Flask, issuer: LocalIssuer) -> None:
        (mistake,) = document(routed, "--path", "/permission/a", issuer.token(scope="read:reports"))["mistakes"]
        assert mistake["mistake"] == AS_SCOPE
        assert "The route requires permission read:reports, but the token has it only in scope." in mistake["cause"]

    @pytest.mark.parametrize(
        ("arguments", "claims", "label"),
        [
            (["/scope"], {"scope": "openid"}, "scope read:messages"),
            (["/scope", "--method", "DELETE"], {}, "scope delete:messages"),
            (["/permission/a"], {"permissions": ["write:reports"]}, "permission read:reports"),
            (["/some"], {"permissions": ["a"]}, "scope a, b"),
        ],
    )
    def test_what_nobody_has_granted_is_named(
        self, routed: Flask, issuer: LocalIssuer, arguments: list[str], claims: dict[str, Any], label: str
    ) -> None:
        """It is in neither place. A claim that is demanded is nothing that Auth0 grants."""
        found = document(routed, "--path", *arguments, issuer.token(**claims))["mistakes"]
        (cause,) = [mistake["cause"] for mistake in found if mistake["mistake"] == "not granted"]
        text = f"The route requires {label}, but the token has it neither in scope nor in permissions."
        assert cause.startswith(text)

    @pytest.mark.parametrize(
        ("path", "mint", "claims", "mistake"),
        [
            ("/permission/a", GENUINE, {"scope": "read:reports", "permissions": ["read:reports"]}, AS_SCOPE),
            ("/permission/a", GENUINE, {"scope": "other"}, AS_SCOPE),
            ("/permission/a", FORGED, {"scope": "read:reports"}, AS_SCOPE),
            ("/scope", GENUINE, {"scope": "read:reports"}, AS_SCOPE),
            ("/scope", GENUINE, {"permissions": ["read:messages"]}, "not granted"),
            ("/permission/a", GENUINE, {"scope": "read:reports"}, "not granted"),
            ("/one", GENUINE, {"scope": "b"}, "not granted"),
            ("/scope", FORGED, {}, "not granted"),
        ],
    )
    def test_what_is_there_not_demanded_or_not_proven_is_not_named(
        self, routed: Flask, issuer: LocalIssuer, path: str, mint: Any, claims: dict[str, Any], mistake: str
    ) -> None:
        found = document(routed, "--path", path, mint(issuer, **claims))["mistakes"]
        assert mistake not in [one["mistake"] for one in found]


class TestAppsOwnRules:
    @pytest.mark.parametrize(
        ("loader", "answer", "code"),
        [
            ("token_in_blocklist_loader", True, "token_revoked"),
            ("token_verification_loader", False, "invalid_claims"),
            ("user_lookup_loader", None, "user_not_found"),
        ],
    )
    def test_a_rule_of_the_app_refuses(
        self, make_app: AppFactory, issuer: LocalIssuer, loader: str, answer: Any, code: str
    ) -> None:
        blueprint = Auth0Blueprint()
        getattr(blueprint.jwt_manager, loader)(lambda header, claims: answer if request.path == "/" else not answer)
        printed = document(make_app(blueprint), issuer.token())
        assert printed["code"] == code
        assert [step["step"] for step in printed["steps"] if step["status"] == "fail"] == ["rules"]

    def test_a_rule_that_breaks_is_a_sentence(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        """Without what it says, which may be anything."""
        blueprint = Auth0Blueprint()
        blueprint.jwt_manager.user_lookup_loader(lambda header, claims: 1 / 0)
        result = run(make_app(blueprint), issuer.token())
        problem = "Error: A function of the app that judges tokens raised ZeroDivisionError.\n"
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", problem)

    def test_a_check_that_breaks_is_a_sentence(self, make_app: AppFactory, issuer: LocalIssuer) -> None:
        """That of `requires_claim`, where a guard would not catch it."""
        app = make_app()
        app.add_url_rule("/", view_func=requires_claim("tier", check=lambda value: 1 / 0)(lambda: ""))
        result = run(app, "--path", "/", issuer.token(tier="gold"))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "ZeroDivisionError" in result.stderr


def test_of_several_issuers_each_is_asked_for_its_own_keys(make_app: AppFactory, issuer: LocalIssuer) -> None:
    """A token passes by the keys of the one that it names, and by no other's."""
    app = make_app()
    domains = {"example.eu.auth0.com": issuer, "login.example.com": LocalIssuer()}
    values = {"AUTH0_DOMAIN": list(domains), "AUTH0_AUDIENCE": issuer.audience, "AUTH0_ALGORITHMS": "RS256"}
    settings = load_settings(values, {})

    def fetch_from_this_machine(url: str, timeout_seconds: float, max_bytes: int, *, no_cache: bool) -> FetchedKeySet:
        domain = url.split("/")[2]
        return fetch(f"{domains[domain].issuer}.well-known/jwks.json", timeout_seconds, max_bytes, no_cache=no_cache)

    with domains["login.example.com"] as other:
        other.rotate()
        state = app.extensions["auth0"]
        app.extensions["auth0"] = assemble(app, settings, None, state.rules, fetch=fetch_from_this_machine)
        assert document(app, issuer.token(iss="https://example.eu.auth0.com/"))["accepted"]
        assert document(app, other.token(iss="https://login.example.com/"))["accepted"]
        wrong = document(app, other.token(iss="https://example.eu.auth0.com/"))
        assert (wrong["code"], [found["mistake"] for found in wrong["mistakes"]]) == ("unknown_key", ["unknown key"])
        elsewhere = document(app, issuer.token(iss="https://auth.example.org/"))
        assert "https://example.eu.auth0.com/" in elsewhere["mistakes"][0]["cause"]
        assert "https://login.example.com/" in elsewhere["mistakes"][0]["cause"]


def typed_in(directory: Path, issuer: LocalIssuer, text: str) -> tuple[dict[str, Any], str]:
    """Type *text* at the prompt. Return the JSON, and what the terminal shows."""
    _, output, seen = typed(directory, environment_of(issuer), ["inspect", "--json"], "Access token: ", text)
    return json.loads(output), seen


def test_on_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path: Path, issuer: LocalIssuer) -> None:
    token = issuer.token()
    printed, seen = typed_in(tmp_path, issuer, token)
    assert printed["accepted"] is True
    assert token[:20] not in seen
    assert "FILE" not in seen


def test_a_token_too_long_for_a_terminal_is_said_to_be_cut_there(tmp_path: Path, issuer: LocalIssuer) -> None:
    """The kernel does it: copying the token again is no help."""
    printed, seen = typed_in(tmp_path, issuer, issuer.token(filling="x" * 4000))
    assert [found["mistake"] for found in printed["mistakes"]] == ["cut off"]
    assert "A terminal line holds at most 4095 characters" in seen
    assert "flask auth0 inspect < FILE" in seen
