"""`raibid gitops watch` and `verify`: did a commit arrive, and is what it describes healthy?

Owns: the two questions' options.
Leaves to others: following (`raibid.gitops.watch`), how it is shown (`gitops_progress.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raibid.gitops.cluster import Cluster
    from raibid.gitops.objects import Ref
    from raibid.gitops.owner.ownership import Claim
    from raibid.gitops.watch.lineage import Lineage
    from raibid.gitops.watch.probe import Probe

Namespace = Annotated[str, Parameter(name=["--namespace", "-n"])]
_COMMIT: Final = re.compile(r"[0-9a-fA-F]{7,64}")
Flag = Annotated[bool, Parameter(negative=())]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Probing:
    """What is asked once everything is applied and healthy."""

    http: str = ""
    """A URL that has to answer, too."""
    status: int = 200
    """The status that it answers with."""
    body: str = ""
    """What its answer contains."""
    within: float = 5.0
    """Seconds that it may take."""
    cel: str = ""
    """A CEL expression that has to be true of the object."""

    def probes(self, about: Ref) -> list[Probe]:
        """As they are asked. Raises ProbeError."""
        from raibid.gitops.watch.cel_probe import CelProbe
        from raibid.gitops.watch.probe import HttpProbe

        found: list[Probe] = []
        if self.http:
            found.append(HttpProbe(url=self.http, status=self.status, body=self.body, within=self.within))
        if self.cel:
            found.append(CelProbe(about, self.cel))
        return found


PROBING: Final = Probing()


def watch(
    about: str = "",
    /,
    *,
    namespace: Namespace = "default",
    commit: str = "",
    timeout: float | None = None,
    again: Flag = False,
    probing: Probing = PROBING,
    context: str = "",
    output: Output = PLAIN,
) -> int:
    """Follow a commit until it is healthy in the cluster, or until it is clear that it will not be.

    Ends with one of: healthy, not-fetched, not-attempted, failing, not-healthy, superseded, suspended, awaiting-sync;
    and with the last message and events of the object that decided. With --json one document per line.
    Exit code 0: healthy; 1: not; 10: the time was over before it was clear. Probes are asked once all of it is healthy,
    and again until they are answered as wanted.

    For example:
      raibid gitops watch deployment/raibid-api -n ci --commit 3f2a9c1b
      raibid gitops watch deployment/raibid-api -n ci --http https://ci.dgx.local/healthz
      raibid gitops watch gitrepository/flux-system -n flux-system --json

    Parameters
    ----------
    about
        KIND/NAME: an object, an applier (kustomization/apps), or a repository, for all that read it. May be left out
        if Flux reads only one.
    namespace
        Its namespace.
    commit
        Which commit; else the newest that was fetched.
    timeout
        Seconds for all of it; else each object on the way has its own budget (docs/gitops.md).
    again
        Ask the applier, too: a failed attempt is made again.
    context
        A context of KUBECONFIG, other than its current one.
    """
    from raibid.cli.gitops_access import cluster, settings, told
    from raibid.cli.gitops_progress import end, shown
    from raibid.gitops.watch.follow import follow
    from raibid.gitops.watch.targets import claims_of, newest

    with told(), cluster(context) as connected:
        ref = _meant(connected, about, namespace)
        probes = probing.probes(ref)
        claims = claims_of(connected, ref)
        sha = _checked(commit) or newest(connected, claims)
        if not sha:
            raise CliError(f"{ref}: nothing is fetched yet", "say which commit: --commit SHA")
        with _lineage(claims) as lineage, shown(output) as tell:
            result = follow(
                connected,
                claims,
                sha,
                settings=settings(),
                tell=tell,
                contains=lineage.contains,
                reverts=lineage.reverts,
                probes=probes,
                again=again,
                timeout=timeout,
            )
    return end(output, result)


def verify(
    about: str,
    /,
    *,
    namespace: Namespace = "default",
    commit: str = "",
    probing: Probing = PROBING,
    context: str = "",
    output: Output = PLAIN,
) -> int:
    """Look once: is the newest commit of its branch applied, and is the object healthy? Asks nobody to reconcile.

    Exit code 0: yes; 1: no, and which stage it has not passed.

    For example:
      raibid gitops verify deployment/raibid-api -n ci --http https://ci.dgx.local/healthz --status 200
      raibid gitops verify deployment/raibid-api -n ci --cel 'status.readyReplicas >= 2' --json

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it.
    namespace
        Its namespace; for kinds that have one.
    commit
        Another commit than the newest of the branch.
    context
        A context of KUBECONFIG, other than its current one.
    """
    from raibid.cli.gitops_access import cluster, settings, told
    from raibid.cli.gitops_progress import end
    from raibid.gitops.watch.follow import follow
    from raibid.gitops.watch.targets import claims_of

    with told(), cluster(context) as connected:
        ref = _meant(connected, about, namespace)
        probes = probing.probes(ref)
        claims = claims_of(connected, ref)
        with _lineage(claims) as lineage:
            result = follow(
                connected,
                claims,
                _checked(commit) or _newest(connected, claims, lineage, output),
                settings=settings(),
                contains=lineage.contains,
                reverts=lineage.reverts,
                probes=probes,
                wait=False,
            )
    return end(output, result)


def _checked(commit: str) -> str:
    if commit and not _COMMIT.fullmatch(commit):
        raise CliError(f"{commit} is no commit", "at least 7 hexadecimal digits", ExitCode.USAGE)
    return commit.lower()


def _meant(connected: Cluster, about: str, namespace: str) -> Ref:
    from raibid.gitops.kinds import referred
    from raibid.gitops.watch.targets import sources_of

    if about:
        return referred(about, namespace, connected.kinds())
    found = sources_of(connected)
    if len(found) != 1:
        names = ", ".join(f"gitrepository/{ref.name} -n {ref.namespace}" for ref in found) or "none"
        raise CliError(f"Flux reads {len(found)} repositories: {names}", "say which one", ExitCode.USAGE)
    return found[0]


def _lineage(claims: Sequence[Claim]) -> Lineage:
    """Of the first claim's branch: several claims of one object, or readers of one source, share it."""
    from raibid.cli.gitops_access import credentials, settings
    from raibid.git.cli import Git
    from raibid.gitops.watch.lineage import Lineage
    from raibid.gitops.watch.targets import lineage_of

    return Lineage(lineage_of(claims), settings(), Git(credentials=credentials()))


def _newest(connected: Cluster, claims: Sequence[Claim], lineage: Lineage, output: Output) -> str:
    """The branch's newest commit; where it cannot be asked, the newest that was fetched, and a word about that."""
    from raibid.git.errors import GitError
    from raibid.gitops.errors import GitopsError
    from raibid.gitops.watch.targets import newest

    try:
        sha = lineage.newest()
    except (GitError, GitopsError) as error:
        output.say(f"compared with what was fetched, not with the branch: {error}")
        sha = ""
    sha = sha or newest(connected, claims)
    if not sha:
        raise CliError("nothing is fetched yet", "say which commit: --commit SHA")
    return sha
