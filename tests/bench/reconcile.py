"""What a round of the reconciler costs a forge: 200 repositories of 5 branches, nothing moved, on GitHub's fake."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from raibid.api.metrics import Metrics
from raibid.api.reconciler import Reconciler
from raibid.forge import Enrolment
from raibid.forge.answers import AnswerMemory
from raibid.forge.github import GithubClient

from tests.bench.figure import Figure
from tests.bench.ledger_steps import fresh_ledger
from tests.forge.github_fake import FakeGithub

REPOSITORIES, BRANCHES = 200, 5


def _round(reconciler: Reconciler, github: FakeGithub) -> tuple[float, int, int]:
    """Seconds, calls, and those of them that GitHub counts."""
    github.answered.clear()
    begin = time.perf_counter()
    reconciler.round(all_of_them=True)
    seconds = time.perf_counter() - begin
    return seconds, len(github.answered), sum(one.counted for one in github.answered)


def rounds(github: FakeGithub, credentials: Path, memory: Callable[[], AnswerMemory]) -> tuple[float, int, int]:
    """The second of two rounds without any push between; the first is the baseline's."""
    with fresh_ledger() as ledger:
        connect = partial(_connect, github.url, credentials, memory)
        reconciler = Reconciler(ledger, {"github": connect}, Enrolment.everything(), Metrics(ledger.depth))
        _round(reconciler, github)
        return _round(reconciler, github)


def _connect(url: str, credentials: Path, memory: Callable[[], AnswerMemory]) -> GithubClient:
    return GithubClient.connect(url, credentials, memory=memory())


def measure() -> list[Figure]:
    with FakeGithub() as github, tempfile.TemporaryDirectory() as directory:
        for number in range(REPOSITORIES):
            repository = github.repository(f"acme/r{number}")
            for branch in ("main", *(f"b{n}" for n in range(1, BRANCHES))):
                repository.commit({f"{branch}.txt": "x"}, branch=branch)
        credentials, kept = github.credentials(Path(directory) / "credentials"), AnswerMemory()
        github.limit = github.remaining = 1_000_000  # both kinds of round in one go
        without = rounds(github, credentials, AnswerMemory)
        with_etags = rounds(github, credentials, lambda: kept)
    scope = f"reconciler: a quiet round, {REPOSITORIES} repositories x {BRANCHES} branches"
    return [
        Figure(what=f"{scope}: calls", value=with_etags[1], unit="calls", twin_name="without ETags", twin=without[1]),
        Figure(
            what="the same: calls that GitHub counts", value=with_etags[2], unit="calls", twin_name="without ETags",
            twin=without[2], goal="0", met=with_etags[2] == 0,
        ),
        Figure(what="the same: time", value=with_etags[0], unit="s", twin_name="without ETags", twin=without[0]),
    ]  # fmt: skip
