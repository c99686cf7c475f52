"""Webhook deliveries over real HTTP: what is accepted, what is refused, and that no refusal leaves a job behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.api.settings import Settings
from raibid.forge import sign
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer

from tests.api.conftest import PUSH, SECRET, Api, payload, served, talk
from tests.waiting import until

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"


def jobs(api: Api) -> int:
    return len(api.ledger.records.page(limit=500).jobs)


def test_a_signed_push_is_a_job_when_the_answer_comes(api: Api) -> None:
    answer = api.deliver()
    assert answer.status_code == 200
    assert answer.json() == {"id": answer.json()["id"], "created": True, "status": "queued"}
    job = api.ledger.records.get(answer.json()["id"])
    assert job is not None
    assert (job.spec.repo, job.spec.branch, job.spec.forge) == ("acme/anvil", "main", "gitea")


def test_github_pushes_are_taken_too(api: Api) -> None:
    body = (FIXTURES / "github-push.json").read_bytes()
    assert api.deliver(body, forge="github").json()["created"]


def test_the_same_delivery_twice_gives_the_same_id(api: Api) -> None:
    first, second = api.deliver(), api.deliver(X_Gitea_Delivery="another")
    assert first.json()["id"] == second.json()["id"]
    assert (first.json()["created"], second.json()["created"]) == (True, False)
    assert jobs(api) == 1


def test_concurrent_deliveries_each_get_their_own_answer(api: Api) -> None:
    bodies = [payload(ref=f"refs/heads/b{i % 20}") for i in range(60)]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda body: api.deliver(body).json(), bodies))
    by_id = {a["id"]: api.ledger.records.get(a["id"]) for a in answers}
    assert [by_id[a["id"]].spec.ref for a in answers] == [f"refs/heads/b{i % 20}" for i in range(60)]  # type: ignore[union-attr]
    assert sum(a["created"] for a in answers) == len(by_id) == 20


@pytest.mark.parametrize("secret", [b"another-secret-entirely", b""])
def test_a_wrong_signature_is_401(api: Api, secret: bytes) -> None:
    assert api.deliver(secret=secret).status_code == 401
    assert jobs(api) == 0


def test_an_absent_signature_is_401_whatever_the_body(api: Api) -> None:
    for body in (PUSH, b"", b"{", b"\xff"):
        answer = api.anonymous.post("/webhook/gitea", content=body, headers={"X-Gitea-Event": "push"})
        assert answer.status_code == 401
        assert answer.json()["remedy"]
    assert jobs(api) == 0


def test_both_secrets_are_valid_during_rotation(
    make_settings: Callable[..., Settings], ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "two").write_bytes(b"# new\nnew-secret-of-the-tests\n\n# old\n" + SECRET + b"\n")
    with served(make_settings(webhook_secrets_file=tmp_path / "two"), ledger) as api:
        assert api.deliver().status_code == 200
        assert api.deliver(secret=b"new-secret-of-the-tests").status_code == 200


def test_malformed_json_is_400(api: Api) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000, b'{"x":' + b"[" * 100_000, b"{}"):
        assert api.deliver(body).status_code == 400
    assert jobs(api) == 0


def test_another_content_type_is_415(api: Api) -> None:
    assert api.deliver(Content_Type="application/x-www-form-urlencoded").status_code == 415


@pytest.mark.parametrize("event", ["ping", "issues", "pull_request_comment", "anything"])
def test_an_unknown_event_is_204(api: Api, event: str) -> None:
    answer = api.deliver(b"{}", X_Gitea_Event=event)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.deliver(b"{}", forge="github", X_GitHub_Event=event).status_code == 204


@pytest.mark.parametrize(
    ("fixture", "reason"),
    [("gitea-branch-deleted", "deleted"), ("gitea-tag", "tags"), ("gitea-skip-ci", "skip CI"), ("github-tag", "tags")],
)
def test_what_is_not_built_is_200_with_the_reason(api: Api, fixture: str, reason: str) -> None:
    answer = api.deliver((FIXTURES / f"{fixture}.json").read_bytes(), forge=fixture.partition("-")[0])
    assert answer.status_code == 200
    assert reason in answer.json()["skipped"]
    assert jobs(api) == 0


def test_the_enrolment_file_filters_limits_and_holds(
    make_settings: Callable[..., Settings], ledger: Ledger, tmp_path: Path
) -> None:
    rules = tmp_path / "enrolment.yaml"
    rules.write_text("repositories: {acme/anvil: {branches: [main], paths: ['src/**'], limit: 3, approval: true}}")
    with served(make_settings(enrolment_file=rules), ledger) as api:
        until(lambda: ledger.depth().limits == {"repo:acme/anvil": 3})
        assert api.deliver().json()["status"] == "held"
        assert "branch dev" in api.deliver(payload(ref="refs/heads/dev")).json()["skipped"]
        unlisted = PUSH.replace(b'"acme/anvil"', b'"acme/rocket"')
        assert "not in the enrolment" in api.deliver(unlisted).json()["skipped"]


def test_a_push_that_touches_no_selected_file_is_200_with_the_reason(
    make_settings: Callable[..., Settings], ledger: Ledger, tmp_path: Path
) -> None:
    rules = tmp_path / "enrolment.yaml"
    rules.write_text("repositories: {acme/anvil: {paths: ['docker/**']}}")
    with served(make_settings(enrolment_file=rules), ledger) as api:
        answer = api.deliver()
        assert (answer.status_code, answer.json()) == (200, {"skipped": "no changed file is selected for acme/anvil"})
        assert jobs(api) == 0


def test_a_bug_is_a_500_in_the_one_shape_and_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a detail that is nobody's business")

    monkeypatch.setattr("raibid.api.webhooks.decide", fails)
    answer = api.deliver()
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error", "remedy": "see the API's log"}
    lines = api.anonymous.get("/metrics").text.splitlines()
    assert 'raibid_webhooks_total{forge="gitea",outcome="500"} 1.0' in lines
    assert 'cicd_system_errors_total{component="api"} 1.0' in lines


# --- size and time ------------------------------------------------------------------------------------------


@pytest.fixture
def small(make_settings: Callable[..., Settings], ledger: Ledger) -> Iterator[Api]:
    with served(make_settings(gitea_body_bytes=64 * 1024, body_seconds=0.3), ledger) as api:
        yield api


HEAD = b"POST /webhook/gitea HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_body_over_the_limit_is_413_before_it_is_sent(small: Api) -> None:
    assert b"413" in talk(small, HEAD + b"Content-Length: 65537\r\n\r\n")


def test_a_body_of_unknown_length_is_413_while_reading(small: Api) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"  # and never the last one
    assert b"413" in talk(small, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)


def test_a_body_of_exactly_the_limit_is_read(small: Api) -> None:
    body = PUSH + b" " * (64 * 1024 - len(PUSH))
    assert small.deliver(body).status_code == 200
    assert small.deliver(body + b" ").status_code == 413


def test_a_client_that_gets_413_can_read_it_and_go_on(small: Api) -> None:
    assert small.deliver(b"x" * 3_000_000).status_code == 413
    assert small.deliver().status_code == 200


def test_a_body_that_does_not_arrive_is_408(small: Api) -> None:
    assert b"408" in talk(small, HEAD + b"Content-Length: 10\r\n\r\n{")


def test_a_client_that_leaves_leaves_nothing(small: Api) -> None:
    with socket.create_connection(small.address) as connection:
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\n{")
    assert small.deliver().status_code == 200
    assert jobs(small) == 1


# --- Redis down or full -------------------------------------------------------------------------------------


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


def test_redis_down_is_503_and_the_retried_delivery_is_accepted_once(own: Api, own_redis: RedisServer) -> None:
    own_redis.kill()
    assert refused(own.deliver())
    assert refused(own.anonymous.get("/readyz"))
    assert own.anonymous.get("/healthz").status_code == 200
    assert "raibid_redis_up 0.0" in own.anonymous.get("/metrics").text
    own_redis.start()
    assert own.deliver().json()["created"]
    assert not own.deliver().json()["created"]
    assert jobs(own) == 1


def test_redis_full_is_503_and_the_retried_delivery_is_accepted_once(own: Api) -> None:
    own.ledger.client.config_set("maxmemory", "1mb")
    assert refused(own.deliver())
    assert jobs(own) == 0
    own.ledger.client.config_set("maxmemory", "0")
    assert own.deliver().json()["created"]
    assert jobs(own) == 1


def test_redis_that_hangs_is_503_before_the_forge_gives_up(
    make_settings: Callable[..., Settings], own_redis: RedisServer
) -> None:
    ledger = Ledger.connect(own_redis.url)
    ledger.setup()
    with served(make_settings(answer_seconds=0.2), ledger) as api:
        assert own_redis.pid is not None
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            assert refused(api.deliver())
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        until(lambda: api.deliver().status_code == 200)
        assert jobs(api) == 1
    ledger.close()


# --- fuzz ---------------------------------------------------------------------------------------------------

BROKEN = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda cut: PUSH[:cut], st.integers(0, len(PUSH))),
    st.builds(
        lambda at, junk: PUSH[:at] + junk + PUSH[at:], st.integers(0, len(PUSH)), st.binary(min_size=1, max_size=8)
    ),
    st.builds(lambda old, new: PUSH.replace(b'"%d"' % old, new), st.integers(0, 9), st.binary(max_size=4)),
)
HEADERS = st.dictionaries(
    st.sampled_from(["X-Gitea-Event", "X-Gitea-Signature", "X-Hub-Signature-256", "Content-Type", "X-Gitea-Delivery"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80),
)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(body=BROKEN, headers=HEADERS)
def test_nothing_unsigned_is_ever_enqueued(api: Api, body: bytes, headers: dict[str, str]) -> None:
    given = {name: value.strip() for name, value in headers.items()}
    assert api.anonymous.post("/webhook/gitea", content=body, headers=given).status_code == 401
    assert jobs(api) == 0


@FUZZ
@given(body=BROKEN, event=st.sampled_from(["push", "pull_request"]))
def test_no_signed_body_is_ever_a_500(api: Api, body: bytes, event: str) -> None:
    answer = api.anonymous.post(
        "/webhook/gitea",
        content=body,
        headers={"Content-Type": "application/json", "X-Gitea-Event": event, **sign(body, SECRET)},
    )
    assert answer.status_code in (200, 400)
