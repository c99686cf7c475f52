"""`raibid reconcile`: what is asked of the API, and what people read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from raibid.cli import reconcile
from raibid.contract import ExitCode

from tests.cli.conftest import FakeApi

Raibid = Callable[..., tuple[int, str, str]]
SHA = "5" * 40
WISH = b'{"process": "p1", "round": 7, "looks": []}'


def report(number: int, process: str = "p1", **forge: Any) -> bytes:
    now = time.time()
    one = {
        "forge": "gitea", "at": now, "seconds": 1.5, "repositories": 3, "looked": 3, "heads": 9, "questions": 7,
        "outcomes": {"created": 1}, "errors": [], "complete": True, "oldest": now, **forge,
    }  # fmt: skip
    healed = {
        "at": now, "forge": "gitea", "repo": "acme/anvil", "ref": "refs/heads/main", "sha": SHA, "job": "j1",
        "outcome": "created",
    }  # fmt: skip
    return json.dumps({"process": process, "round": number, "forges": [one], "healed": [healed]}).encode()


def test_all_is_looked_at_and_the_round_that_was_asked_for_is_waited_for(api: FakeApi, raibid: Raibid) -> None:
    api.on("POST", "/reconcile", WISH, status=202)
    api.on("GET", "/reconcile", report(6), report(6), report(7))
    code, out, err = raibid("reconcile")
    assert code == 0
    assert "acme/anvil" in out
    assert "1 created" in out
    assert "asking the forges" in err


def test_an_api_that_restarts_under_way_is_not_waited_for(api: FakeApi, raibid: Raibid) -> None:
    api.on("POST", "/reconcile", WISH, status=202)
    api.on("GET", "/reconcile", report(6), report(1, process="p2"))
    code, _, err = raibid("reconcile")
    assert code == ExitCode.UNAVAILABLE
    assert "another process" in err


def test_another_processs_later_round_is_not_the_one_that_was_asked_for(api: FakeApi, raibid: Raibid) -> None:
    api.on("POST", "/reconcile", WISH, status=202)
    api.on("GET", "/reconcile", report(9, process="p2"))
    assert raibid("reconcile")[0] == ExitCode.UNAVAILABLE


def test_a_round_that_does_not_end_is_not_waited_for_for_ever(
    api: FakeApi, raibid: Raibid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "_PATIENCE", 0.0)
    api.on("POST", "/reconcile", WISH, status=202)
    api.on("GET", "/reconcile", report(6))
    code, _, err = raibid("reconcile")
    assert code == ExitCode.UNAVAILABLE
    assert "has not ended" in err


def test_the_last_round_is_shown_without_asking_any_forge(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/reconcile", report(6, errors=["ForgeSilent: no answer"]))
    code, out, _ = raibid("reconcile", "--last")
    assert code == 0
    assert "ForgeSilent: no answer" in out
    assert {request.method for request in api.requests} == {"GET"}


def test_one_repository_shows_what_became_of_its_heads(api: FakeApi, raibid: Raibid) -> None:
    settled = [
        {"ref": "refs/heads/main", "sha": SHA, "outcome": "created", "job": "j1"},
        {"ref": "refs/heads/side", "sha": SHA, "outcome": "skipped", "reason": "branch side is not selected"},
    ]
    look = {"forge": "gitea", "repo": "acme/anvil", "heads": 2, "settled": settled}
    api.on("POST", "/reconcile", json.dumps({"process": "p1", "round": 3, "looks": [look]}).encode())
    code, out, _ = raibid("reconcile", "acme/anvil")
    assert code == 0
    assert "heads 2, moved 2" in out
    assert "branch side is not selected" in out
    assert api.requests[0].path == "/reconcile?repo=acme%2Fanvil"


def test_json_is_the_apis_answer(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/reconcile", report(6))
    _, out, _ = raibid("reconcile", "--last", "--json")
    assert json.loads(out)["healed"][0]["job"] == "j1"


def test_a_repository_that_no_forge_has_is_not_found(api: FakeApi, raibid: Raibid) -> None:
    code, _, err = raibid("reconcile", "acme/none")
    assert code == 7
    assert "no such thing" in err
