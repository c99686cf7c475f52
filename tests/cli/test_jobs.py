"""Client commands against an API at the other end of a socket."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from raibid.contract import ExitCode
from raibid.model.job import Job, JobSpec, JobStatus, Report, StepReport
from raibid.model.pod import PodEnding

from tests.cli.conftest import FakeApi

Raibid = Callable[..., tuple[int, str, str]]

SPEC = JobSpec(repo="acme/anvil", clone_url="https://git.example/acme/anvil.git", ref="refs/heads/main", sha="a" * 40)
JOB = Job(
    id="0r4d0k3n5q1zj8wb",
    spec=SPEC,
    status=JobStatus.FAILED,
    reason="test: exit code 101",
    created=1.0,
    started=3.0,
    finished=66.0,
    report=Report(steps=(StepReport(name="test", outcome="failed", seconds=61.0, exit_code=101),)),
)


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def test_jobs_sends_the_filters_and_the_token(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/jobs", encoded({"jobs": [JOB], "cursor": ""}))
    code, out, _ = raibid("jobs", "--status", "failed", "--status", "dead", "--repo", "acme/anvil")
    assert code == 0
    assert "acme/anvil" in out
    assert "1 min 03 s" in out
    [request] = api.requests
    assert request.path == "/jobs?limit=25&status=failed&status=dead&repo=acme%2Fanvil"
    assert request.headers["Authorization"] == "Bearer t0ken-of-the-test"


def test_jobs_as_json_is_one_document_on_stdout(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/jobs", encoded({"jobs": [JOB], "cursor": "0r4d0k3n5q1zj8wb"}))
    code, out, err = raibid("jobs", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["jobs"][0]["id"] == JOB.id
    assert answer["cursor"] == JOB.id


def test_a_held_job_names_what_it_waits_for_and_an_approved_one_by_whom(api: FakeApi, raibid: Raibid) -> None:
    spec = msgspec.structs.replace(SPEC, fork="eve/anvil")
    held = Job(id=JOB.id, spec=spec, status=JobStatus.HELD, created=1.0)
    api.on("GET", "/jobs", encoded({"jobs": [held]}))
    assert {"approval", "eve/anvil"} <= set(raibid("jobs", "--status", "held")[1].split())
    approved = msgspec.structs.replace(held, status=JobStatus.QUEUED, approved_by="ada, who may push")
    api.on("GET", f"/jobs/{JOB.id}", encoded(approved))
    assert "ada, who may push" in raibid("show", JOB.id)[1]


def test_show_says_how_the_agent_of_each_lost_attempt_ended(api: FakeApi, raibid: Raibid) -> None:
    evicted = PodEnding(pod="ci-agent-x", node="dgx", reason="Evicted", message="node low on memory", attempt=1)
    oom = PodEnding(pod="ci-agent-y", node="dgx", reason="OOMKilled", exit_code=137, attempt=2)
    api.on("GET", f"/jobs/{JOB.id}", encoded(msgspec.structs.replace(JOB, pods=(evicted, oom))))
    code, out, _ = raibid("show", JOB.id)
    assert code == 0
    *_, first, second = [line.split() for line in out.splitlines() if line]
    assert first[:3] == ["1", "ci-agent-x", "dgx"]
    assert "Evicted: node low on memory" in out
    assert " ".join(second).endswith("OOMKilled (exit code 137)")


def test_show_names_the_failing_step(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", f"/jobs/{JOB.id}", encoded(JOB))
    code, out, _ = raibid("show", JOB.id)
    assert code == 0
    assert "test: exit code 101" in out
    assert "61 s" in out or "1 min 01 s" in out


def test_why_is_the_sentence(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", f"/jobs/{JOB.id}/why", encoded({"sentence": "3rd in queue; the queue is paused"}))
    assert raibid("why", JOB.id)[1] == "3rd in queue; the queue is paused\n"


def test_run_completes_the_ref_and_reads_parameters(api: FakeApi, raibid: Raibid) -> None:
    api.on("POST", "/jobs", encoded({"id": JOB.id, "created": True, "status": "queued"}), status=201)
    code, out, _ = raibid("run", "acme/anvil", "--clone-url", SPEC.clone_url, "--param", "A=b=c", "--ref", "dev")
    assert code == 0
    assert JOB.id in out
    body = json.loads(api.requests[0].body)
    assert body["ref"] == "refs/heads/dev"
    assert body["params"] == {"A": "b=c"}


def test_a_parameter_without_a_value_is_wrong_use(api: FakeApi, raibid: Raibid) -> None:
    assert raibid("run", "acme/anvil", "--clone-url", SPEC.clone_url, "--param", "A")[0] == ExitCode.USAGE
    assert api.requests == []


def test_limits_are_changed_by_name_and_removed_by_nothing(api: FakeApi, raibid: Raibid) -> None:
    depth = {
        "stream": 0, "claimed": 0, "pending": 0, "waiting": 0, "held": 0, "dead": 0, "window": 4, "paused": False,
        "repos": {}, "claimed_repos": {}, "resources": {}, "claimed_resources": {}, "limits": {"repo:a/b": 2},
        "admit_errors": 0,
    }  # fmt: skip
    api.on("PUT", "/queue/limits", encoded(depth))
    code, out, _ = raibid("limits", "--repo", "a/b=2", "--resource", "gpu=")
    assert code == 0
    assert "repo:a/b" in out
    assert json.loads(api.requests[0].body) == {"repositories": {"a/b": 2}, "resources": {"gpu": None}}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ExitCode.REFUSED),
        (403, ExitCode.REFUSED),
        (404, ExitCode.NOT_FOUND),
        (409, ExitCode.FAILED),
        (422, ExitCode.USAGE),
        (503, ExitCode.UNAVAILABLE),
    ],
)
def test_a_refusal_is_its_exit_code_with_what_to_do_next(status: int, code: int, api: FakeApi, raibid: Raibid) -> None:
    api.on("POST", f"/jobs/{JOB.id}/cancel", encoded({"error": "not now", "remedy": "later"}), status=status)
    got, out, err = raibid("cancel", JOB.id)
    assert got == code
    assert out == ""
    assert err.startswith("raibid: not now\n  next: ")


def test_something_else_at_the_address_is_said_so(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/jobs", b"<html>a printer</html>")
    code, _, err = raibid("jobs")
    assert code == ExitCode.FAILED
    assert "does not answer like raibid's API" in err


def test_no_api_is_unavailable_and_names_the_remedy(
    raibid: Raibid, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("RAIBID_API_URL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    code, _, err = raibid("jobs")
    assert code == ExitCode.UNAVAILABLE
    assert "raibid up" in err
