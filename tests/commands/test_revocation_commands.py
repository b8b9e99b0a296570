"""``flask auth0 revocations``, ``revoke``, ``lift``, and what ``inspect`` says of a revoked token."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import AppFactory, bearer
from flask import Flask
from programs import FLASK, command, environment_of, run_program, typed

from auth0_blueprint import admin_acted
from auth0_blueprint.cli.revocation_facts import lift_command
from auth0_blueprint.revocation.index import KINDS, SOURCES, Origin, token_digest
from auth0_blueprint.testing import LocalIssuer

USER = pwd.getpwuid(os.getuid()).pw_name
ADMIN: dict[str, Any] = {"scope": "manage:auth0", "permissions": ["manage:auth0"]}
HOSTILE = "a'\x1b[2K\u202e\\\n$(id)ü\U0001f600"
revoke, lift, revocations, inspect = (command(name) for name in ("revoke", "lift", "revocations", "inspect"))


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, str]:
    return {"SECRET_KEY": "s" * 32, "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}


@pytest.fixture
def worker(make_app: AppFactory, shared: dict[str, str]) -> Flask:
    """The app as a worker serves it."""
    return make_app(**shared, AUTH0_SYNC_INTERVAL=0)


@pytest.fixture
def app(make_app: AppFactory, shared: dict[str, str]) -> Flask:
    """The same app as a command loads it: another process, but for the process."""
    return make_app(**shared)


def status_of(worker: Flask, token: str) -> int:
    return worker.test_client().get("/auth/me", headers=bearer(token)).status_code


def documents(app: Flask, *options: str) -> list[dict[str, Any]]:
    document = json.loads(revocations(app, "--json", *options).stdout)
    assert document.keys() == {"revocations", "next_cursor"}
    return list(document["revocations"])


def rows(output: str) -> dict[str, str]:
    """Return the facts about the last revocation in *output*."""
    return dict(line.split("  ", 1) for line in output.rpartition("\n\n")[2].splitlines())


def test_what_is_revoked_here_is_refused_by_workers_until_it_is_lifted(
    app: Flask, worker: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Who did it is the user of this machine, whatever the environment says; and it is logged as what an admin does."""
    heard: list[dict[str, Any]] = []
    admin_acted.connect(lambda _sender, **said: heard.append(said), sender=app, weak=False)
    token = issuer.token(sub="auth0|ada")
    made = revoke(app, "subject", "auth0|ada", "--reason", "left", env={"LOGNAME": "root", "USER": "root"})
    assert (made.exit_code, status_of(worker, token)) == (0, 401)
    facts = {name: text.strip() for name, text in rows(made.stdout).items()}
    assert (facts["revoked"], facts["source"], facts["who"], facts["reason"]) == (
        "subject auth0|ada",
        "command",
        USER,
        "left",
    )
    (one,) = documents(app)
    assert (one["source"], one["actor"], one["event_id"], one["reach"]) == ("command", USER, None, "machine")
    assert facts["to lift it"] == "flask auth0 lift subject 'auth0|ada'"
    lifted = lift(app, *shlex.split(facts["to lift it"])[3:])
    assert (lifted.exit_code, lifted.stdout) == (0, "lifted subject auth0|ada\n")
    assert (status_of(worker, token), documents(app)) == (200, [])
    assert worker.extensions["auth0"].revocations._index.entries["subject"]["auth0|ada"][5] == Origin(
        "command", None, USER
    )
    said = [("revoke", "subject auth0|ada", "left"), ("lift", "subject auth0|ada", None)]
    assert heard == [
        {"action": action, "subject": USER, "client_id": None, "actor": None, "target": target, "reason": reason}
        for action, target, reason in said
    ]
    lines = [line for line in caplog.messages if line.startswith("command line ")]
    assert lines == [
        f"command line '{USER}': revoke 'subject auth0|ada', because 'left'",
        f"command line '{USER}': lift 'subject auth0|ada'",
    ]


@pytest.mark.parametrize("form", ["{}", "Bearer {}\n", '"{}"', " {} "])
def test_a_token_comes_by_standard_input_and_is_never_printed(
    app: Flask, worker: Flask, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    token = issuer.token()
    result = revoke(app, "token", "-", input=form.format(token))
    assert (result.exit_code, status_of(worker, token)) == (0, 401)
    assert token_digest(token) in result.stdout
    listed = revocations(app).stdout
    assert not any(part in f"{result.output}{listed}{caplog.text}" for part in token.split("."))
    assert lift(app, "token", token_digest(token)).exit_code == 0
    assert status_of(worker, token) == 200


def test_a_token_on_the_command_line_is_refused_and_not_repeated(app: Flask, issuer: LocalIssuer) -> None:
    result = revoke(app, "token", token := issuer.token())
    assert (result.exit_code, token in result.output) == (2, False)
    assert 'use "-" for VALUE' in result.output


@pytest.mark.parametrize("wrong", ["expired", "audience", "text", "huge", "bytes"])
def test_what_is_no_valid_token_cannot_be_revoked(app: Flask, issuer: LocalIssuer, wrong: str) -> None:
    claims: dict[str, dict[str, Any]] = {"expired": {"expires_in": -60}, "audience": {"aud": "x"}}
    texts = {"text": b"garbage", "huge": b"x" * 99_999, "bytes": b"\xff\xfe"}
    text = texts.get(wrong) or issuer.token(**claims[wrong])
    result = revoke(app, "token", "-", input=text)
    assert (result.exit_code, result.stdout) == (1 if wrong in ("expired", "audience", "text") else 2, "")
    assert documents(app) == []


def test_nothing_at_all_is_no_token(app: Flask) -> None:
    assert (result := revoke(app, "token", "-", input="")).exit_code == 2
    assert "must not be empty" in result.output


def test_on_a_terminal_the_token_is_asked_for_without_echo(
    tmp_path: Path, shared: dict[str, str], app: Flask, issuer: LocalIssuer
) -> None:
    settings = {**environment_of(issuer), "AUTH0_CACHE_SECRET": "s" * 32}
    token = issuer.token()
    status, _, shown = typed(tmp_path, settings, ["revoke", "token", "-"], "Access token", token)
    assert (status, token in shown, "share no revocations" in shown) == (1, False, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["jti", ""], "must not be empty"),
        (["jti", "x" * 1025], "must be at most 1024 characters"),
        (["jti", "a", "--reason", "x" * 501], "must be at most 500 characters"),
        (["jti", "\udcff"], "must be text in UTF-8"),
        (["kind", "a"], "'kind' is not one of"),
        (["jti"], "Missing argument 'VALUE'"),
    ],
)
def test_wrong_usage_changes_nothing_and_is_2(app: Flask, arguments: list[str], text: str) -> None:
    result = revoke(app, *arguments)
    assert (result.exit_code, text in result.output, documents(app)) == (2, True, [])


def test_an_address_needs_a_claim_for_it(make_app: AppFactory, app: Flask, shared: dict[str, str]) -> None:
    result = revoke(app, "email", "ada@example.com")
    assert (result.exit_code, "no token would match" in result.output) == (1, True)
    sender = {
        "issuer": "https://i.example/",
        "jwks_url": "https://i.example/jwks",
        "audience": "a",
        "email_claim": "email",
    }
    app = make_app(**shared, AUTH0_EVENT_TRANSMITTERS=[sender])
    assert revoke(app, "email", "Ada@Example.com").exit_code == 0
    assert [one["value"] for one in documents(app, "--kind", "email", "--prefix", "ADA")] == ["ada@example.com"]
    assert lift(app, "email", "ADA@example.com").exit_code == 0


def test_what_is_not_revoked_cannot_be_lifted(app: Flask) -> None:
    result = lift(app, "jti", "a")
    assert (result.exit_code, result.output) == (1, "Error: There is no such revocation.\n")


def test_the_list_is_a_table_of_what_was_chosen_the_newest_first(app: Flask, worker: Flask) -> None:
    made = worker.extensions["auth0"].revocations
    for kind in KINDS[1:3]:
        for source in SOURCES:
            made.revoke(kind, f"{source}-v", f"why {source}", Origin(source, "e", f"who {source}"))
    made.revoke("jti", "old", None)
    lines = revocations(app).stdout.splitlines()
    assert lines[0].split("  ")[0] == "KIND"
    assert [line.split()[:2] for line in lines[1:3]] == [["jti", "old"], ["subject", "global-token-revocation-v"]]
    assert ("who security" in lines[4], "why security" in lines[4], len(lines)) == (True, True, 14)
    assert [
        len(documents(app, *options))
        for options in (
            ["--kind", "jti"],
            ["--source", "admin"],
            ["--prefix", "log"],
            ["--limit", "3"],
            ["--kind", "jti", "--source", "admin", "--prefix", "x"],
        )
    ] == [7, 2, 2, 3, 0]
    limited = revocations(app, "--limit", "12").stdout.splitlines()
    assert (len(limited), limited[-1][:23]) == (14, "There are more than 12:")
    assert revocations(app, "--limit", "0").exit_code == 2


def test_nothing_that_was_stored_is_obeyed_by_a_terminal(app: Flask, worker: Flask, issuer: LocalIssuer) -> None:
    """Wherever it is printed; and the command that is shown lifts it in a real shell."""
    worker.extensions["auth0"].revocations.revoke("subject", HOSTILE, HOSTILE, Origin("auth0", HOSTILE, HOSTILE))
    shown = inspect(app, issuer.token(sub=HOSTILE)).stdout
    for output in (revocations(app).stdout, revocations(app, "--json").stdout, shown):
        assert not any(character in output for character in "\x1b\u202e")
    assert documents(app)[0]["value"] == HOSTILE
    words = rows(shown)["to lift it"].strip().removeprefix("flask auth0 ")
    argv = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    assert argv.decode().split("\0")[:-1] == ["lift", "subject", HOSTILE]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("-x", "lift -- jti -x"),
        ("--", "lift -- jti --"),
        ("a b", "lift jti 'a b'"),
        ("a'b", "lift jti 'a'\"'\"'b'"),
        ("\0", None),
    ],
)
def test_the_command_that_is_shown_lifts_it(app: Flask, value: str, words: str | None) -> None:
    """Also what looks like an option; what no argument can hold is lifted by the request."""
    app.extensions["auth0"].revocations.revoke("jti", value, None)
    (one,) = app.extensions["auth0"].revocations.newest(9)
    assert lift_command(one) == (None if words is None else f"flask auth0 {words}")
    if words is not None:
        assert command()(app, *shlex.split(words)).exit_code == 0


def test_inspect_says_which_revocation_since_when_who_why_and_how_to_lift_it(
    app: Flask, worker: Flask, issuer: LocalIssuer
) -> None:
    """All of them, the newest first; each lifted as is said, the token is accepted."""
    token = issuer.token(sub="auth0|a b/c", sid="s1")
    made = worker.extensions["auth0"].revocations
    made.revoke_up_to(time.time() + 9, "session", "s1", "logout", Origin("logout", "e1", issuer.issuer))
    made.revoke("subject", "auth0|a b/c", "left", Origin("admin", None, "auth0|grace"))
    result = inspect(app, token)
    assert result.exit_code == 1
    verdict, first, second = result.stdout.rstrip().rsplit("\n\n", 2)
    assert verdict.endswith("This app: refused (token_revoked)")
    facts = [{name: text.strip() for name, text in rows(block).items()} for block in (first, second)]
    assert [block["revoked"] for block in facts] == ["subject auth0|a b/c", "session s1"]
    subject, session = facts
    assert "event" not in subject
    assert [subject[name] for name in ("source", "who", "reason")] == ["admin", "auth0|grace", "left"]
    assert [session[name] for name in ("source", "event", "who", "reason")] == ["logout", "e1", issuer.issuer, "logout"]
    assert {subject["since"][:10], subject["issued up to"][:10]} <= {
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - age)) for age in (0, 60)
    }
    method, path = subject["or"].split(" ")
    assert path == "/auth/admin/revocations/subject/auth0%7Ca%20b%2Fc"
    named = json.loads(inspect(app, "--json", token).stdout)["revocations"]
    assert [(one["kind"], one["source"], one["event_id"]) for one in named] == [
        ("subject", "admin", None),
        ("session", "logout", "e1"),
    ]
    answer = worker.test_client().open(path, method=method, headers=bearer(issuer.token(**ADMIN)))
    assert answer.status_code == 200
    assert command()(app, *shlex.split(session["to lift it"])[2:]).exit_code == 0
    assert inspect(app, token).exit_code == 0
    assert status_of(worker, token) == 200


def test_inspect_names_the_revocation_of_the_token_itself(app: Flask, worker: Flask, issuer: LocalIssuer) -> None:
    token = issuer.token()
    state = worker.extensions["auth0"]
    state.revocations.revoke_token(state.sequence.prove(token), token, None)
    assert rows(inspect(app, token).stdout)["revoked"].strip() == f"token {token_digest(token)}"


def test_inspect_names_no_revocation_where_that_is_not_why(app: Flask, worker: Flask, issuer: LocalIssuer) -> None:
    """Nor anything in a route that is off."""
    for token in (issuer.token(), issuer.token(expires_in=-60)):
        assert json.loads(inspect(app, "--json", token).stdout)["revocations"] == []
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert json.loads(inspect(app, "--json", issuer.token()).stdout)["revocations"] == []


def test_without_admin_routes_no_request_is_shown(
    make_app: AppFactory, shared: dict[str, str], issuer: LocalIssuer
) -> None:
    app = make_app(**shared, AUTH0_ADMIN=False)
    assert "or" not in rows(revoke(app, "jti", "a").stdout)


COMMANDS = [("revocations",), ("revocations", "--json"), ("revoke", "jti", "a"), ("lift", "jti", "a")]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "The processes of this app share no revocations"),
        ({"AUTH0_REVOCATION": False}, "AUTH0_REVOCATION is off"),
        (
            {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:9/0"},
            "The shared cache cannot be used right now",
        ),
    ],
)
def test_where_nothing_is_shared_or_the_store_is_away_that_is_said(
    make_app: AppFactory, words: tuple[str, ...], settings: dict[str, Any], text: str
) -> None:
    """A list that is empty for that reason would be a lie."""
    result = command(*words)(make_app(SECRET_KEY="s" * 32, **settings))
    assert (result.exit_code, result.stdout) == (1, "")
    assert text in result.stderr


def test_the_real_commands_change_what_a_worker_knows(
    tmp_path: Path, shared: dict[str, str], worker: Flask, issuer: LocalIssuer
) -> None:
    """As programs of their own."""
    program = (
        "from flask import Flask\nfrom auth0_blueprint import Auth0Blueprint\n"
        f"def create_app():\n    app = Flask('tested')\n    app.config.update({shared!r})\n"
        "    app.register_blueprint(Auth0Blueprint())\n    return app\n"
    )
    for words, status in ((["revoke", "subject", "auth0|ada"], 401), (["lift", "subject", "auth0|ada"], 200)):
        run = run_program(tmp_path, [*FLASK, *words], app=program, **environment_of(issuer))
        assert (run.returncode, "Traceback" in run.stderr) == (0, False), run.stderr
        assert status_of(worker, issuer.token(sub="auth0|ada", iat=int(time.time()) - 5)) == status
