"""Any interleaving of our pushes with others': no commit is lost, ours is on the branch exactly once and on top."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import land
from raibid.gitops.errors import PushRacedError
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost

FLEET = "raibid/fleet"
FILE = "list.txt"
TRIES = 4


class Pushers(RuleBasedStateMachine):
    """Everybody appends lines to the same file; nobody may lose one."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        root = Path(self.place.name)
        self.host = GitHost(root / "host")
        self.host.start()
        self.host.repository(FLEET, {FILE: "first\n"})
        self.git = git_for(GitopsSettings(), self.host.credentials(root / "credentials"))
        self.clones = [Checkout.open(self.host.clone_url(FLEET), "main", root / f"work{n}", self.git) for n in (0, 1)]
        self.commits = self.host.log(FLEET)
        self.lines = ["first"]

    def teardown(self) -> None:
        if hasattr(self, "host"):
            self.host.stop()
            self.place.cleanup()

    @rule()
    def somebody_else_pushes(self) -> None:
        line = f"theirs {len(self.lines)}"
        self.commits.insert(0, self.host.commit(FLEET, {FILE: self.host.text(FLEET, FILE) + f"{line}\n"}))
        self.lines.append(line)

    @rule(clone=st.sampled_from([0, 1]), between=st.integers(0, TRIES), lost=st.booleans())
    def we_land(self, clone: int, between: int, lost: bool) -> None:
        """`between`: others push as we do, so often; `lost`: nobody tells us that our push went in."""
        ours, left = f"ours {len(self.lines)}", [between]

        def race() -> None:
            if left[0]:
                left[0] -= 1
                self.somebody_else_pushes()

        def make(checkout: Checkout) -> str | None:
            text = (checkout.at / FILE).read_text()
            checkout.write({FILE: f"{text}{ours}\n".encode()})
            return checkout.commit(f"{ours}\n")

        self.host.before_push, self.host.lose_answer = race, lost
        try:
            landed = land(self.clones[clone], make, tries=TRIES)
        except PushRacedError:
            # A clone that others have overtaken needs one try to learn that.
            assert between >= TRIES - 1
        else:
            assert landed is not None
            assert self.host.head(FLEET) == landed.sha
            self.commits.insert(0, landed.sha)
            self.lines.append(ours)
        self.host.before_push, self.host.lose_answer = None, False

    @invariant()
    def every_commit_is_there_once_and_in_order(self) -> None:
        if hasattr(self, "host"):
            assert self.host.log(FLEET) == self.commits
            assert self.host.text(FLEET, FILE).splitlines() == self.lines


Pushers.TestCase.settings = settings(
    max_examples=5, stateful_step_count=5, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPushers = Pushers.TestCase
