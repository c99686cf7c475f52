"""The way in: the pool's own API in a process that can be killed in mid-request, and a forge that calls it.

Owns: the API's settings in a run, how a planned delivery becomes an HTTP request (a signed webhook, or `POST /jobs`).
Leaves to others: redelivering what was not answered (`deliveries.py`), the API itself (`raibid.api`).
"""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path
from typing import Final

import msgspec
from raibid.api.main import serve
from raibid.api.settings import Settings
from raibid.contract import Env
from raibid.forge.webhook import sign
from raibid.ledger import Enqueued
from raibid.model.job import JobSpec

from tests.chaos.world import World

HELD_REPO: Final = "acme/fork"
"""The repository whose pushes wait for approval."""

_SECRET: Final = b"chaos-webhook-secret"
_TOKEN: Final = b"chaos-write-token"
_ENROLMENT: Final = f"default: {{}}\nrepositories:\n  {HELD_REPO}: {{approval: true}}\n"


class Request(msgspec.Struct, frozen=True):
    """One delivery of the plan: a webhook, or a job started by hand under an idempotency key."""

    dedupe: str
    spec: JobSpec
    webhook: bool = False


def run(world: World, _name: str) -> None:
    """Be the API until killed."""
    directory = Path(world.directory)
    files = {"secrets": _SECRET, "tokens": _TOKEN, "enrolment.yaml": _ENROLMENT.encode()}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    os.environ |= {
        Env.REDIS_URL: world.redis_url,
        Env.LEASE_SECONDS: str(world.lease),
        Env.BEAT_SECONDS: str(world.beat),
        Env.WEBHOOK_SECRETS_FILE: str(directory / "secrets"),
        Env.WRITE_TOKENS_FILE: str(directory / "tokens"),
        Env.ENROLMENT_FILE: str(directory / "enrolment.yaml"),
        Env.STORE: f"file://{directory}/archive",
    }
    serve(Settings.load(), port=world.door_port, log_level="critical")


def deliver(port: int, request: Request) -> http.client.HTTPConnection:
    """Send a delivery; `answer` reads what becomes of it. Raises OSError when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    path, headers, body = _webhook(request) if request.webhook else _by_hand(request)
    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
    return connection


def answer(connection: http.client.HTTPConnection) -> Enqueued | None:
    """The job the API answers for; None: deliver again. Raises OSError or HTTPException when it died before."""
    try:
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status not in (200, 201):
        return None
    return msgspec.json.decode(body, type=Enqueued)


def _by_hand(request: Request) -> tuple[str, dict[str, str], bytes]:
    spec = request.spec
    body = {
        "repo": spec.repo,
        "clone_url": spec.clone_url,
        "ref": spec.ref,
        "params": spec.params,
        "priority": spec.priority.name.lower(),
        "resource": spec.resource,
    }
    headers = {"Authorization": f"Bearer {_TOKEN.decode()}", "Idempotency-Key": request.dedupe}
    return "/jobs", headers, msgspec.json.encode(body)


def _webhook(request: Request) -> tuple[str, dict[str, str], bytes]:
    spec, sha = request.spec, hashlib.sha1(request.dedupe.encode()).hexdigest()
    body = msgspec.json.encode(
        {
            "ref": spec.ref,
            "before": "0" * 40,
            "after": sha,
            "repository": {"full_name": spec.repo, "clone_url": spec.clone_url, "default_branch": "main"},
            "commits": [{"id": sha, "message": request.dedupe}],
            "head_commit": {"id": sha, "message": request.dedupe},
            "total_commits": 1,
        }
    )
    headers = {"X-Gitea-Event": "push", "X-Gitea-Delivery": request.dedupe, **sign(body, _SECRET)}
    return "/webhook/gitea", headers, body
