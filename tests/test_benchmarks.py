"""The programs behind ``make bench``, in small: they measure what guards, and say what they have measured."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from fleet.redis_server import needed_redis_server
from servers import Answer, RawServer, respond

from auth0_blueprint.testing import LocalIssuer
from benchmarks import builds, growth, kinds, revocations
from benchmarks import guard as guard_benchmark
from benchmarks.guard import BLOCK, RUN_IN, Variant, measure, requests_to
from benchmarks.guarded_apps import GUARDS, OURS, PATH, Guard, Minter, Tenant, bare, bearer, open_with
from benchmarks.memory import TOKEN_BYTES, make_tokens
from benchmarks.reporting import Target, verdict
from benchmarks.server import Client

ROOT = Path(__file__).parents[1]


def status_of(client: FlaskClient, token: str | None) -> int:
    return client.get(PATH, headers=bearer(token)).status_code


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.is_installed], ids=lambda guard: guard.name)
def test_what_is_measured_guards(guard: Guard, issuer: LocalIssuer) -> None:
    client = guard.make(Tenant.of(issuer)).test_client()
    guard.check(partial(status_of, client), Minter(issuer))


def test_what_does_not_guard_is_not_measured(issuer: LocalIssuer) -> None:
    client = bare(Tenant.of(issuer)).test_client()
    with pytest.raises(RuntimeError, match="answers 200 to no token, and not 401"):
        OURS.check(partial(status_of, client), Minter(issuer))


def test_a_request_that_is_refused_is_not_counted(issuer: LocalIssuer) -> None:
    work, minter = requests_to(OURS.make(Tenant.of(issuer))), Minter(issuer)
    assert work([minter.token()]) > 0
    with pytest.raises(RuntimeError, match="not every request was admitted"):
        work([minter.token(), minter.forged_token()])


def test_what_is_measured_in_the_open_view_gets_the_token_and_guards_nothing() -> None:
    steps: list[str] = []
    answer = open_with(steps.append).test_client().get(PATH, headers=bearer("any text"))
    assert (answer.status_code, steps) == (200, ["any text"])


def test_each_fresh_token_is_used_once_and_each_block_stands_beside_one_of_the_open_view() -> None:
    seen: dict[str, list[str]] = {"warm": [], "fresh": [], "open": []}

    def work(name: str, seconds: float, tokens: Sequence[str]) -> float:
        seen[name] += tokens
        return seconds

    fresh = [f"fresh-{number}" for number in range(2 * BLOCK)]
    warm_one, fresh_one = (Variant(name, name, partial(work, name, 3.0)) for name in ("warm", "fresh"))
    measure([warm_one, fresh_one], partial(work, "open", 2.0), "again", fresh)
    assert [token for token in seen["fresh"] if token != "again"] == fresh
    assert seen["warm"] == ["again"] * 2 * (RUN_IN + BLOCK)
    assert seen["open"] == 2 * seen["warm"]
    assert warm_one.ratios == fresh_one.ratios == [1.5, 1.5]


def test_two_checkouts_are_measured_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    assert builds.main([str(ROOT), "--quick", "--only", "verify_token|signature"]) == 0
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines() if " to " in row]
    assert [row[0].removeprefix("| ") for row in rows] == [builds.SEEN, builds.PROVING, builds.FLOOR, builds.BEYOND]
    assert all(float(us) > 0 for row in rows for us in row[1:3])
    assert 0.5 < float(rows[0][3]) < 2  # the same code


def test_what_grows_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "SIZES", dict.fromkeys(growth.SIZES, (1, 2)))
    assert growth.main(["--quick"]) == 0
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines()[6:-1]]
    assert [row[:2] for row in rows] == [[f"| {what}", count] for what in growth.SIZES for count in ("1", "2")]
    assert all(float(us) > 0 for row in rows for us in (row[2], row[4]))


def test_each_kind_of_signature_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert kinds.main(["--quick"]) == 0
    rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines()[6:-1]]
    assert [row[0] for row in rows] == list(kinds.KINDS)
    assert all(0 < float(row[1]) < float(row[2]) for row in rows)


def test_another_folder_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no checkout of this package"):
        builds.main([str(tmp_path), "--quick"])


def test_targets_are_judged_and_missing_peers_named(capsys: pytest.CaptureFixture[str]) -> None:
    kept = [Target("at most", 1.0, 1.0), Target("at least", 5, 5, is_least=True)]
    assert verdict(kept, ["Authlib"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "not installed, and so not measured: Authlib",
        "",
        "at most: 1.00, target <= 1.0: kept",
        "at least: 5, target >= 5: kept",
    ]
    assert verdict([*kept, Target("too much", 1.01, 1.0)]) == 1
    assert verdict([*kept, Target("too little", 4, 5, is_least=True)]) == 1
    assert "too much: 1.01, target <= 1.0: NOT KEPT" in capsys.readouterr().out


def test_every_target_is_that_of_a_guard_that_is_always_measured() -> None:
    names = {guard.name for guard in GUARDS if guard.module == "auth0_blueprint"}
    assert {name for name, _tokens in guard_benchmark.TARGETS} == names


def test_remembered_tokens_are_of_the_size_and_differ(issuer: LocalIssuer) -> None:
    tokens = make_tokens(Minter(issuer), 3)
    assert all(abs(len(token) - TOKEN_BYTES) <= 1 for token in tokens)
    assert len(set(tokens)) == 3


def test_revocations_are_measured_from_the_first_to_those_written_back() -> None:
    needed_redis_server()
    figures = revocations.measured(revocations.ROOT, 30)
    assert figures["Redis: keys"] == 1
    assert figures["Redis: bytes each"] > 50
    assert {name for name in figures if name.startswith(("a new process has all", "30 written back"))} == {
        "a new process has all, s",
        "30 written back into an empty Redis, s",
    }


def answer_of(server: RawServer) -> bytes:
    client = Client(server.url)
    with closing(client.connection):
        return client.answer(b"GET / HTTP/1.1\r\n\r\n")


def test_a_client_of_the_server_takes_a_whole_answer() -> None:
    with RawServer(respond(body=b"whole")) as server:
        assert answer_of(server) == b"whole"


@pytest.mark.parametrize("answer", [respond("401 Unauthorized"), respond(body=b"", Content_Length="4")])
def test_a_client_of_the_server_takes_no_other_answer(answer: Answer) -> None:
    with RawServer(answer) as server, pytest.raises(RuntimeError, match="not the answer to a good token"):
        answer_of(server)
