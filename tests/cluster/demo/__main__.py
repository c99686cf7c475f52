"""`make demo-cluster`: one push through everything, shown hop by hop as it happens.

Owns: the command line, what a person sees, what a program reads (`--json`).
Leaves to others: the parts (`tests.cluster.pools.pool`), the hops (`hops.py`), the exit codes of what fails
(`tests.cluster.command`).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final, Literal, NoReturn

from cyclopts import App, Parameter
from raibid.local.repository import SAMPLES
from rich.console import Console

from tests.cluster.command import FAILED, exit_code, own_directory
from tests.cluster.demo.hops import Hop, Watch
from tests.cluster.node.node import why_not
from tests.cluster.parts.developer import Checkout, Developer
from tests.cluster.pools.pool import Pool
from tests.cluster.tools.toolchain import tool

_REPOSITORY: Final = "raibid/anvil"
_NAP: Final = 1.0

Flag = Parameter(negative=(), show_default=False)


@dataclass
class Story:
    """What happened, told once."""

    console: Console
    as_json: bool
    began: float = field(default_factory=time.time)
    hops: list[Hop] = field(default_factory=list)

    def say(self, text: str) -> None:
        """What is being prepared; not part of the answer."""
        if not self.as_json:
            self.console.print(f"[dim]{text}[/dim]", highlight=False)

    def start(self, name: str, detail: str) -> None:
        """Time counts from here."""
        self.began, self.hops = time.time(), []
        self.tell(Hop(name, self.began, detail))

    def tell(self, hop: Hop) -> None:
        """One hop, as it happens."""
        before = self.hops[-1].at if self.hops else hop.at
        self.hops.append(hop)
        if self.as_json:
            record = {**asdict(hop), "since_push": round(hop.at - self.began, 3)}
            self.console.file.write(json.dumps(record) + "\n")
            self.console.file.flush()
            return
        total, step = hop.at - self.began, hop.at - before
        self.console.print(
            f"  {total:6.2f} s  [bold]{hop.name:<18}[/bold] +{step:5.2f} s  {hop.detail}", highlight=False
        )

    def over(self, good: bool) -> None:
        """The end, in one line."""
        took = self.hops[-1].at - self.began
        if self.as_json:
            record = {"name": "summary", "ok": good, "seconds": round(took, 3), "hops": len(self.hops)}
            self.console.file.write(json.dumps(record) + "\n")
            return
        colour = "green" if good else "red"
        word = "shown" if good else "not as it should be"
        self.console.print(f"\n  [{colour}]{took:.1f} s: {word}[/{colour}]", highlight=False)


app: Final = App(
    name="python -m tests.cluster.demo",
    help="One push through real Gitea, API, Redis, KEDA, Kubernetes and a container, hop by hop.",
    help_format="plaintext",
    version_flags=[],
    suppress_keyboard_interrupt=False,  # `exit_code` says that everything was ended; cyclopts would exit without a word
)


@app.default
def demo(
    *,
    scaler: Literal["keda", "direct"] = "keda",
    pr: Annotated[bool, Flag] = False,
    keep: Annotated[bool, Flag] = False,
    json_: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """Start everything, push, show each hop with its time, end everything. Exit code 0: the status says success.

    Parameters
    ----------
    scaler
        Who starts agents: KEDA's operator, or raibid's own controller.
    pr
        Then a pull request of a fork: held, approved, built.
    keep
        Stay up until Ctrl-C, and say how to look around.
    json_
        One JSON object per hop.
    """
    story = Story(Console(stderr=False, soft_wrap=True), json_)
    if reason := why_not():
        sys.stderr.write(f"demo: {reason}\n")
        return FAILED
    with own_directory("demo") as directory:
        story.say("starting etcd, Kubernetes, containerd, Redis, raibid-api, Gitea, the scaler …")
        story.say("(first the agent's image, where the cache has none of this checkout: minutes, once)")
        began = time.time()
        with Pool(directory / "pool", scaler=scaler) as pool:
            story.say(f"all parts answer after {time.time() - began:.0f} s")
            ada = pool.line.gitea.developer("ada", owner=True)
            checkout = ada.create(_REPOSITORY)
            good = _push(story, pool, ada, checkout)
            if pr:
                good = _fork(story, pool, ada) and good
            if keep:
                _stay(story, pool, ada)
            return 0 if good else 1


def _push(story: Story, pool: Pool, ada: Developer, checkout: Checkout) -> bool:
    sha = checkout.commit(SAMPLES / "python", "The first one")
    watch = Watch(pool, ada, checkout.repository, sha)
    story.start("git push", f"{sha[:10]} to {pool.line.gitea.url}/{checkout.repository}")
    checkout.push()
    story.tell(watch.until_enqueued())
    return _follow(story, watch)


def _fork(story: Story, pool: Pool, ada: Developer) -> bool:
    """A stranger's pull request waits for a person."""
    stranger = pool.line.gitea.developer("mallory")
    ada.api.call("PUT", f"/repos/{_REPOSITORY}/collaborators/{stranger.name}", {"permission": "read"})
    fork = stranger.fork(_REPOSITORY)
    sha = fork.commit({"notes": "from outside\n"}, "A gift", branch="gift")
    watch = Watch(pool, ada, _REPOSITORY, sha, event="pull_request")
    fork.push("gift")
    story.start("pull request", f"{sha[:10]} of {fork.repository}")
    stranger.pull_request(_REPOSITORY, f"{stranger.name}:gift", "A gift")
    story.tell(watch.until_held())
    story.tell(watch.approve())
    return _follow(story, watch)


def _follow(story: Story, watch: Watch) -> bool:
    for hop in watch.until_shown():
        story.tell(hop)
    good = any(one.state == "success" for one in watch.statuses())
    story.over(good)
    return good


def _stay(story: Story, pool: Pool, ada: Developer) -> None:
    line = pool.line
    tokens = line.directory / "raibid-api" / "root" / "run" / "secrets" / "raibid"
    story.say(f"""
up until Ctrl-C; in another terminal:
  {tool("kubectl")} --kubeconfig={pool.control_plane.kubeconfig()} get jobs,pods -n ci
  RAIBID_API_URL={line.url} RAIBID_TOKEN_FILE={tokens / "write-tokens"} raibid jobs
  curl {line.url}/badges/{_REPOSITORY}.svg
  git clone {line.gitea.url}/{_REPOSITORY}.git   # user {ada.name}; the password: {ada.password_file()}
  logs of every part: {pool.directory}""")
    while True:
        time.sleep(_NAP)


def main() -> NoReturn:
    """Run it; what goes wrong is a sentence and an exit code."""
    sys.exit(exit_code("demo", lambda: int(app(result_action="return_value"))))


if __name__ == "__main__":
    main()
