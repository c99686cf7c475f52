"""Redis users, each with the least it needs: the API, an agent, KEDA, the controller.

An agent's user can touch every job of the queue, because admit runs inside its finish and release; what keeps one
agent from another's job is the fencing token, and what keeps a build from Redis is that a step never sees the
password.

Owns: the text of Redis' `aclfile`.
Leaves to others: where passwords come from and where the file is kept (0600).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from raibid.contract import STREAM, AclUser, Keys

_CONNECTION: Final = "+ping +hello"
_SCRIPTS: Final = "+evalsha +script|load +time"
# What the steps of an agent touch; `admit` runs inside finish and release, so lanes are among it.
# XREVRANGE: a line that the ledger itself writes into a log begins on a line of its own.
_STEPS: Final = (
    "+hgetall +hmget +hget +hset +hincrby +zrange +zrank +zadd +zrem +zscore +sadd +expire "
    "+info +xadd +xack +xdel +xrange +xrevrange +xpending +xclaim +xreadgroup +xgroup|create +xgroup|delconsumer"
)
# What a pod's end touches: it may end a job or send it back, and `admit` runs inside that. It never takes a job, so
# nothing here reads from the group; XLEN is the number of agents wanted.
_PODS: Final = (
    "+hgetall +hmget +hset +hdel +hincrby +zrange +zrank +zadd +zrem +zscore +sadd +expire "
    "+xadd +xack +xdel +xrange +xrevrange +xpending +xclaim +xlen"
)
_WAITING: Final = "+xread +xinfo|stream"
_QUEUE: Final = (
    "+get +set +hdel +zcard +zcount +zrangebylex +zrevrangebylex +srem +srandmember "
    "+persist +xlen +xinfo|groups +xinfo|consumers +exists"
)

RULES: Final[Mapping[str, str]] = {
    AclUser.API: f"{_CONNECTION} {_SCRIPTS} {_STEPS} {_WAITING} {_QUEUE}",
    AclUser.AGENT: f"{_CONNECTION} {_SCRIPTS} {_STEPS} {_WAITING}",
    AclUser.CONTROLLER: f"{_CONNECTION} {_SCRIPTS} {_PODS} {_WAITING}",
    # HELLO, PING and XLEN are all KEDA's scaler sends in streamLength mode (spec/queue.md 3.1).
    AclUser.KEDA: "+ping +xlen",
}


def acl_file(passwords: Mapping[str, str], *, stream: str = STREAM) -> str:
    """The `aclfile` for these users: passwords only as SHA-256, the default user off.

    Off is enough: nobody can be the default user. Its rights are for Redis itself, which loads its append-only file
    as that user (7.0.15): with none it silently drops every MULTI … EXEC in it, as which it keeps what a script has
    written, and so starts without any job.

    Raises:
        KeyError: a user that has no rules here.
    """
    work, rest = stream, Keys(stream).job.removesuffix("job:") + "*"
    lines = ["user default off resetpass resetchannels ~* +@all"]
    for user, password in passwords.items():
        keys = f"~{work}" if user == AclUser.KEDA else f"~{work} ~{rest}"
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {user} on #{digest} resetkeys {keys} resetchannels -@all {RULES[user]}")
    return "\n".join(lines) + "\n"
