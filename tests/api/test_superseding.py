"""Pushes to a side branch through the webhook: the newest one is built, the others' commits say why they are not."""

from __future__ import annotations

import json
from typing import Any

from raibid.forge.commit_status import status_of
from raibid.model.job import JobStatus

from tests.api.conftest import PUSH, Api

ZERO = "0" * 40


def push(api: Api, sha: str, before: str = "", *, branch: str = "feature") -> dict[str, Any]:
    payload = json.loads(PUSH)
    payload |= {"ref": f"refs/heads/{branch}", "after": sha * 40, "before": before * 40 or ZERO}
    answer = api.deliver(json.dumps(payload).encode())
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_newer_push_of_a_side_branch_supersedes_the_older_one(api: Api) -> None:
    old, new = push(api, "a"), push(api, "b", "a")
    shown = api.reader.get(f"/jobs/{old['id']}").json()
    assert (shown["status"], shown["superseded_by"]) == ("cancelled", new["id"])
    assert api.reader.get(f"/jobs/{old['id']}/why").json()["sentence"] == f"cancelled: superseded by {new['id']}"
    job = api.ledger.records.get(old["id"])
    assert job is not None
    assert status_of(job, "").description == f"cancelled: superseded by {new['id']}"
    assert push(api, "a") == {"id": old["id"], "created": False, "status": "cancelled"}
    assert api.reader.get(f"/jobs/{new['id']}").json()["status"] == "queued"


def test_pushes_delivered_the_wrong_way_round_build_the_newer_one(api: Api) -> None:
    new, late = push(api, "b", "a"), push(api, "a")
    assert late["status"] == JobStatus.CANCELLED
    assert api.reader.get(f"/jobs/{new['id']}").json()["status"] == "queued"


def test_every_push_of_the_default_branch_is_built(api: Api) -> None:
    pushes = [push(api, "a", branch="main"), push(api, "b", "a", branch="main")]
    assert json.loads(PUSH)["repository"]["default_branch"] == "main"
    assert [api.reader.get(f"/jobs/{one['id']}").json()["status"] for one in pushes] == ["queued", "queued"]


def test_a_branch_of_another_name_is_left_alone(api: Api) -> None:
    one, other = push(api, "a", branch="one"), push(api, "b", branch="two")
    assert {api.reader.get(f"/jobs/{each['id']}").json()["status"] for each in (one, other)} == {"queued"}
