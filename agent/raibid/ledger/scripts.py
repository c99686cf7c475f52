"""The Lua scripts as Redis gets them: a header with the contract's names, the shared parts, then the step.

Owns: how a script is put together and called.
Leaves to others: what the scripts do (`*.lua`), what their replies mean (`ledger.py`).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

import redis
from redis.commands.core import Script

from raibid.contract import (
    AGE_SECONDS,
    AGENT_KEPT_SECONDS,
    DEAD_LETTERS_KEPT,
    DEFAULT_WINDOW,
    EVENTS_KEPT,
    MAX_REFUNDS,
    PAST_KEPT,
    PODS_KEPT,
    RETENTION_SECONDS,
    STUCK_SECONDS,
    Keys,
)

# Every writing script may run when Redis is full, or a full Redis would never drain; except those that
# take in something new. `none` is the shebang without a flag.
FLAGS: Final[dict[str, str]] = {
    "enqueue": "none",
    "retry": "none",
    "append_log": "none",
    "claim": "allow-oom",
    "join": "allow-oom",
    "beat": "allow-oom",
    "finish": "allow-oom",
    "release": "allow-oom",
    "cancel": "allow-oom",
    "approve": "allow-oom",
    "bury": "allow-oom",
    "pod_ended": "allow-oom",
    "pods_stuck": "allow-oom",
    "told": "allow-oom",
    "archived": "allow-oom",
    "mirrors_ask": "none",
    "mirrors_hold": "allow-oom",
    "mirrors_take": "allow-oom",
    "mirrors_looked": "allow-oom",
    "control": "allow-oom",
    "tick": "allow-oom",
    "why": "no-writes",
    "depth": "no-writes",
    "head_jobs": "no-writes",
}

SHARED: Final = ("base.lua", "window.lua")
ENTRANCE: Final = {"enqueue": ("create.lua",), "retry": ("create.lua",)}


@cache
def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _lua(value: str | int) -> str:
    return str(value) if isinstance(value, int) else '"' + value.replace('"', '\\"') + '"'


def source(name: str, keys: Keys) -> str:
    """The whole text of a script, shebang first."""
    flags = FLAGS[name]
    shebang = "#!lua" if flags == "none" else f"#!lua flags={flags}"
    names = ", ".join(f"{n} = {_lua(v)}" for n, v in keys.as_lua().items())
    header = (
        f"local key = {{{names}}}\n"
        f"local RETENTION, AGE, MAX_REFUNDS = {RETENTION_SECONDS}, {AGE_SECONDS * 1_000_000}, {MAX_REFUNDS}\n"
        f"local WINDOW, EVENTS_KEPT, DEAD_KEPT = {DEFAULT_WINDOW}, {EVENTS_KEPT}, {DEAD_LETTERS_KEPT}\n"
        f"local AGENT_KEPT, PODS_KEPT, STUCK = {AGENT_KEPT_SECONDS}, {PODS_KEPT}, {STUCK_SECONDS}\n"
        f"local PAST_KEPT = {PAST_KEPT}\n"
    )
    return "\n".join([shebang, header, *map(_part, (*SHARED, *ENTRANCE.get(name, ()), f"{name}.lua"))])


class Scripts:
    """The ledger's scripts on one connection pool; each call is one round trip."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._keys = keys
        self._client = client
        self._scripts: dict[str, Script] = {}

    def __call__(self, name: str, *args: str | bytes | int | float) -> Any:
        """Run a script; the reply is as Redis sends it (bytes, ints, lists)."""
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(source(name, self._keys))
        return script(keys=[self._keys.stream], args=list(args))
