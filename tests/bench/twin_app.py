"""The webhook handler as one usually writes it: FastAPI route, pydantic, redis.asyncio, a script call each.

The twin of `raibid.api.webhooks`: the same checks in the same order, the same Lua script, the same answer.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from pathlib import Path
from typing import Annotated

import redis.asyncio
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel
from raibid.contract import Keys
from raibid.ledger.scripts import source
from raibid.model.job_id import new_job_id


class Repository(BaseModel):
    full_name: str
    clone_url: str
    default_branch: str = ""


class Commit(BaseModel):
    id: str
    message: str
    url: str
    added: list[str] = []
    removed: list[str] = []
    modified: list[str] = []


class Pusher(BaseModel):
    login: str = ""


class Push(BaseModel):
    ref: str
    before: str
    after: str
    repository: Repository
    commits: list[Commit] = []
    head_commit: Commit | None = None
    pusher: Pusher | None = None


class Spec(BaseModel):
    repo: str
    clone_url: str
    ref: str
    sha: str
    event: str = "push"
    forge: str = "gitea"
    before: str
    message: str
    author: str
    changed: list[str]


class Accepted(BaseModel):
    id: str
    created: bool
    status: str


def create_app(redis_url: str, stream: str, secret: bytes) -> FastAPI:
    app = FastAPI()
    client = redis.asyncio.Redis.from_url(redis_url, protocol=3)
    enqueue = client.register_script(source("enqueue", Keys(stream)))

    @app.post("/webhook/gitea")
    async def gitea(request: Request, x_gitea_signature: Annotated[str, Header()] = "") -> Accepted:
        body = await request.body()
        if not hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest(), x_gitea_signature):
            raise HTTPException(401, "signature")
        push = Push.model_validate_json(body)
        if not push.ref.startswith("refs/heads/") or (push.head_commit and "[skip ci]" in push.head_commit.message):
            raise HTTPException(200, "skipped")
        spec = Spec(
            repo=push.repository.full_name,
            clone_url=push.repository.clone_url,
            ref=push.ref,
            sha=push.after,
            before=push.before,
            message=push.head_commit.message if push.head_commit else "",
            author=push.pusher.login if push.pusher else "",
            changed=sorted({f for c in push.commits for f in c.added + c.removed + c.modified}),
        )
        dedupe = f"{spec.repo}:{spec.ref}:{spec.sha}"
        branch = spec.ref.removeprefix("refs/heads/")
        args: list[str | int] = [new_job_id(), dedupe, spec.model_dump_json(), spec.repo, branch, "", 2, 3, 0]
        ((job_id, created, status),) = await enqueue(keys=[stream], args=args)
        return Accepted(id=job_id.decode(), created=bool(created), status=status.decode())

    return app


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        port = self.servers[0].sockets[0].getsockname()[1]
        target = Path(os.environ["PORT_FILE"])
        partial = target.with_suffix(".partial")
        partial.write_text(str(port))
        partial.replace(target)


if __name__ == "__main__":
    secret_file, redis_url, stream = sys.argv[1:]
    app = create_app(redis_url, stream, Path(secret_file).read_bytes().strip())
    _Announcing(uvicorn.Config(app, port=0, log_level="warning", access_log=False)).run()
