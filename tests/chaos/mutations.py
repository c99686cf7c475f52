"""Nine seeded bugs, each a small edit of the ledger's scripts: the checker that misses one proves nothing.

Owns: the edits, a script runner that applies one.
Leaves to others: provoking them (`scenarios.py`, `harness.py`), seeing them (`checker.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import redis
from raibid.contract import Keys
from raibid.ledger.scripts import FLAGS, Scripts, source
from redis.commands.core import Script


class MutationError(Exception):
    """The text to edit is no longer there: the mutation must follow the script."""


@dataclass(frozen=True)
class Mutation:
    """One bug: `edits` are (old, new) in the whole text of a script. `split_finish`: agents must finish twice."""

    name: str
    edits: tuple[tuple[str, str], ...]
    split_finish: bool = False

    def applied(self, script: str, keys: Keys) -> str:
        """The script's text with the bug in it, where the script has the place."""
        text = source(script, keys)
        for old, new in self.edits:
            text = text.replace(old, new)
        return text

    def verify(self, keys: Keys) -> None:
        """Raises MutationError when an edit changes no script."""
        texts = [source(name, keys) for name in FLAGS]
        for old, _ in self.edits:
            if not any(old in text for text in texts):
                raise MutationError(f"mutation {self.name}: no script has {old!r} any more")


MUTATIONS: Final = {
    m.name: m
    for m in (
        Mutation(
            "no-fencing",
            (
                ("if r[2] ~= token then return 'stale' end\n", ""),  # finish
                ("r[1] ~= 'running' or r[2] ~= ARGV[2]", "r[1] ~= 'running'"),  # beat, release, append_log
            ),
        ),
        Mutation(
            "split-finish",  # ack and delete in one step, the status in a second: the agent may die in between
            (
                (
                    "write(job, 'report', ARGV[4])",
                    "local e = record(job, 'entry')[1]\n"
                    "if redis.call('XRANGE', key.stream, e, e)[1] then drop(e) return 'half' end\n"
                    "write(job, 'report', ARGV[4])",
                ),
            ),
            split_finish=True,
        ),
        Mutation(
            "delete-busy-consumer",
            (("if tonumber(c.pending) == 0 and tonumber(c.idle) > 3600000 then", "if tonumber(c.idle) > 0 then"),),
        ),
        Mutation(
            "no-limit",
            (("local function blocked(s, lane, more)", "local function blocked(s, lane, more)\n  do return nil end"),),
        ),
        Mutation("no-trim", (("  trim(s)\n", ""),)),
        Mutation(
            "deaf-claim",  # claim ignores the cancel flag
            (("elseif r[5] == '1' then", "elseif false then"), ("  if cancel == '1' then\n", "  if false then\n")),
        ),
        Mutation(
            "blind-enqueue",  # a newer job of a group leaves the older one alone
            (("    if n.job then supersede(n.job, j.id) end\n", ""),),
        ),
        Mutation(
            "crowded-group",  # whoever joins a concurrency group has it
            (("if not holder or holder == job then", "if true then"),),
        ),
        Mutation(
            "hasty-coroner",  # a pod's end decides over a job that another agent has by now
            (("if r[2] ~= pod and not inherited or verdict == 'none' then", "if verdict == 'none' then"),),
        ),
    )
}


class MutatedScripts(Scripts):
    """The ledger's scripts with one bug."""

    def __init__(self, client: redis.Redis, keys: Keys, mutation: Mutation) -> None:
        super().__init__(client, keys)
        mutation.verify(keys)
        self._mutation = mutation
        self._mutated: dict[str, Script] = {}
        self._on = client, keys

    def __call__(self, name: str, *args: str | bytes | int | float) -> Any:
        client, keys = self._on
        if name not in self._mutated:
            self._mutated[name] = client.register_script(self._mutation.applied(name, keys))
        return self._mutated[name](keys=[keys.stream], args=list(args))
